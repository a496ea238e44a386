"""The handshake of Kyutai's moshi-server, before any sound or text, for test servers."""

from __future__ import annotations

import asyncio

import ormsgpack
from aiohttp import web

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

    async def serve(self, socket: web.WebSocketResponse, visit: Visit) -> None:
        """Serve what follows `Ready`, until the connection is over."""
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
        await self.serve(socket, visit)
        return socket
