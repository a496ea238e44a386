"""Connections without a session: they have little time, and there are not too many."""

from __future__ import annotations

import asyncio
import resource

import pytest
import reactivex
from aiohttp import web

from voicepipe.server.http.runner import Runner, raise_file_limit


def silent(_):
    return reactivex.never()


async def opened(served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(served.host, served.port)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-a: "], ids=["nothing", "half of the headers"])
async def test_a_connection_without_a_request_is_closed(serve, virtual_loop, sent):
    """After ten seconds; one whose request has come is not."""
    async with serve(silent) as served:
        began_s = virtual_loop.time()
        reader, writer = await opened(served)
        writer.write(sent)
        assert await reader.read() == b""
        assert virtual_loop.time() - began_s == pytest.approx(10, abs=0.1)
        writer.close()


async def test_a_session_lives_on(serve, virtual_loop):
    """It is no connection that waits."""
    async with serve(silent, heartbeat_s=1_000) as served, served.connect() as client:
        await client.event("session.created")
        await asyncio.sleep(30)
        await client.send("not JSON")
        await client.error()


async def test_there_is_a_limit_of_connections_without_a_session(virtual_loop):
    """One more is closed at once; when another has gone there is room again, and sessions do not count."""

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = Runner(app, most_connections=3)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    waiting = [await asyncio.open_connection(host, port) for _ in range(3)]
    await asyncio.sleep(0.1)
    reader, writer = await asyncio.open_connection(host, port)
    assert await reader.read() == b""
    writer.close()
    waiting[0][1].close()
    await asyncio.sleep(0.1)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).endswith(b"hello")
    for _, one in [*waiting[1:], (reader, writer)]:
        one.close()
    await runner.cleanup()


def test_the_limit_of_open_files_is_raised():
    """To the hard one, as far as makes sense."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        assert raise_file_limit() == min(hard, 65_536)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(hard, 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_the_page_runs_its_own_script_only(serve):
    """And no other page can frame it."""
    async with serve(silent) as served, served.http.get(f"{served.url}/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
