"""The page at `/`: what this server is, what its pipeline uses, which language model answers, and how to talk to it."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Awaitable, Callable, Collection, Iterator
from importlib import resources

from aiohttp import web

from voicepipe.characters.prompts import Characters
from voicepipe.engine.health_checks import ServiceKind
from voicepipe.engine.settings import names_gguf
from voicepipe.installation.program import this_program
from voicepipe.server.settings import ServerSettings
from voicepipe.weights import registry

__all__ = ["page_of"]

_EMBEDDED = (
    "The embedded language model, SmolLM2 with 135 million parameters. It shows timing, and is no conversation "
    "partner: it invents and forgets. One of Ollama takes its place with "
    "<code>{program} serve --llm http://localhost:11434</code>; any other OpenAI-compatible service and any "
    "GGUF file do with their own URL or path."
)


def page_of(
    settings: ServerSettings, characters: Characters, kinds: Collection[ServiceKind]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return the handler of `/`.

    The page names no address of a service: its readers need not know it. It speaks only of the
    `kinds` of models that the pipeline uses.
    """
    page = resources.files("voicepipe.server").joinpath("page.html").read_text("utf-8")
    texts = {
        "stages": "".join(f"<li>{stage}</li>" for stage in _stages(kinds)),
        "model": _model_section(settings, characters) if "llm" in kinds else "",
        "program": html.escape(this_program()),
        "recording": "--sample" if registry.find("moonshine") else "FILE.wav",
    }
    for name, text in texts.items():
        page = page.replace(f"{{{{{name}}}}}", text)

    headers = _headers(page)

    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html", headers=headers)

    return handler


def _headers(page: str) -> dict[str, str]:
    """Return headers that let the page run its own script and style, by their hashes, and nothing else."""
    hashes = {
        tag: " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
            for text in re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        )
        for tag in ("script", "style")
    }
    policy = (
        f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


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
