"""`/v1/realtime`: who is let in, and what the others are told at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager

import structlog
from aiohttp import WSCloseCode, hdrs, web
from structlog.contextvars import bound_contextvars

from voicepipe.engine import Engine
from voicepipe.realtime import Dialect, Unmute, new_id, refused_body
from voicepipe.server.connection import Connection, End
from voicepipe.server.settings import ServerSettings
from voicepipe.server.socket import Socket
from voicepipe.session import Pipeline

__all__ = ["Sessions"]

log = structlog.get_logger()

_STOPPING = End(WSCloseCode.GOING_AWAY, "the server is shutting down")


class Sessions:
    """The conversations that are on: at most `capacity` of them."""

    def __init__(self, pipeline: Pipeline, engine: Engine, settings: ServerSettings) -> None:
        self._pipeline, self._engine, self._settings = pipeline, engine, settings
        self._slots_taken = 0
        self._live: set[Connection] = set()
        self._free = asyncio.Event()
        self._free.set()
        self.stopping = False

    @property
    def capacity(self) -> int:
        return min(self._engine.max_sessions, self._settings.max_sessions or self._engine.max_sessions)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Handle a client that wants to talk, from its upgrade until its session has left nothing behind."""
        if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
            raise web.HTTPUpgradeRequired(reason="This address speaks WebSocket", headers={hdrs.UPGRADE: "websocket"})
        if refusal := self._refusal():
            log.info("session.refused", reason=refusal, sessions=self._slots_taken)
            return await self._refuse(request, refusal)
        with self._slot():
            socket = Socket(self._settings)
            await socket.prepare(request)
            await self._talk(socket, _dialect(request), request.remote)
        return socket

    async def stop(self) -> None:
        """Let nobody in any more; end each session after the reply that it speaks, and all of them after the grace."""
        self.stopping = True
        for connection in self._live.copy():
            connection.leave(_STOPPING)
        try:
            async with asyncio.timeout(self._settings.shutdown_grace_s):
                await self._free.wait()
        except TimeoutError:
            for connection in self._live.copy():
                connection.finish(_STOPPING)
            await self._free.wait()

    # ---- admission --------------------------------------------------------------------------------------------------

    def _refusal(self) -> str | None:
        if self.stopping:
            return "The server is shutting down. Please try again in a moment."
        if self._slots_taken >= self.capacity:
            return f"All {self.capacity} conversations of this server are taken. Please try again in a moment."
        return None

    @contextmanager
    def _slot(self) -> Generator[None]:
        """Taken before anything is awaited, so that two clients cannot get the last one."""
        self._slots_taken += 1
        self._free.clear()
        try:
            yield
        finally:
            self._slots_taken -= 1
            if not self._slots_taken:
                self._free.set()

    async def _refuse(self, request: web.Request, reason: str) -> web.StreamResponse:
        """A program reads a status; a page's script cannot, so it gets an upgrade, an event and a close code."""
        if hdrs.ORIGIN not in request.headers:
            headers = {hdrs.RETRY_AFTER: str(self._settings.retry_after_s)}
            return web.json_response({"detail": reason}, status=503, headers=headers)
        socket = Socket(self._settings)
        await socket.prepare(request)
        await socket.send_str(json.dumps({"type": "error", "event_id": new_id("event"), "error": refused_body(reason)}))
        await socket.hang_up(WSCloseCode.TRY_AGAIN_LATER, reason)
        return socket

    # ---- a session --------------------------------------------------------------------------------------------------

    async def _talk(self, socket: Socket, dialect: Dialect, remote: str | None) -> None:
        """Run one session. Its id is on every log line written below here, in whatever task or timer."""
        clock, session_id = asyncio.get_running_loop().time, new_id("sess")
        with bound_contextvars(session=session_id):
            began, end = clock(), _STOPPING
            log.info("session.started", remote=remote, dialect=dialect.name, sessions=self._slots_taken)
            connection = Connection(socket, dialect, self._settings)
            self._live.add(connection)
            try:
                end = await connection.run(self._pipeline, self._engine, session_id)
            finally:
                self._live.discard(connection)
                duration_s, lost_ms = round(clock() - began, 3), round(connection.lost_ms)
                log.info("session.ended", code=int(end.code), reason=end.reason, duration_s=duration_s, lost_ms=lost_ms)


def _dialect(_: web.Request) -> Dialect:
    """How the client speaks; so far everybody is taken for Unmute's frontend."""
    return Unmute()
