"""Serving until a signal comes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import asynccontextmanager

import aiohttp
import pytest
import reactivex
from reactivex import operators as ops
from served import UPDATE, Client, Engine

from voicepipe.conversation import Conversation
from voicepipe.events import ReplyEnded, ReplyStarted
from voicepipe.server import ServerSettings, run_server


def silent(_):
    return reactivex.never()


@asynccontextmanager
async def running(pipeline, **settings):
    """The server's task, and its address."""
    url = asyncio.get_running_loop().create_future()
    options = ServerSettings(port=0, **settings)
    server = asyncio.create_task(run_server(pipeline, Engine(), options, ready=url.set_result))
    yield server, await url
    await server


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_sessions_and_server(logs, number):
    """1001 for who is connected; then the address is free again."""
    async with (
        running(silent) as (server, url),
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{url}/v1/realtime") as ws,
    ):
        client = Client(ws)
        await client.send(UPDATE)
        await client.event("session.updated")
        os.kill(os.getpid(), number)
        assert await client.end() == (1001, "the server is shutting down")
        await server
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(url)
    names = [line["event"] for line in logs if line["event"] != "loop.blocked"]  # a machine that is busy
    assert names == ["session.started", "server.stopping", "session.ended", "server.stopped"]


async def test_a_stopping_server_is_not_ready_and_says_so():
    """While a last reply is spoken: health is 503, and so is a new conversation."""
    talk = Conversation("x")
    end = reactivex.timer(3).pipe(ops.map(lambda _: ReplyEnded("So long.", talk)))
    reply = reactivex.concat(reactivex.of(ReplyStarted(talk)), end, reactivex.never())
    async with (
        running(lambda _: reply) as (_, url),
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{url}/v1/realtime", protocols=("realtime",)) as ws,
    ):
        await Client(ws).event("response.created")
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(1)
        async with http.get(f"{url}/v1/health") as answer:
            assert (answer.status, (await answer.json())["ok"]) == (503, False)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await http.ws_connect(f"{url}/v1/realtime")
        assert (await Client(ws).event("response.text.done"))["text"] == "So long."
        assert (await Client(ws).end())[0] == 1001


async def test_a_taken_port_is_an_error():
    """And leaves nothing behind."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await run_server(silent, Engine(), ServerSettings(port=port))


async def test_cancelling_stops_the_server_too():
    """Without a signal."""
    url = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(run_server(silent, Engine(), ServerSettings(port=0), ready=url.set_result))
    await url
    server.cancel()
    with pytest.raises(asyncio.CancelledError):
        await server


async def test_an_address_for_everybody_is_told_as_one_that_can_be_opened():
    """A link to 0.0.0.0 opens nothing."""
    async with running(silent, host="0.0.0.0") as (server, url):
        assert url.startswith("http://127.0.0.1:")
        os.kill(os.getpid(), signal.SIGTERM)
        await server
