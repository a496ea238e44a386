"""The page at `/`, on which one talks with the server: its files, and what it says of this server."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.util import find_spec

from aiohttp import ETag, hdrs, web

from voicepipe.characters.prompts import Characters
from voicepipe.engine.health_checks import ServiceKind
from voicepipe.engine.settings import names_gguf
from voicepipe.installation.program import this_program
from voicepipe.server.http.auth import is_loopback
from voicepipe.server.settings import ServerSettings
from voicepipe.weights import registry

__all__ = ["Page"]

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    hdrs.CACHE_CONTROL: "no-cache",  # a browser asks, and gets 304 until the server has another version
}

_EMBEDDED = (
    "The embedded language model, SmolLM2 with 135 million parameters. It shows timing, and is no conversation "
    "partner: it invents and forgets. One of Ollama takes its place with "
    "<code>{program} serve --llm http://localhost:11434</code>; any other OpenAI-compatible service and any "
    "GGUF file do with their own URL or path."
)


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    content_type: str
    tag: str


class Page:
    """The handlers of `/` and of the page's files, which come with the package and are read once.

    The page names no address of a service: its readers need not know it. It speaks only of the `kinds` of models that
    the pipeline uses.
    """

    def __init__(self, settings: ServerSettings, characters: Characters, kinds: Collection[ServiceKind]) -> None:
        texts = dict(_texts())
        index = _filled(texts.pop("index.html"), _facts(settings, characters, kinds) | {"preloads": _preloads(texts)})
        version = _hash("".join((index, *texts.values())))
        index = _filled(index, {"version": version})
        self._files = {name: _file(name, text, _hash(text)) for name, text in texts.items()}
        # The tag of the page is that of all its files: a page that is open asks whether the server has another one.
        self._index = _file("index.html", index, version)

    async def index(self, request: web.Request) -> web.Response:
        """The page itself."""
        return _response(self._index, request)

    async def file(self, request: web.Request) -> web.Response:
        """One of its scripts, or its style. 404 for any other name."""
        found = self._files.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return _response(found, request)


@cache
def _texts() -> Mapping[str, str]:
    files = resources.files("voicepipe.server").joinpath("page").iterdir()
    named = {file.name: file for file in files if file.name.rpartition(".")[2] in _TYPES}
    return {name: named[name].read_text("utf-8") for name in sorted(named)}


def _preloads(names: Mapping[str, str]) -> str:
    """Name all modules in the page, so that a browser asks for all at once, and not for each when it has read another.

    Worklets are loaded when a conversation begins, and what shows a session from inside when one asks for it.
    """
    found, next_ones = list[str](), ["main.js"]
    while next_ones:
        found += next_ones
        imported = (name for one in next_ones for name in re.findall(r'from "\./([^"]+)"', names[one]))
        next_ones = [name for name in dict.fromkeys(imported) if name not in found]
    return "\n".join(f'<link rel="modulepreload" href="page/{name}">' for name in sorted(found))


def _file(name: str, text: str, tag: str) -> _File:
    return _File(text.encode(), _TYPES[name.rpartition(".")[2]], tag)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _filled(text: str, facts: Mapping[str, str]) -> str:
    for name, fact in facts.items():
        text = text.replace(f"{{{{{name}}}}}", fact)
    return text


def _response(file: _File, request: web.Request) -> web.Response:
    response = web.Response(body=file.body, content_type=file.content_type, charset="utf-8", headers=_HEADERS)
    response.etag = file.tag
    known = request.if_none_match or ()
    if any(ETag(file.tag).value == tag.value for tag in known):
        response.set_status(304)
        response.body = None
    return response


# ---- what it says of this server -------------------------------------------------------------------------------------


def _facts(settings: ServerSettings, characters: Characters, kinds: Collection[ServiceKind]) -> dict[str, str]:
    return {
        "stages": "".join(f"<li>{stage}</li>" for stage in _stages(kinds)),
        "model": _model_section(settings, characters) if "llm" in kinds else "",
        "watchable": str(settings.session_events).lower(),
        "webrtc": _webrtc(settings),
        "program": html.escape(this_program()),
        "recording": "--sample" if registry.find("moonshine") else "FILE.wav",
    }


def _webrtc(settings: ServerSettings) -> str:
    """Return for which pages calls can come about: a server behind a proxy often receives UDP on loopback only."""
    if find_spec("aiortc") is None:
        return "none"
    return "local" if is_loopback(settings.call_host or settings.host) and not settings.ice_servers else "all"


def _stages(kinds: Collection[ServiceKind]) -> Iterator[str]:
    yield "decode"
    if "stt" in kinds:
        yield from ("VAD / STT", "turn detector")
    yield from (name for kind, name in (("llm", "LLM"), ("tts", "TTS")) if kind in kinds)
    yield "encode"


def _model_section(settings: ServerSettings, characters: Characters) -> str:
    names = [name for name in characters.offered if name != "constant"]
    listed = ", ".join(f"<code>{html.escape(name)}</code>" for name in names)
    return (
        f'<h2>The language model</h2>\n  <p id="model">{_model(settings.llm_url)}</p>\n'
        f'  <p id="characters">Characters: {listed}, or your own words.</p>\n'
    )


def _model(place: str | None) -> str:
    if place is None:
        return _EMBEDDED.format(program=html.escape(this_program()))
    return "A model in this process, from a GGUF file." if names_gguf(place) else "A language model on a service."
