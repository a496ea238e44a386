"""`/v1/realtime`: admission of clients, and refusals with a reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import WSCloseCode, hdrs, web
from structlog.contextvars import bound_contextvars

from voicepipe.characters.news import Headlines
from voicepipe.characters.prompts import Characters
from voicepipe.engine import Engine
from voicepipe.metrics.exemplars import observe_in_session
from voicepipe.metrics.registry import Metrics
from voicepipe.metrics.trace import TurnTracer
from voicepipe.realtime import DialectNegotiation, dialect_of, new_id
from voicepipe.realtime.ga.session_config import merged
from voicepipe.realtime.negotiation import DialectKind
from voicepipe.server.availability import Health, Unavailability, obstacles
from voicepipe.server.client_info import asked_model, client_info
from voicepipe.server.cluster import Cluster
from voicepipe.server.dialects import Dialects
from voicepipe.server.http.addresses import Addresses
from voicepipe.server.http.auth import KEY_LIMIT, AccessControl, offered_protocols, resume_token
from voicepipe.server.http.errors import ErrorResponse, HttpError
from voicepipe.server.pipelines import Pipelines
from voicepipe.server.session.connection import SessionConnection
from voicepipe.server.session.cpu_budget import WorkSlots
from voicepipe.server.session.ending import End
from voicepipe.server.session.resumption import KeptSessions, ResumableTransport
from voicepipe.server.session.socket import Socket
from voicepipe.server.session.transport import Transport
from voicepipe.server.session.watch import SessionWatch
from voicepipe.server.settings import ServerSettings
from voicepipe.server.traces import SessionTraces

__all__ = ["NewSession", "Sessions"]

log = structlog.get_logger()

NO_UPGRADE = ErrorResponse(
    426,
    "upgrade_required",
    "This address speaks WebSocket.",
    headers={hdrs.UPGRADE: "websocket", hdrs.CONNECTION: "Upgrade"},
)

NO_PIPELINE = ErrorResponse(
    404, "unknown_pipeline", "There is no pipeline of this name here.", close_code=WSCloseCode.POLICY_VIOLATION
)

NOT_RESUMABLE = ErrorResponse(
    404,
    "session_not_resumable",
    "No session of this id can be resumed: it is over, or the token or the key is another. Begin a new one.",
    close_code=WSCloseCode.POLICY_VIOLATION,
)

_STOPPING = End(WSCloseCode.GOING_AWAY, "the server is shutting down")


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that is to begin.

    Args:
        id: Its id.
        kind: The dialect by the handshake.
        pipeline: The name of its pipeline.
        session: The settings that it begins with, checked.
        rtp: Its sound travels as RTP.
    """

    id: str
    kind: DialectKind
    pipeline: str
    session: Mapping[str, Any] = field(default_factory=dict[str, Any])
    rtp: bool = False


