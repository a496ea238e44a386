"""HTTP: the page, the health, and manners."""

from __future__ import annotations

import re

import aiohttp
import pytest
import reactivex
from aiohttp import web
from served import Engine, refused

from voicepipe.server.http.middleware import errors_as_json

ORIGIN = "https://talk.example"


def silent(_):
    return reactivex.never()


async def test_health_says_what_is_up(serve):
    """Voice cloning is not needed to be ok."""
    async with serve(silent) as served, served.http.get(f"{served.url}/v1/health") as answer:
        assert answer.status == 200
        assert await answer.json() == {
            "stt_up": True, "tts_up": True, "llm_up": True, "voice_cloning_up": False, "ok": True
        }  # fmt: skip


@pytest.mark.parametrize("down", ["stt_up", "tts_up", "llm_up"])
async def test_health_is_not_ok_when_a_service_is_down(serve, down):
    """Each of the three is needed."""
    async with serve(silent) as served:
        served.engine.up[down] = False
        async with served.http.get(f"{served.url}/v1/health") as answer:
            assert (answer.status, (await answer.json())["ok"]) == (200, False)


async def test_the_page_says_what_this_is(serve):
    """Self-contained: it loads nothing from elsewhere."""
    async with serve(silent) as served, served.http.get(served.url) as answer:
        page = await answer.text()
        assert answer.content_type == "text/html"
        assert re.search(r"voicepipe talk (--sample|FILE\.wav)", page)
        assert "/v1/realtime" in page
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)


@pytest.mark.parametrize(
    ("place", "model", "characters"),
    [
        (None, "shows timing, and is no conversation", "<code>smalltalk</code>, or your own words"),
        ("http://there:1", "A language model on a service.", "<code>quiz_show</code>"),
        ("qwen.gguf", "A model in this process, from a GGUF file.", "<code>guess_animal</code>"),
    ],
)
async def test_the_page_names_the_model_that_answers(serve, place, model, characters):
    """And which characters it plays, but not the address of a service."""
    async with serve(silent, llm_url=place) as served, served.http.get(served.url) as answer:
        page = await answer.text()
        assert model in page
        assert characters in page
        assert ("quiz_show" in page) == (place is not None)
        assert "there:1" not in page
        assert "{{" not in page


async def test_the_page_shows_what_the_pipeline_uses(serve):
    """Of an echo that is neither a recogniser nor a language model."""
    engine = Engine()
    engine.kinds = ()
    async with serve(silent, engine) as served, served.http.get(served.url) as answer:
        page = await answer.text()
        assert "<li>decode</li><li>encode</li>" in page
        assert "The language model" not in page


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/nowhere", 404, "Not Found"),
        ("POST", "/v1/health", 405, "Method Not Allowed"),
        ("POST", "/v1/voices", 501, "This server clones no voices: it has no voice cloning service."),
        ("GET", "/v1/realtime", 426, "This address speaks WebSocket."),
    ],
)
async def test_errors_are_json_that_pages_may_read(serve, method, path, status, detail):
    """With the same headers as a good answer."""
    async with (
        serve(silent, cors_origins=[ORIGIN]) as served,
        served.http.request(method, f"{served.url}{path}", headers={"Origin": ORIGIN}) as answer,
    ):
        assert (answer.status, refused(status, await answer.json())) == (status, detail)
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


async def test_a_bad_handshake_is_explained(serve):
    """The sentence of aiohttp, as JSON."""
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "3"}
    async with serve(silent) as served, served.http.get(f"{served.url}/v1/realtime", headers=headers) as answer:
        assert (answer.status, refused(400, await answer.json())) == (400, "Unsupported version: 3")
        assert served.engine.made == 0


async def test_a_fault_of_ours_is_logged_not_told(logs):
    """The client gets a 500 without the inside."""

    async def broken(_: web.Request) -> web.StreamResponse:
        raise RuntimeError("a secret")

    app = web.Application(middlewares=[errors_as_json])
    app.router.add_get("/", broken)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{runner.addresses[0][1]}/") as answer:
            assert (answer.status, refused(500, await answer.json())) == (500, "Internal Server Error")
    finally:
        await runner.cleanup()
    assert [(line["event"], line["path"]) for line in logs] == [("request.failed", "/")]


async def test_a_foreign_page_gets_no_permission(serve):
    """The answer says that it depends on the origin, for caches."""
    async with (
        serve(silent, cors_origins=[ORIGIN]) as served,
        served.http.get(f"{served.url}/v1/health", headers={"Origin": "https://evil.example"}) as answer,
    ):
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Vary"] == "Origin"


async def test_a_preflight_is_answered(serve):
    """For every path, with what was asked for."""
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    async with (
        serve(silent, cors_origins=[ORIGIN]) as served,
        served.http.options(f"{served.url}/v1/voices", headers=headers) as answer,
    ):
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert answer.headers["Access-Control-Allow-Headers"] == "content-type"
