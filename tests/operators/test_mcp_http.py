"""The bounds of one answer of an MCP server."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from aiohttp import web

pytest.importorskip("mcp", reason="needs the extra mcp")

import httpx2

from voicepipe.operators.mcp_http import http_client

JSON = {"Content-Type": "application/json"}


async def answers(request: web.Request) -> web.StreamResponse:
    match request.path:
        case "/short":
            asked = request.headers["Accept-Encoding"], request.headers["X-Key"]
            return web.json_response(asked)
        case "/packed":
            packed = gzip.compress(b"0" * 10_000_000)
            return web.Response(body=packed, headers={**JSON, "Content-Encoding": "gzip"})
        case "/stream":
            return web.Response(body=b"data: x\n\n" * 200_000, content_type="text/event-stream")
        case _:
            response = web.StreamResponse(headers=JSON)
            await response.prepare(request)
            while True:
                await response.write(bytes(100_000))


async def asked(path: str) -> httpx2.Response:
    app = web.Application()
    app.router.add_get("/{path}", answers)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
        async with http_client(url, {"X-Key": "k"}, 1) as http:
            return await http.get(url)
    finally:
        await runner.cleanup()


def test_an_answer_comes_whole_and_no_other_encoding_is_asked_for() -> None:
    assert asyncio.run(asked("/short")).json() == ["identity", "k"]


def test_a_stream_of_events_has_no_bound_of_its_own() -> None:
    """It lasts as long as the connection."""
    assert len(asyncio.run(asked("/stream")).content) == 1_800_000


@pytest.mark.parametrize(("path", "says"), [("/endless", "more than 1000000 bytes"), ("/packed", "compressed")])
def test_an_answer_that_would_fill_the_memory_fails(path: str, says: str) -> None:
    with pytest.raises(httpx2.StreamError, match=says):
        asyncio.run(asked(path))
