"""The handshake of Kyutai's moshi-server, before any sound or text, for test servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import ormsgpack
from aiohttp import WSMsgType, web

from voicepipe.testing.servers.base import FakeServer, Visit, hang
from voicepipe.testing.servers.failing import Fails

__all__ = ["MoshiServer"]


class MoshiServer(FakeServer):
    """A WebSocket at `path`: 401 without the key (if there is one), `Error` if it is full, else `Ready`."""

    path: str
    max_message_bytes: int
    api_key: str | None
    capacity: int
    handshake_s: float

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get(self.path, self._connect)

    def begin(
        self, socket: web.WebSocketResponse, visit: Visit
    ) -> tuple[Callable[[dict[str, Any]], None], Coroutine[Any, Any, None]]:
        """Return what reads the client's messages after `Ready`, and what writes meanwhile, until one is over."""
        raise NotImplementedError

    def strays_before_ready(self) -> list[bytes]:
        """Return the packets of an earlier client."""
        return []

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        visit = self.visit(request)
        if self.api_key is not None and request.headers.get("kyutai-api-key") != self.api_key:
            return self.refusal(401)
        await asyncio.sleep(self.handshake_s)
        socket = web.WebSocketResponse(max_msg_size=self.max_message_bytes)
        await socket.prepare(request)
        if visit.fails is Fails.FULL or len(self.open) > self.capacity:
            await socket.send_bytes(ormsgpack.packb({"type": "Error", "message": "no free channels"}))
            await socket.close()
            return socket
        if visit.fails in (Fails.SILENT, Fails.GARBAGE):
            await self.misbehave(visit.fails, visit, socket)
            await hang()
        for stray in self.strays_before_ready():
            await socket.send_bytes(stray)
        await socket.send_bytes(ormsgpack.packb({"type": "Ready"}))
        await self._serve(socket, visit)
        return socket

    async def _serve(self, socket: web.WebSocketResponse, visit: Visit) -> None:
        read, write = self.begin(socket, visit)
        writing = asyncio.get_running_loop().create_task(write, name=f"{type(self).__name__}: {self.path}")
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    read(ormsgpack.unpackb(message.data))
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
