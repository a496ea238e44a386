"""The page at `/`: what this server is, which language model answers, and which characters it plays."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable
from importlib import resources

from aiohttp import web

from voicepipe.characters.prompts import Characters
from voicepipe.engine.settings import names_gguf
from voicepipe.server.settings import ServerSettings

__all__ = ["page_of"]

_EMBEDDED = (
    "The embedded language model, SmolLM2 with 135 million parameters. It shows timing, and is no conversation "
    "partner: it invents and forgets. A larger one takes its place with <code>voicepipe serve --llm URL</code> or "
    "<code>--llm FILE.gguf</code>."
)


def page_of(settings: ServerSettings, characters: Characters) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler of `/`. The page contains no address of a service: its readers need not know it."""
    page = resources.files("voicepipe.server").joinpath("page.html").read_text("utf-8")
    names = [name for name in characters.offered if name != "constant"]
    listed = ", ".join(f"<code>{html.escape(name)}</code>" for name in names)
    text = page.replace("{{model}}", _model(settings.llm_url))
    text = text.replace("{{characters}}", f"{listed}, or your own words")

    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/html")

    return handler


def _model(place: str | None) -> str:
    if place is None:
        return _EMBEDDED
    return "A model in this process, from a GGUF file." if names_gguf(place) else "A language model on a service."
