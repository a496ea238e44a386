"""One worker: a server that gets its connections from the supervisor."""

from __future__ import annotations

import asyncio
import itertools
import signal
import socket
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry

from voicepipe.engine import Engine
from voicepipe.metrics.merge import Merged, snapshot_of
from voicepipe.metrics.registry import Metrics
from voicepipe.server.app import Lifespan, make_app
from voicepipe.server.cluster import Cluster, redis_consents
from voicepipe.server.http.auth import AccessControl
from voicepipe.server.http.client_secrets import ClientSecret
from voicepipe.server.http.consents import Consents
from voicepipe.server.http.middleware import Handler
from voicepipe.server.http.runner import HttpConnection, Runner
from voicepipe.server.loop_watch import watched_loop
from voicepipe.server.pipelines import OneOrMore
from voicepipe.server.settings import ServerSettings
from voicepipe.server.workers.channel import Channel
from voicepipe.server.workers.shared import SharedConsents
from voicepipe.server.workers.watchdog import ALIVE
from voicepipe.voices.store import VoiceStore

__all__ = ["WorkerLink", "serve_as_worker"]

log = structlog.get_logger()

# A worker that is killed loses what it has counted since; taking the series takes some 3 ms of the event loop.
_COUNTED_EVERY_S = 5.0


