"""The boundary graph → service socket: an exchange over real sockets, with a service of its own kind."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from kyutai import Running, running

from voicepipe.boundary.overflow import BoundaryFull
from voicepipe.events import Warned
from voicepipe.services import (
    NULL_OBSERVER,
    Address,
    ConnectionLost,
    Emit,
    Instance,
    ServiceError,
    ServiceSocket,
    WebSocketEndpoint,
    socket_stage,
)
from voicepipe.stage import Stage
from voicepipe.testing import VirtualLoop

SERVICE = "echo"


class Echo:
    """Sends each item and waits until it has come back; two lost connections are forgiven."""

    def __init__(self) -> None:
        self.items: list[bytes] = []
        self.sent = self.answered = self.opened_times = 0
        self.finished = self.stale = self.was_cut = False
        self.overdue_at: float | None = None
        self.forgiven = 2

    def put(self, item: Any) -> Sequence[Any]:
        if len(self.items) - self.sent >= 3:
            raise BoundaryFull(SERVICE, 3)
        self.items.append(item)
        return ["put"]

    def finish(self) -> None:
        self.finished = True

    def opened(self) -> None:
        self.opened_times += 1
        self.sent = self.answered

    def outgoing(self) -> bytes | None:
        if self.sent >= len(self.items):
            return None
        self.sent += 1
        return self.items[self.sent - 1]

    def received(self, message: bytes) -> Sequence[Any]:
        if message == b"?":
            raise ServiceError(SERVICE, "talks nonsense")
        self.answered += 1
        return [message]

    def closed(self) -> Sequence[Any]:
        raise ConnectionLost(SERVICE, "goodbye")

    def lost(self, error: ServiceError) -> Sequence[Any]:
        self.forgiven -= 1
        if self.forgiven < 0:
            raise error
        return [Warned(str(error))]

    def cut(self) -> None:
        self.was_cut = True

    @property
    def done(self) -> bool:
        return self.finished and self.answered == len(self.items)


class Server:
    """Answers what it is sent in capitals, 50 ms later; `x` cuts the line, `b` says goodbye, `m` is not answered."""

    def __init__(self) -> None:
        self.open = self.visits = 0
        self.handshake_s = 0.0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self.handshake_s)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.visits += 1
        self.open += 1
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    await self.answer(request, socket, message.data)
        finally:
            self.open -= 1
        return socket

    async def answer(self, request: web.Request, socket: web.WebSocketResponse, data: bytes) -> None:
        await asyncio.sleep(0.05)
        if data == b"x" and self.visits == 1:
            assert request.transport is not None
            request.transport.abort()
        elif data == b"b" and self.visits == 1:
            await socket.close()
        elif not (data == b"m" and self.visits == 1):
            await socket.send_bytes(data.upper())


@asynccontextmanager
async def echoing(exchange: Echo) -> AsyncIterator[tuple[Server, Stage[Any, Any]]]:
    server, app = Server(), web.Application()
    app.router.add_get("/", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    instance = Instance("127.0.0.1", runner.addresses[0][1])
    door = WebSocketEndpoint(SERVICE, Address.parse("ws://echo"), "/", {}, {})

    async def connect(emit: Emit[Any]) -> ServiceSocket:
        emit("connecting")
        return await door.open(instance)

    try:
        yield server, socket_stage(lambda _: exchange, connect, observer=NULL_OBSERVER, name="echo")
    finally:
        await runner.cleanup()


async def send(exchange: Echo, text: str, *, finish: bool = True) -> Running:
    """Each letter of `text`, and the end."""
    async with echoing(exchange) as (_, stage), running(stage) as one:
        for letter in text:
            one.source.on_next(letter.encode())
            await asyncio.sleep(0.01)
        if finish:
            one.source.on_completed()
        async with asyncio.timeout(10):
            await one.ended.wait()
        return one


def came(one: Running) -> list[Any]:
    return [told.event for told in one.told if told.event != "put"]


def test_out_and_back(virtual_loop: VirtualLoop) -> None:
    """In order, the end when all is answered; what is put may answer at once."""
    one = virtual_loop.run(send(Echo(), "aa"))
    assert came(one) == ["connecting", b"A", b"A"]
    assert [told.event for told in one.told][:2] == ["put", "connecting"]
    assert one.completed


@pytest.mark.parametrize(("text", "how"), [("axc", "close code 1006"), ("abc", "goodbye")])
def test_a_lost_connection_is_replaced(virtual_loop: VirtualLoop, text: str, how: str) -> None:
    """Items without an answer are sent again."""
    one = virtual_loop.run(send(Echo(), text))
    assert came(one)[:4] == ["connecting", b"A", Warned(f"The echo broke off the connection ({how})."), "connecting"]
    assert b"".join(item for item in came(one) if isinstance(item, bytes)) == text.upper().encode()
    assert one.completed


def test_silence_is_noticed(virtual_loop: VirtualLoop) -> None:
    """When the exchange says that an answer is overdue; one that has moved on is not cut."""

    class Impatient(Echo):
        @property
        def overdue_at(self) -> float | None:
            waits = self.opened_times == 1 and self.answered < len(self.items)
            return 0.5 + 0.2 * self.answered if waits else None

        @overdue_at.setter
        def overdue_at(self, _: float | None) -> None: ...

    one = virtual_loop.run(send(Impatient(), "am"))
    assert Warned("The echo has fallen silent.") in came(one)
    assert one.completed
    (warned_s,) = one.times(Warned)
    assert warned_s == pytest.approx(0.7, abs=0.01)


def test_an_error_of_the_exchange_ends_it(virtual_loop: VirtualLoop) -> None:
    """When no other connection is wanted, and when more waits than may."""
    exchange = Echo()
    exchange.forgiven = 0
    one = virtual_loop.run(send(exchange, "x"))
    assert isinstance(one.error, ConnectionLost)
    one = virtual_loop.run(overfilled(Echo()))
    assert isinstance(one.error, BoundaryFull)


async def overfilled(exchange: Echo) -> Running:
    async with echoing(exchange) as (server, stage), running(stage) as one:
        server.handshake_s = 5
        for letter in b"abcd":
            one.source.on_next(bytes([letter]))
        await one.ended.wait()
        return one


def test_nonsense_is_a_loss(virtual_loop: VirtualLoop) -> None:
    """The connection is closed by us, and another one is opened."""
    exchange = Echo()
    exchange.forgiven = 1
    one = virtual_loop.run(send(exchange, "?"))
    assert came(one)[1] == Warned("The echo talks nonsense.")
    assert isinstance(one.error, ServiceError)


def test_nothing_to_say_needs_no_connection(virtual_loop: VirtualLoop) -> None:
    """One that is being opened is given up."""

    async def main() -> Running:
        async with echoing(Echo()) as (server, stage), running(stage) as one:
            server.handshake_s = 5
            await asyncio.sleep(1)
            one.source.on_completed()
            await one.ended.wait()
            return one

    one = virtual_loop.run(main())
    assert one.completed
    assert virtual_loop.time() < 1.2


def test_a_stale_connection_is_replaced_when_the_next_is_open(virtual_loop: VirtualLoop) -> None:
    """Beside the old one, which works until then; nobody is told, and nothing is said twice."""

    async def main() -> tuple[Echo, Server, Running]:
        exchange = Echo()
        async with echoing(exchange) as (server, stage), running(stage) as one:
            for number in range(20):
                one.source.on_next(b"%d" % number)
                await asyncio.sleep(0.1)
                if number == 5:
                    server.handshake_s, exchange.stale = 0.35, True
                if exchange.opened_times == 2:
                    exchange.stale = False
                assert server.open <= 2
            one.source.on_completed()
            await one.ended.wait()
            return exchange, server, one

    exchange, server, one = virtual_loop.run(main())
    assert (exchange.opened_times, server.visits) == (2, 2)
    assert came(one)[1:] == [b"%d" % number for number in range(20)]


def test_disposing_leaves_nothing(virtual_loop: VirtualLoop) -> None:
    """At any moment; the exchange is told."""

    async def main(after_s: float) -> Echo:
        exchange = Echo()
        async with echoing(exchange) as (server, stage):
            server.handshake_s = 0.1
            async with running(stage) as one:
                exchange.stale = True
                one.source.on_next(b"a")
                await asyncio.sleep(after_s)
            await asyncio.sleep(0.5)
            assert server.open == 0
        return exchange

    for after_s in (0.0, 0.05, 0.1, 0.14, 0.15, 0.16, 0.2, 0.25, 0.3):
        assert virtual_loop.run(main(after_s)).was_cut


def test_an_error_of_the_source_is_passed_on(virtual_loop: VirtualLoop) -> None:
    """And ends the conversation with the service."""

    async def main() -> Running:
        async with echoing(Echo()) as (server, stage), running(stage) as one:
            await asyncio.sleep(0.1)
            one.source.on_error(ValueError("broken"))
            await asyncio.sleep(0.2)
            assert server.open == 0
            return one

    assert isinstance(virtual_loop.run(main()).error, ValueError)
