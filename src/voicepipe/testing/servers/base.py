"""The base of the test servers: a port on this machine, records of connections, and failures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeAlias

from aiohttp import WSCloseCode, web

from voicepipe.testing.servers.failing import Fails, FailsUntil

__all__ = ["FakeServer", "Visit", "hang", "trickle"]

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

TRICKLE_S = 10.0
"""Seconds between two bytes of a slow server: 0.1 bytes a second."""


@dataclass(eq=False)
class Visit:
    """One connection or request: its request, start and end, and how it was made to fail."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    began_s: float
    fails: Fails | None
    ended_s: float | None = None
    notes: list[Any] = field(default_factory=list[Any])
    """Notes of what was received or sent on it; each server documents its own."""


class FakeServer:
    """A service of this process, on a port of this machine, in real or virtual time.

    ::

        async with SttServer() as stt:
            connect_to(stt.url)
            await stt.fail(Fails.DIES, times=1)

    `visits` are the connections in order, `open` those that are still open. `POST /fails?mode=full&times=1&for_s=5`
    does what `fail` does; without a mode the server recovers.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host, self.port = host, port
        self.visits: list[Visit] = []
        self._failing = FailsUntil(self._came_back)
        self._open: dict[Visit, asyncio.Transport] = {}
        # Visits by the identity of the request.
        self._visiting: dict[int, Visit] = {}
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._coming_back: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Return its address, `http://127.0.0.1:PORT`."""
        return f"http://{self.host}:{self.port}"

    @property
    def open(self) -> list[Visit]:
        """Return the connections that are open now."""
        return list(self._open)

    @property
    def fails(self) -> Fails | None:
        """Return its present failure."""
        return self._failing.mode

    async def fail(self, mode: Fails | None, *, times: int | None = None, for_s: float | None = None) -> None:
        """Fail in this way from now on, for `for_s` seconds, or for the next `times` connections. None: recover.

        Without `times` open connections fail, too, if the mode affects open connections.
        """
        was_down = self._failing.mode is Fails.DOWN
        self._failing.set(mode, times=times, for_s=for_s)
        if mode is Fails.DOWN:
            await self._close_door()
        elif was_down:
            await self._open_door()

    def fail_open(self, mode: Fails) -> None:
        """Fail on open connections only; the next one is served."""
        for visit in self._open:
            visit.fails = mode

    async def start(self) -> None:
        """Listen. With port 0, `port` is the system's choice."""
        app = web.Application(middlewares=[_middleware(self._watch)])
        app.router.add_post("/fails", self._told_to_fail)
        self.add_routes(app.router)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await self._open_door()

    async def stop(self) -> None:
        """Close all connections, and stop listening."""
        self._failing.set(None, times=None, for_s=None)
        if self._coming_back is not None:
            await self._coming_back
        self._cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = self._site = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # ---- for the servers --------------------------------------------------------------------------------------------

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """The routes."""
        raise NotImplementedError

    def visit(self, request: web.Request) -> Visit:
        """Return the record of a request."""
        return self._visiting[id(request)]

    def trouble(self, visit: Visit) -> Fails | None:
        """Return how an open connection has to fail now."""
        return visit.fails or self._failing.for_all

    def cut(self, visit: Visit) -> None:
        """Break off, as when the process dies: send nothing any more."""
        if transport := self._open.get(visit):
            transport.abort()

    async def misbehave(self, mode: Fails | None, visit: Visit, socket: web.WebSocketResponse) -> bool:
        """Do on a WebSocket what the failure is; return whether there was one."""
        match mode:
            case Fails.DIES | Fails.DOWN:
                self.cut(visit)
            case Fails.EARLY:
                await socket.close(code=WSCloseCode.OK)
            case Fails.SILENT | Fails.MUTE:
                await hang()
            case Fails.GARBAGE:
                await socket.send_bytes(b"\xc1 this is no MessagePack")
                return True
            case Fails.SLOW:
                await trickle(self._open[visit], b"\x82\x7e\x25\x80" + bytes(9600))
            case _:
                return False
        return True

    # ---- inside -----------------------------------------------------------------------------------------------------

    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        if request.path == "/fails" or transport is None:
            return await handler(request)
        clock = asyncio.get_running_loop().time
        mode = self._failing.next()
        visit = Visit(request.path, dict(request.query), dict(request.headers), clock(), mode)
        self._visiting[id(request)] = visit
        self.visits.append(visit)
        self._open[visit] = transport
        try:
            if mode is Fails.SLOW:
                await trickle(transport, b"HTTP/1.1 200 OK\r\n" * 100)
            if mode is not None and (status := mode.status) is not None:
                return self.refusal(status)
            return await handler(request)
        finally:
            visit.ended_s = clock()
            del self._open[visit], self._visiting[id(request)]

    def refusal(self, status: int) -> web.Response:
        """Return the response of the failure."""
        headers = {"Retry-After": "1"} if status == 429 else {}
        return web.json_response({"error": {"message": f"told to answer {status}"}}, status=status, headers=headers)

    async def _told_to_fail(self, request: web.Request) -> web.Response:
        asked = request.query
        mode = Fails(asked["mode"]) if asked.get("mode") else None
        times, for_s = asked.get("times"), asked.get("for_s")
        await self.fail(mode, times=int(times) if times else None, for_s=float(for_s) if for_s else None)
        return web.json_response({"fails": self.fails})

    async def _open_door(self) -> None:
        if self._runner is None or self._site is not None:
            return
        self._site = web.TCPSite(self._runner, self.host, self.port, reuse_address=True)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def _close_door(self) -> None:
        self._cut()
        if self._site is not None:
            await self._site.stop()
            self._site = None

    def _cut(self) -> None:
        for transport in self._open.values():
            transport.abort()

    def _came_back(self) -> None:
        if self._site is None and self._runner is not None:
            self._coming_back = asyncio.get_running_loop().create_task(self._open_door())


def _middleware(watch: Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]) -> Any:
    """Return a plain function: aiohttp marks it, and a method cannot be marked."""

    @web.middleware
    async def watched(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await watch(request, handler)

    return watched


async def hang() -> None:
    """Wait forever, or until the client has gone."""
    await asyncio.get_running_loop().create_future()


async def trickle(transport: asyncio.Transport, data: bytes) -> None:
    """Send one byte every ten seconds."""
    with suppress(ConnectionError):
        for byte in data:
            transport.write(bytes([byte]))
            await asyncio.sleep(TRICKLE_S)