class WorkerLink(Cluster):
    """A worker's connection to its supervisor. Outside of a running loop it does nothing."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock
        self._runner: Runner | None = None
        self._metrics: Metrics | None = None
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count()
        self._undecided: set[HttpConnection] = set()
        self._open: set[HttpConnection] = set()
        self._taken = self._seen = self._sessions_seen = 0
        self._capacity: int | None = None
        self._whole_capacity: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._channel: Channel | None = None
        self.stopping, self.exiting = asyncio.Event(), asyncio.Event()

    # ---- the connection ---------------------------------------------------------------------------------------------

    def open(self, runner: Runner, capacity: int) -> None:
        """Take connections, and tell the supervisor that this worker is ready for so many sessions."""
        self._runner = runner
        self._channel = Channel(self._sock, self._received, self._lost)
        self._channel.send("ready", capacity)
        self._spawn(self._count())

    def leave(self) -> None:
        """Ask to be replaced; the sessions go on until they end."""
        self._send("leaving")

    def stopped(self) -> None:
        """Tell the supervisor that all sessions have ended, with what was counted."""
        self._send("counted", self._snapshot())
        self._send("stopped")

    def close(self) -> None:
        """Close the connection."""
        for task in self._tasks:
            task.cancel()
        if self._channel is not None:
            self._channel.close()

    def _send(self, *message: Any) -> None:
        if self._channel is not None:
            self._channel.send(*message)

    def _lost(self) -> None:
        """Stop, since there is no supervisor any more: no client could come."""
        log.warning("worker.alone", consequence="the supervisor is gone; sessions end after their replies")
        self.stopping.set()
        self.exiting.set()
        for answer in self._asked.values():
            answer.set_exception(ConnectionError("the supervisor is gone"))

    def _received(self, message: list[Any], file: int | None) -> None:
        match message:
            case ["connection", is_session, head] if file is not None:
                self._take(socket.socket(fileno=file), head, is_session=is_session)
            case ["answer", number, answer]:
                if waiting := self._asked.pop(number, None):
                    waiting.set_result(answer)
            case ["tell", number, what]:
                self._spawn(self._tell(number, what))
            case ["capacity", own, whole]:
                self._capacity, self._whole_capacity = own, whole
            case ["stop"]:
                self.stopping.set()
            case ["exit"]:
                self.exiting.set()
            case _:
                raise AssertionError(message)

    def _take(self, sock: socket.socket, head: bytes, *, is_session: bool) -> None:
        assert self._runner is not None
        connection = self._runner.connection(head, self._ended)
        self._open.add(connection)
        if is_session:
            self._undecided.add(connection)
        self._seen += 1
        self._sessions_seen += is_session
        self._report()
        self._spawn(self._serve(self._runner, sock, connection))

    async def _serve(self, runner: Runner, sock: socket.socket, connection: HttpConnection) -> None:
        try:
            await runner.take(sock, connection)
        except OSError:
            self._ended(connection)

    def _ended(self, connection: HttpConnection) -> None:
        self._open.discard(connection)
        self._undecided.discard(connection)
        self._report()

    def _report(self) -> None:
        connections = len(self._undecided), self._sessions_seen, len(self._open), self._seen
        self._send("load", self._taken, *connections)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- what the supervisor knows ----------------------------------------------------------------------------------

    async def ask(self, what: str, *arguments: Any) -> Any:
        """Ask the supervisor. Raises ConnectionError if it is gone."""
        if self._channel is None or self.exiting.is_set():
            raise ConnectionError("the supervisor is gone")
        number = next(self._numbers)
        self._asked[number] = answer = asyncio.get_running_loop().create_future()
        self._send("ask", number, what, list(arguments))
        return await answer

    async def states(self) -> list[dict[str, Any]]:
        return await self.ask("gather", "state")

    async def registry(self, metrics: Metrics) -> CollectorRegistry:
        return Merged(await self.ask("gather", "metrics"))

    def capacity(self, own: int) -> int:
        return own if self._capacity is None else min(own, self._capacity)

    def whole_capacity(self, own: int) -> int:
        return own if self._whole_capacity is None else self._whole_capacity

    async def hold(self, limits: Mapping[str, int]) -> str | None:
        return await self.ask("hold", dict(limits)) if limits else None

    def release(self, limits: Collection[str]) -> None:
        if limits:
            self._send("ask", None, "release", [list(limits)])

    def consents(self, settings: ServerSettings) -> Consents:
        if settings.redis_url is None:
            return SharedConsents(self.ask)
        return redis_consents(settings, settings.redis_url)

    async def publish(self, secret: ClientSecret) -> None:
        await self.ask("secret.add", secret.digest, secret.expires_at, dict(secret.session), secret.made_by)

    # ---- what the supervisor is told --------------------------------------------------------------------------------

    def report(self, state: Any, metrics: Metrics) -> None:
        super().report(state, metrics)
        self._metrics = metrics

    def occupied(self, taken: int, request: web.BaseRequest | None = None) -> None:
        self._taken = taken
        if request is not None and isinstance(request.protocol, HttpConnection):
            self._undecided.discard(request.protocol)
        self._report()

    @contextmanager
    def found_by(self, name: str) -> Generator[None]:
        self._send("here", name)
        try:
            yield
        finally:
            self._send("gone", name)

    async def _tell(self, number: int, what: str) -> None:
        if what == ALIVE:
            self._send("told", number, True)
            return
        assert self._state is not None
        self._send("told", number, await self._state() if what == "state" else self._snapshot())

    def _snapshot(self) -> Any:
        assert self._metrics is not None
        return snapshot_of(self._metrics.collect())

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(_COUNTED_EVERY_S)
            self._send("counted", self._snapshot())

    # ---- the application --------------------------------------------------------------------------------------------

    def attach(self, app: web.Application, access: AccessControl) -> None:
        """Have each connection take one request, and look up ephemeral keys of other workers.

        The next request is then a connection of its own, which the supervisor can give to another worker: to the one
        that has its session, or the one with the most free slots.
        """

        @web.middleware
        async def learn(request: web.Request, handler: Handler) -> web.StreamResponse:
            if (digest := access.digest(request)) is not None:
                found = await self.ask("secret.find", digest)
                access.secrets.drop(digest) if found is None else access.secrets.add(ClientSecret(digest, *found))
            return await handler(request)

        async def close(_: web.Request, response: web.StreamResponse) -> None:
            if response.status != 101:
                response.force_close()
                response.headers[hdrs.CONNECTION] = "close"

        app.middlewares.append(learn)
        app.on_response_prepare.append(close)


async def serve_as_worker(
    link: WorkerLink,
    pipelines: OneOrMore,
    engine: Engine,
    settings: ServerSettings,
    *,
    metrics: Metrics,
    voices: VoiceStore,
    lifespans: Iterable[Lifespan] = (),
    ready: Callable[[], object] = lambda: None,
) -> None:
    """Serve the connections of the supervisor until it says stop, or is gone. At SIGTERM, ask to be replaced.

    Args:
        link: The connection to the supervisor.
        pipelines: As for `make_app`.
        engine: As for `make_app`.
        settings: Those of the server, with the sessions of this worker as `max_sessions`.
        metrics: As for `make_app`.
        voices: As for `make_app`.
        lifespans: As for `make_app`.
        ready: Called when clients may come.
    """
    app = make_app(pipelines, engine, settings, metrics=metrics, voices=voices, lifespans=lifespans, cluster=link)
    runner = Runner(app, shutdown_timeout=settings.close_timeout_s)
    await runner.setup()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, link.leave)
    try:
        ready()
        link.open(runner, min(engine.max_sessions, settings.max_sessions or engine.max_sessions))
        with watched_loop(metrics.process):
            await link.stopping.wait()
        await runner.shutdown()
        link.stopped()
        await link.exiting.wait()
    finally:
        await runner.cleanup()
        link.close()
