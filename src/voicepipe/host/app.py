"""`StageHost`: a stage as an aiohttp application: admission, tokens, health, and an end that cuts no session off."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import WSCloseCode, web

from voicepipe.host import wire
from voicepipe.host.connections import recognise, speak
from voicepipe.host.hosted import HostedLlm, HostedStage, HostedStt, HostedTts
from voicepipe.host.llm import Completions
from voicepipe.host.slots import NoPlace, Place, Slots, UnknownLease
from voicepipe.services.socket import LEASE_HEADER
from voicepipe.stt.kyutai.protocol import KEY_HEADER
from voicepipe.stt.kyutai.protocol import PATH as STT_PATH
from voicepipe.tts.kyutai.protocol import PATH as TTS_PATH

__all__ = ["StageHost"]

HEARTBEAT_S = 10.0
"""The time between two pings: a client that has died with its machine keeps its place for 15 s."""

MAX_MESSAGE_BYTES = 1 << 20
"""As for the messages of a service; a second of sound has 120 kB."""

log = structlog.get_logger()

Serve = Callable[[web.WebSocketResponse, web.Request], Awaitable[None]]


class StageHost:
    """One stage, served to `slots.capacity` sessions at once.

    A client shows the token of a lease (`voicepipe-lease`, or as the key of a host that has none), or the key of the
    host as Kyutai's servers take it (`kyutai-api-key`, or `Authorization: Bearer` for the language model). A session
    for which there is no place is told at once: `Error` in place of `Ready`, or status 503.

    Args:
        stage: What is served.
        slots: The places.
        key: The key of the host; None: it takes sessions with a lease only.
    """

    def __init__(self, stage: HostedStage, slots: Slots, *, key: str | None) -> None:
        self.stage, self.slots, self._key = stage, slots, key
        self._sockets: set[web.WebSocketResponse] = set()

    def app(self) -> web.Application:
        """Return the application, for an aiohttp runner with `handler_cancellation`."""
        app = web.Application(client_max_size=MAX_MESSAGE_BYTES)
        app.router.add_get("/health", self._health)
        app.router.add_get("/api/build_info", self._build_info)
        match self.stage:
            case HostedStt() as stt:
                app.router.add_get(STT_PATH, self._websocket(lambda socket, _: recognise(socket, stt)))
            case HostedTts() as tts:
                app.router.add_get(TTS_PATH, self._websocket(_speaking(tts)))
            case HostedLlm() as llm:
                completions = Completions(llm)
                app.router.add_post("/v1/chat/completions", self._request(completions.answer))
                app.router.add_get("/v1/models", self._keyed(completions.models))
        return app

    async def drain(self, within_s: float) -> None:
        """Take no new session, and wait up to `within_s` for those that run; then close them with code 1001.

        A client of a closed connection goes on at another host: it sends again what was not transcribed.
        """
        self.slots.draining = True
        try:
            async with asyncio.timeout(within_s):
                await self.slots.emptied()
        except TimeoutError:
            log.warning("host.sessions_cut", sessions=self.slots.taken, drain_s=within_s)
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the host is being stopped")

    # ---- admission ----------------------------------------------------------------------------------------------

    def _enter(self, request: web.Request) -> Place:
        """Take the place of a lease, or a free one. Raises NoPlace, and HTTPUnauthorized."""
        token = request.headers.get(LEASE_HEADER) or (_bearer(request) if self._key is None else "")
        if token:
            try:
                return self.slots.attach(token)
            except UnknownLease as unknown:
                raise web.HTTPUnauthorized(text=str(unknown)) from None
        self._check_key(request)
        return self.slots.take()

    def _check_key(self, request: web.Request) -> None:
        if self._key is None:
            raise web.HTTPUnauthorized(text=f"a session needs a lease: send its token in {LEASE_HEADER}")
        shown = request.headers.get(KEY_HEADER) or _bearer(request)
        if not hmac.compare_digest(shown.encode(), self._key.encode()):
            raise web.HTTPUnauthorized(text=f"the key is wrong or absent: send it in {KEY_HEADER}")

    def _websocket(self, serve: Serve) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            place, refused = self._place(request)
            socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES, heartbeat=HEARTBEAT_S, compress=False)
            try:
                await socket.prepare(request)
                if place is None:
                    await socket.send_bytes(wire.error(refused))
                    await socket.close()
                    return socket
                self._sockets.add(socket)
                await socket.send_bytes(wire.READY)
                await serve(socket, request)
            except ConnectionError:
                pass  # the client has gone
            finally:
                self._sockets.discard(socket)
                if place is not None:
                    place.release()
                if socket.prepared:
                    await socket.close()  # ends its heartbeat where the client went without a word
            return socket

        return handle

    def _place(self, request: web.Request) -> tuple[Place | None, str]:
        try:
            return self._enter(request), ""
        except NoPlace as full:
            return None, str(full)

    def _request(
        self, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            place, refused = self._place(request)
            if place is None:
                headers = {"Retry-After": "1"}
                error = {"message": refused, "type": "server_error", "code": "at_capacity"}
                return web.json_response({"error": error}, status=503, headers=headers)
            try:
                return await answer(request)
            finally:
                place.release()

        return handle

    def _keyed(
        self, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self._check_key(request)
            return await answer(request)

        return handle

    # ---- its state --------------------------------------------------------------------------------------------------

    async def _health(self, _: web.Request) -> web.Response:
        """Answer 503 while the host drains: a load balancer sends no new sessions then. A full host is healthy."""
        state: dict[str, Any] = {
            "ok": not self.slots.draining,
            "stage": self.stage.kind,
            "model": self.stage.name,
            "sessions": self.slots.taken,
            "capacity": self.slots.capacity,
        }
        return web.json_response(state, status=503 if self.slots.draining else 200)

    async def _build_info(self, _: web.Request) -> web.Response:
        """Answer as moshi-server does, which a health check of a gateway asks."""
        return web.json_response({"server": "voicepipe", "stage": self.stage.kind, "model": self.stage.name})


def _speaking(tts: HostedTts) -> Serve:
    async def serve(socket: web.WebSocketResponse, request: web.Request) -> None:
        await speak(socket, tts, request.query.get("voice", ""))

    return serve


def _bearer(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