class Sessions:
    """The conversations that are on: at most `capacity` of them, and none while something stands in their way."""

    def __init__(
        self,
        pipelines: Pipelines,
        engine: Engine,
        settings: ServerSettings,
        *,
        health: Health,
        metrics: Metrics,
        characters: Characters,
        headlines: Headlines,
        access: AccessControl,
        cluster: Cluster,
    ) -> None:
        self.pipelines, self._engine, self._settings = pipelines, engine, settings
        self._health, self._metrics, self._headlines = health, metrics, headlines
        self._access, self.cluster = access, cluster
        self.dialects = Dialects(settings, characters, functions=engine.calls_functions, logprobs=engine.gives_logprobs)
        self._addresses = Addresses(settings)
        self._slots = WorkSlots(share=settings.heavy_sessions_cpu_share)
        metrics.session.capacity.set_function(lambda: self.capacity)
        self._traces = SessionTraces(settings)
        self.watch = SessionWatch(lambda: asyncio.get_running_loop().time(), capacity=settings.session_events_waiting)
        self._kept = KeptSessions(
            kept_s=settings.session_resume_s,
            most=settings.sessions_waiting,
            capacity_bytes=settings.session_resume_bytes,
        )
        self._slots_taken = 0
        self._live: set[SessionConnection] = set()
        self._free = asyncio.Event()
        self._free.set()
        self.stopping = False

    @property
    def capacity(self) -> int:
        """Return the number of sessions that this process may have now."""
        own = min(self._engine.max_sessions, self._settings.max_sessions or self._engine.max_sessions)
        return self.cluster.capacity(own)

    @property
    def taken(self) -> int:
        """Return the number of its taken slots."""
        return self._slots_taken

    @property
    def loading(self) -> bool:
        """Return whether the models are still being loaded."""
        return self._engine.loading

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Handle a client that wants to talk, from its upgrade until its session has left nothing behind."""
        if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
            raise HttpError(NO_UPGRADE)
        if refusal := self.refusal(request):
            return await self._refuse(request, refusal)
        try:
            if "session_id" in request.query:
                line, socket = self.lost(request, rtp=False), Socket(self._settings)
                await socket.prepare(request)
                await self.resume(line, socket, request)
                return socket
            with ExitStack() as held:
                name = await self.admit(request, held)
                socket = Socket(self._settings)
                await socket.prepare(request)
                await self._talk_safely(socket, request, name)
                return socket
        except HttpError as refused:
            return await self._refuse(request, refused.refusal)

    def refusal(self, request: web.Request) -> ErrorResponse | None:
        """Return the refusal of a client without a key that opens sessions, or of a foreign page."""
        return self._access.refusal(request, secrets=True)

    def note_refusal(self, request: web.Request, refusal: ErrorResponse) -> None:
        """Log and count a client that gets no session."""
        taken = self._slots_taken
        log.info("session.refused", code=refusal.code, reason=refusal.reason, remote=request.remote, sessions=taken)
        self._metrics.session.refused.labels(self._metrics.session.reason_label(refusal.code)).inc()

    def identity(self, request: web.Request) -> bytes:
        """Return the digest of the client's key, to compare two requests."""
        return self._access.identity(request)

    def settings_of(self, request: web.Request, given: dict[str, Any]) -> Mapping[str, Any]:
        """Return the settings that a session begins with: those of its ephemeral key, and `given` on top.

        Raises:
            Rejected: A field of `given` is wrong.
        """
        configured = self._access.configured(request)
        return merged(dict(configured), self.dialects.checked(given)[0]) if given else configured

    async def admit(self, request: web.Request, held: ExitStack, *, model: str = "") -> str:
        """Let a client in. Its slot is taken until `held` is closed.

        Args:
            request: The client's request.
            held: Where the slot and the counts of its key and address are entered.
            model: The model that it names elsewhere than in the address.

        Returns:
            The name of its pipeline.

        Raises:
            HttpError: The server is full, is not ready, or has no such pipeline.
        """
        if refusal := self._full(request):
            raise HttpError(refusal)
        model = self._access.configured(request).get("model") or model or asked_model(request)
        name = self.pipelines.chosen(request.match_info.get("pipeline", ""), model)
        if name is None:
            raise HttpError(NO_PIPELINE)
        if found := self._obstacles(None):
            raise HttpError(self._unavailable(found[0]))
        for holding in (self._slot(request), self._access.holding(request), self._addresses.holding(request)):
            held.enter_context(holding)
        if refusal := await self._over_limit(request, held):
            raise HttpError(refusal)
        found = self._obstacles(await self._health.cached(self._settings.admission_wait_s), own_slot=True)
        if found:
            raise HttpError(self._unavailable(found[0]))
        return name

    def lost(self, request: web.Request, *, rtp: bool) -> ResumableTransport:
        """Return the connection of the session that a client goes on with.

        Args:
            request: The client's request.
            rtp: It makes a call.

        Raises:
            HttpError: No session waits under this id, token and key.
        """
        session_id, key = request.query["session_id"], self._access.identity(request)
        if (line := self._kept.find(session_id, resume_token(request), key, rtp=rtp)) is None:
            raise HttpError(NOT_RESUMABLE)
        return line

    async def resume(self, line: ResumableTransport, transport: Transport, request: web.Request) -> None:
        """Let a client go on with its session on another connection, until that ends or is replaced."""
        with bound_contextvars(session=request.query["session_id"]):
            if not await line.attach(transport, request.query.get("last_event_id", "")):
                await self._tell_refusal(transport, request, NOT_RESUMABLE)

    async def stop(self) -> None:
        """Refuse new sessions; end each session after its current reply, and all of them after the grace period."""
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

    async def close(self) -> None:
        """Free what the sessions shared, when the last one has ended."""
        await self._traces.close()

    # ---- admission --------------------------------------------------------------------------------------------------

    def _obstacles(self, up: dict[str, bool] | None, *, own_slot: bool = False) -> list[Unavailability]:
        return obstacles(
            up,
            loading=self._engine.loading,
            stopping=self.stopping,
            taken=self._slots_taken - own_slot,
            capacity=self.capacity,
            told=self.cluster.whole_capacity(self.capacity),
        )

    def _full(self, request: web.Request) -> ErrorResponse | None:
        """Return the refusal of one session more than a key or an address may hold."""
        return self._access.no_more(request) or self._addresses.no_more(request)

    async def _over_limit(self, request: web.Request, held: ExitStack) -> ErrorResponse | None:
        """Count the session with those of the other processes, until `held` is closed."""
        limits = {**self._access.limit(request), **self._addresses.limit(request)}
        over = await self.cluster.hold(limits)
        if over is None:
            held.callback(self.cluster.release, list(limits))
            return None
        return self._access.too_many() if over.startswith(KEY_LIMIT) else self._addresses.too_many()

    @contextmanager
    def _slot(self, request: web.Request) -> Generator[None]:
        """Taken before anything is awaited, so that two clients cannot get the last one."""
        self._slots_taken += 1
        self._free.clear()
        self.cluster.occupied(self._slots_taken, request)
        try:
            yield
        finally:
            self._slots_taken -= 1
            self.cluster.occupied(self._slots_taken)
            if not self._slots_taken:
                self._free.set()

    def _unavailable(self, obstacle: Unavailability) -> ErrorResponse:
        later = {hdrs.RETRY_AFTER: str(self._settings.retry_after_s)}
        close_code = WSCloseCode.TRY_AGAIN_LATER
        return ErrorResponse(503, obstacle.reason.value, obstacle.user_message, headers=later, close_code=close_code)

    async def _refuse(self, request: web.Request, refusal: ErrorResponse) -> web.StreamResponse:
        """A program reads a status; a page's script cannot, so it gets an upgrade, an event and a close code."""
        self.note_refusal(request, refusal)
        if hdrs.ORIGIN not in request.headers or not refusal.tells_pages:
            return refusal.response()
        socket = Socket(self._settings)
        await socket.prepare(request)
        await self._tell_refusal(socket, request, refusal)
        return socket

    async def _tell_refusal(self, transport: Transport, request: web.Request, refusal: ErrorResponse) -> None:
        is_unmute = dialect_of(request.headers, offered_protocols(request)) == "unmute?"
        with suppress(ConnectionError):
            await transport.send_str(json.dumps(refusal.event(unmute=is_unmute)))
        await transport.close_with_reason(refusal.close_code, refusal.reason)

    # ---- a session --------------------------------------------------------------------------------------------------

    async def _talk_safely(self, socket: Socket, request: web.Request, name: str) -> None:
        """A fault of ours is no HTTP answer any more: the client has a WebSocket now."""
        try:
            await self._talk(socket, request, name)
        except Exception:
            log.exception("session.failed", remote=request.remote)
            await socket.close_with_reason(WSCloseCode.INTERNAL_ERROR, "internal error")

    async def _talk(self, socket: Socket, request: web.Request, name: str) -> None:
        """Run a session on a WebSocket."""
        kind = dialect_of(request.headers, offered_protocols(request), request.path)
        new = NewSession(new_id("sess"), kind, name, session=self._access.configured(request))
        await self.run(socket, request, new)

    async def run(self, transport: Transport, request: web.Request, new: NewSession) -> None:
        """Run one session, which its client can resume if it has asked for that."""
        greeting: Mapping[str, Any] = {}
        if request.query.get("resumable") == "true" and new.kind != "unmute?" and self._kept.is_on:
            transport, told = self._kept.begin(transport, new.id, self._access.identity(request), rtp=new.rtp)
            greeting = {"resume": told}
        try:
            await self._run(transport, request, new, greeting)
        finally:
            self._kept.end(new.id)

    async def _run(
        self, transport: Transport, request: web.Request, new: NewSession, greeting: Mapping[str, Any]
    ) -> None:
        """Run one session. Its id is on every log line written below here, in whatever task or timer."""
        clock = asyncio.get_running_loop().time
        address, headers = self._addresses.seen(request), self._settings.client_headers
        client = client_info(request, self._access, address=address, headers=headers, dialect=new.kind)
        wire = self.dialects.negotiation(new.kind, new.id, client, greeting=greeting, session=new.session, rtp=new.rtp)
        with bound_contextvars(session=new.id):
            began, end, taken = clock(), _STOPPING, self._slots_taken
            named = {"client": client.name} if client.name else {}
            log.info(
                "session.started",
                remote=request.remote,
                dialect=wire.name,
                pipeline=new.pipeline,
                sessions=taken,
                **named,
            )
            tracer = self._traces.tracer(new.id, new.pipeline)
            connection = self._connection(transport, wire, new, tracer)
            self._live.add(connection)
            self._metrics.session.count.inc()
            self._metrics.session.active.inc()
            try:
                with self.watch.session(new.id), self.cluster.found_by(new.id):
                    end = await connection.run(self.pipelines[new.pipeline], self._engine, client)
            finally:
                self._live.discard(connection)
                if tracer is not None:
                    tracer.close()
                duration_s, lost_ms = round(clock() - began, 3), round(connection.lost_ms)
                log.info("session.ended", code=int(end.code), reason=end.reason, duration_s=duration_s, lost_ms=lost_ms)
                self._count(end, clock() - began)

    def _connection(
        self, transport: Transport, wire: DialectNegotiation, new: NewSession, tracer: TurnTracer | None
    ) -> SessionConnection:
        def watched(event: object) -> None:
            transport.play(event)
            self.watch.note(new.id, event)
            if tracer is not None:
                tracer.note(event)

        return SessionConnection(
            transport,
            wire,
            self._settings,
            new.id,
            metrics=self._metrics,
            headlines=self._headlines,
            slots=self._slots,
            watched=watched,
            rtp=new.rtp,
        )

    def _count(self, end: End, duration_s: float) -> None:
        series = self._metrics.session
        series.active.dec()
        observe_in_session(series.duration, duration_s)
        series.ended.labels("client" if end.gone and not end.forced else str(int(end.code))).inc()
        series.forced.inc(end.forced)
        series.hard_errors.inc(end.code == WSCloseCode.INTERNAL_ERROR and not end.gone)
