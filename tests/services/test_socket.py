"""One WebSocket: what opens it, what comes of it, and its end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from voicepipe.services import (
    Address,
    AtCapacity,
    Closed,
    ConnectionLost,
    HandshakeRefused,
    Instance,
    ServiceSocket,
    WebSocketEndpoint,
    resolve_with_dns,
)
from voicepipe.testing import VirtualLoop

Talk = Callable[[web.WebSocketResponse], Awaitable[None]]
SERVICE = "speech synthesis (TTS)"


@asynccontextmanager
async def server(talk: Talk | int) -> AsyncIterator[tuple[WebSocketEndpoint, Instance, list[web.Request]]]:
    """Talks to each client, or answers with a status."""
    requests: list[web.Request] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        requests.append(request)
        if isinstance(talk, int):
            return web.Response(status=talk)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await talk(socket)
        return socket

    app = web.Application()
    app.router.add_get("/talk", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    instance = Instance("127.0.0.1", runner.addresses[0][1])
    try:
        yield (
            WebSocketEndpoint(SERVICE, Address.parse("ws://tts.example"), "/talk", {"voice": "a b"}, {"key": "k"}),
            instance,
            requests,
        )
    finally:
        await runner.cleanup()


async def received(socket: ServiceSocket) -> list[bytes | type]:
    """Everything, and how it ended."""
    messages: list[bytes | type] = []
    try:
        while True:
            messages.append(await socket.receive())
    except (Closed, ConnectionLost) as end:
        messages.append(type(end))
    return messages


def talking(virtual_loop: VirtualLoop, talk: Talk) -> tuple[list[bytes | type], float]:
    """Return the messages of a client, and the time that its own end takes."""

    async def main() -> tuple[list[bytes | type], float]:
        async with server(talk) as (door, instance, _):
            socket = await door.open(instance)
            messages, began_s = await received(socket), virtual_loop.time()
            await socket.close()
            await socket.close()
            return messages, virtual_loop.time() - began_s

    return virtual_loop.run(main())


def test_an_orderly_end(virtual_loop: VirtualLoop) -> None:
    """Text counts as its bytes; a goodbye is no loss."""

    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"one")
        await socket.send_str("two")
        await socket.close()

    assert talking(virtual_loop, talk)[0] == [b"one", b"two", Closed]


@pytest.mark.parametrize("code", [1001, 1011, 4000])
def test_an_end_with_another_code_is_a_loss(virtual_loop: VirtualLoop, code: int) -> None:
    """Whatever it means."""

    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.close(code=code)

    assert talking(virtual_loop, talk)[0] == [ConnectionLost]


def test_a_cut_line_is_a_loss(virtual_loop: VirtualLoop) -> None:
    """Nobody said goodbye."""

    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"one")
        request = socket._req
        assert request is not None
        assert request.transport is not None
        request.transport.abort()

    assert talking(virtual_loop, talk)[0] == [b"one", ConnectionLost]


def test_a_message_that_is_no_websocket_frame(virtual_loop: VirtualLoop) -> None:
    """Is a loss, too."""

    async def talk(socket: web.WebSocketResponse) -> None:
        request = socket._req
        assert request is not None
        assert request.transport is not None
        request.transport.write(b"\xff\xff this is no frame")
        await asyncio.sleep(1)

    assert talking(virtual_loop, talk)[0] == [ConnectionLost]


@pytest.mark.parametrize(
    ("status", "error"), [(503, AtCapacity), (429, AtCapacity), (401, HandshakeRefused), (200, HandshakeRefused)]
)
def test_a_status_in_place_of_a_websocket(virtual_loop: VirtualLoop, status: int, error: type[Exception]) -> None:
    """Too many requests, or no service at the moment, mean that it is full; all others that it refuses."""

    async def main() -> None:
        async with server(status) as (door, instance, _):
            await door.open(instance)

    with pytest.raises(error):
        virtual_loop.run(main())


def test_what_an_instance_is_asked(virtual_loop: VirtualLoop) -> None:
    """Under the service's own name, though it is reached by its address."""

    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.receive()

    async def main() -> web.Request:
        async with server(talk) as (door, instance, requests):
            await (await door.open(instance)).close()
            return requests[0]

    request = virtual_loop.run(main())
    assert (request.headers["Host"], request.headers["key"], dict(request.query)) == (
        "tts.example",
        "k",
        {"voice": "a b"},
    )


def test_it_ends_within_a_tenth_of_a_second(virtual_loop: VirtualLoop) -> None:
    """Though the other side neither reads nor says goodbye."""

    async def deaf(_: web.WebSocketResponse) -> None:
        await asyncio.sleep(3600)

    async def main() -> float:
        async with server(deaf) as (door, instance, _):
            socket, began_s = await door.open(instance), virtual_loop.time()
            await socket.close()
            assert not socket.usable
            return virtual_loop.time() - began_s

    assert virtual_loop.run(main()) <= 0.101


def test_a_cut_from_our_side_wakes_the_receiver(virtual_loop: VirtualLoop) -> None:
    """With a loss; sending fails with one, too."""

    async def quiet(socket: web.WebSocketResponse) -> None:
        await socket.receive()

    async def main() -> list[bytes | type]:
        async with server(quiet) as (door, instance, _):
            socket = await door.open(instance)
            asyncio.get_running_loop().call_later(1, socket.abort)
            messages = await received(socket)
            with pytest.raises(ConnectionLost):
                await socket.send(b"hello?")
            await socket.close()
            return messages

    assert virtual_loop.run(main()) == [ConnectionLost]
    assert virtual_loop.time() < 1.2


def test_in_store_what_comes_is_kept(virtual_loop: VirtualLoop) -> None:
    """And the end is noticed, though nobody receives."""

    async def talk(socket: web.WebSocketResponse) -> None:
        await asyncio.sleep(1)
        await socket.send_bytes(b"one")
        await asyncio.sleep(1)
        await socket.close()

    async def main() -> tuple[float, list[bytes | type]]:
        async with server(talk) as (door, instance, _):
            socket = await door.open(instance)
            await socket.watch()
            noticed_s = virtual_loop.time()
            messages = await received(socket)
            await socket.close()
            return noticed_s, messages

    noticed_s, messages = virtual_loop.run(main())
    assert noticed_s == pytest.approx(2, abs=0.11)
    assert messages[0] == b"one"
    assert len(messages) == 2


def test_a_service_elsewhere_is_reached_through_the_proxy_of_the_environment(
    virtual_loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy looks for it, too: its name is not resolved here. A service of this machine is reached without."""

    async def greet(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"hello")

    async def main() -> tuple[list[Instance], list[str], bytes]:
        async with server(greet) as (endpoint, proxy, requests):
            monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@{proxy}")
            found = list(await resolve_with_dns(endpoint.address))
            socket = await endpoint.open(found[0])
            said = await socket.receive()
            await socket.close()
            monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
            await (await endpoint.open(proxy)).close()
            told = [f"{request.headers['Host']} {'Proxy-Authorization' in request.headers}" for request in requests]
            return found, told, said

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    found, told, said = virtual_loop.run(main())
    assert found == [Instance("tts.example", 80)]
    assert told == ["tts.example True", "tts.example False"]
    assert said == b"hello"
