"""voicepipe in an application of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import reactivex
from aiohttp import web
from served import Engine, refused

from voicepipe import Session
from voicepipe.server import AppSettings, add_routes, create_app
from voicepipe.session import Pipeline

PAGE = {"Origin": "https://talk.example"}
SETTINGS = AppSettings.model_validate({"cors_origins": ["https://talk.example"]})


def silent(_: Session) -> Any:
    return reactivex.never()


def thinking(session: Session) -> Any:
    return session.llm


@asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """As `aiohttp.web.run_app` does it."""
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession() as http:
            yield http, f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def own_app() -> web.Application:
    """An application with a route, a page and errors of its own."""

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.add_routes([web.get("/", hello), web.get("/metrics", hello)])
    return app


def mounted(pipeline: Pipeline, engine: Engine) -> tuple[web.Application, str]:
    app = own_app()
    app.add_subapp("/voice", create_app(pipeline, SETTINGS, engine=engine))
    return app, "/voice"


def added(pipeline: Pipeline, engine: Engine) -> tuple[web.Application, str]:
    app = own_app()
    add_routes(app, pipeline, SETTINGS, engine=engine)
    return app, ""


def added_below(pipeline: Pipeline, engine: Engine) -> tuple[web.Application, str]:
    app = own_app()
    add_routes(app, pipeline, SETTINGS, prefix="/speech", engine=engine)
    return app, "/speech"


Embed = Callable[[Pipeline, Engine], tuple[web.Application, str]]
WAYS = [mounted, added, added_below]


@pytest.mark.parametrize("embed", WAYS)
async def test_a_conversation_runs_beside_other_routes(embed: Embed) -> None:
    """And the page of the application stays its own."""
    engine = Engine()
    app, prefix = embed(silent, engine)
    async with running(app) as (http, url):
        async with http.get(url) as answer:
            assert await answer.text() == "hello"
        async with http.get(f"{url}/metrics") as answer:
            assert await answer.text() == "hello"
        async with http.ws_connect(f"{url}{prefix}/v1/realtime") as socket:
            assert (await socket.receive_json())["type"] == "session.created"
    assert engine.closed == engine.made == 1


@pytest.mark.parametrize("embed", WAYS)
async def test_errors_are_json_on_its_routes_alone(embed: Embed) -> None:
    """The application's own are as they were."""
    app, prefix = embed(silent, Engine())
    async with running(app) as (http, url):
        async with http.get(f"{url}{prefix}/v1/realtime") as answer:
            assert refused(answer.status, await answer.json()) == "This address speaks WebSocket."
        async with http.get(f"{url}/absent") as answer:
            assert (answer.status, answer.content_type) == (404, "text/plain")


@pytest.mark.parametrize("embed", WAYS)
async def test_pages_of_allowed_origins_may_read_its_answers_alone(embed: Embed) -> None:
    """Also where a browser asks before."""
    app, prefix = embed(silent, Engine())
    asking = {**PAGE, "Access-Control-Request-Method": "GET"}
    async with running(app) as (http, url):
        async with http.get(f"{url}{prefix}/v1/health", headers=PAGE) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
        async with http.options(f"{url}{prefix}/v1/voices", headers=asking) as answer:
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, PAGE["Origin"])
        async with http.get(url, headers=PAGE) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("embed", WAYS)
async def test_clients_are_told_when_the_application_stops(embed: Embed) -> None:
    """And a session of theirs has cleaned up by then."""
    engine = Engine()
    app, prefix = embed(silent, engine)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"http://{host}:{port}{prefix}/v1/realtime", autoclose=True) as socket,
    ):
        await socket.receive()
        stopped = asyncio.create_task(runner.shutdown())
        assert (await socket.receive()).data == 1001
        await stopped
    assert engine.closed == 1
    await runner.cleanup()


async def test_what_sessions_share_is_opened_and_closed_by_the_application() -> None:
    """`cleanup_ctx` of aiohttp: before the first session, and after the last."""
    pool = web.AppKey("pool", list[str])
    found: list[list[str]] = []

    async def database(app: web.Application) -> AsyncIterator[None]:
        app[pool] = ["open"]
        yield
        app[pool].append("closed")

    app = web.Application()

    def pipeline(_: Session) -> Any:
        found.append(list(app[pool]))
        return reactivex.never()

    app.cleanup_ctx.append(database)
    add_routes(app, pipeline, engine=Engine())
    async with running(app) as (http, url), http.ws_connect(f"{url}/v1/realtime") as socket:
        await socket.receive()
    assert (found, app[pool]) == ([["open"]], ["open", "closed"])


async def test_several_pipelines() -> None:
    """By path; one that there is not is a 404."""
    app = create_app({"sales": silent, "support": silent}, engine=Engine())
    async with running(app) as (http, url):
        async with http.ws_connect(f"{url}/v1/realtime/support") as socket:
            assert (await socket.receive_json())["type"] == "session.created"
        async with http.get(
            f"{url}/v1/realtime/absent", headers={"Connection": "Upgrade", "Upgrade": "websocket"}
        ) as no:
            assert no.status == 404


async def test_an_engine_of_its_own_has_only_what_the_pipelines_use() -> None:
    """Of a pipeline that uses no model, none; and it is closed with the application."""
    app = create_app(silent)
    async with running(app) as (http, url):
        async with http.get(f"{url}/v1/health") as answer:
            assert await answer.json() == {"ok": True}
        async with http.ws_connect(f"{url}/v1/realtime") as socket:
            assert (await socket.receive_json())["type"] == "session.created"


async def test_an_engine_is_made_of_the_settings() -> None:
    """Here of a service, which is not up."""
    settings = AppSettings.model_validate({"llm_url": "http://127.0.0.1:9"})
    async with (
        running(create_app({"a": silent, "b": thinking}, settings)) as (http, url),
        http.get(f"{url}/v1/health") as answer,
    ):
        assert await answer.json() == {"llm_up": False, "ok": False}


@pytest.mark.parametrize("prefix", ["voice", "/voice/", "/"])
def test_a_prefix_is_written_like_a_path(prefix: str) -> None:
    """From a slash, to none."""
    with pytest.raises(ValueError, match="write it as in"):
        add_routes(web.Application(), silent, prefix=prefix, engine=Engine())
