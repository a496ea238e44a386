"""The aiohttp application: the conversation, the health of what carries it, and a page that says what this is."""

from __future__ import annotations

from importlib import resources

from aiohttp import web

from voicepipe.engine import Engine
from voicepipe.server.http import cors, errors_as_json, preflight
from voicepipe.server.settings import ServerSettings
from voicepipe.server.websocket import Sessions
from voicepipe.session import Pipeline

__all__ = ["make_app"]


def make_app(pipeline: Pipeline, engine: Engine, settings: ServerSettings) -> web.Application:
    """Serve `pipeline` on `engine`: `/v1/realtime`, `/v1/health` and `/`.

    When the application shuts down, sessions are told (1001) and awaited. The engine stays open: it is the caller's.
    """
    sessions = Sessions(pipeline, engine, settings)
    app = web.Application(middlewares=[preflight, errors_as_json])
    app.on_response_prepare.append(cors(settings.cors_origins))
    app.router.add_get("/v1/realtime", sessions.serve)
    app.router.add_get("/", _page)

    async def health(_: web.Request) -> web.Response:
        return _health(await engine.health(), sessions)

    async def stop(_: web.Application) -> None:
        await sessions.stop()

    app.router.add_get("/v1/health", health)

    app.on_shutdown.append(stop)
    return app


def _health(up: dict[str, bool], sessions: Sessions) -> web.Response:
    """What is up; `ok` when all is that a conversation needs, which voice cloning is not. 503 while shutting down."""
    ok = all(up.get(kind, False) for kind in ("stt_up", "tts_up", "llm_up")) and not sessions.stopping
    return web.json_response({**up, "ok": ok}, status=503 if sessions.stopping else 200)


async def _page(_: web.Request) -> web.Response:
    page = resources.files("voicepipe.server").joinpath("page.html").read_text("utf-8")
    return web.Response(text=page, content_type="text/html")
