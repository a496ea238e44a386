"""Run a pipeline once for a client that is silent, on stages that hear, think and say nothing."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, is_dataclass
from typing import Any

import aiohttp
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops
from reactivex.subject import Subject

from voicepipe.audio import Pcm16
from voicepipe.drawing import Graph
from voicepipe.events import AudioReceived, ClientMessage, Event, ReplyAudio
from voicepipe.loader import PipelineError
from voicepipe.operators import text_only
from voicepipe.rx import LoopScheduler
from voicepipe.rx.scheduler import AnotherThread
from voicepipe.session import Pipeline, Session, StageName
from voicepipe.stage import StageError
from voicepipe.trial.graph import check_output, graph_of, mistake, not_an_event, not_encoded, unshared
from voicepipe.trial.uses import stages_used

__all__ = ["Trial", "try_pipeline"]

_PACKETS = 3
# The silence that the client sends: enough for a pipeline that answers sound by sound, and for no VAD.
_PACKET_MS = 80

# How long tasks that the pipeline starts may run before the client leaves: they begin within a few milliseconds.
_TASKS_S = 0.05

# How long those tasks may take to end. A session that is served waits longer (`cleanup_grace_s`).
_CLEAN_UP_S = 1.0

# Errors of the network, which is not the program's fault, and may work when a client comes.
_UNREACHABLE = (ConnectionError, TimeoutError, socket.gaierror, aiohttp.ClientConnectionError)

_TRYING: ContextVar[bool] = ContextVar("_TRYING", default=False)


@dataclass(frozen=True, slots=True)
class Trial:
    """A pipeline that works as far as can be seen without a conversation.

    `uses` are the stages of the session that it may use. `warning` is None, or what failed for a reason outside of the
    program, such as a service that cannot be reached now. `unshared` has a sentence for each stream that runs twice.
    """

    graph: Graph
    uses: frozenset[StageName]
    warning: str | None = None
    unshared: tuple[str, ...] = ()


async def try_pipeline(pipeline: Pipeline, *, notices_pauses: bool = False) -> Trial:
    """Draw `pipeline`, run it once for a silent client, and find what it uses. Must run on the loop that will serve it.

    The client sends a moment of silence and leaves, within a twentieth of a second of real time; the tasks that the
    pipeline started then have a second to end. Nothing is counted or logged meanwhile, and no model is needed.
    `notices_pauses`: the recogniser that will serve it does so itself, and the session comes without a VAD.

    Raises PipelineError, with file and line in its message, where the pipeline is wrong.
    """
    with _unlogged():
        graph = graph_of(pipeline)
        check_output(pipeline, graph)
        error = await _Client(pipeline, notices_pauses=notices_pauses).run()
    cause = error.cause if isinstance(error, StageError) else error
    if error is None or isinstance(cause, _UNREACHABLE):
        warning = None if error is None else str(mistake(pipeline, error))
        return Trial(graph, stages_used(pipeline), warning, unshared(graph))
    raise error if isinstance(error, PipelineError) else mistake(pipeline, error)


class _Client:
    """The silent client, and what its session gives."""

    def __init__(self, pipeline: Pipeline, *, notices_pauses: bool) -> None:
        self._pipeline, self._received = pipeline, Subject[ClientMessage]()
        self._session = _session(self._received, notices_pauses=notices_pauses)
        self._scheduler = LoopScheduler(asyncio.get_running_loop())
        self._failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    async def run(self) -> Exception | None:
        """Return the fault, or None."""
        events = reactivex.defer(lambda _: self._pipeline(self._session))
        subscription = events.subscribe(self._take, self._fail, scheduler=self._scheduler)
        try:
            for _ in range(_PACKETS):
                self._received.on_next(AudioReceived(bytes(self._session.codec.rate_hz * _PACKET_MS // 1000 * 2)))
            await asyncio.wait([self._failed], timeout=_TASKS_S)
        except Exception as error:
            self._fail(error)
        finally:
            subscription.dispose()
            if self._scheduler.tasks:
                await asyncio.wait(self._scheduler.tasks.copy(), timeout=_CLEAN_UP_S)
        return self._failed.result() if self._failed.done() else None

    def _take(self, event: Event) -> None:
        try:
            self._scheduler.check_thread()
        except AnotherThread as error:
            self._scheduler.loop.call_soon_threadsafe(self._fail, mistake(self._pipeline, error))
            raise
        if isinstance(event, ReplyAudio):
            self._fail(not_encoded(self._pipeline))
        elif not is_dataclass(event) or isinstance(event, type):
            self._fail(not_an_event(self._pipeline, type(event).__name__))

    def _fail(self, error: Exception) -> None:
        """The first failure counts."""
        if not self._failed.done():
            self._failed.set_result(error)


def _session(received: Observable[ClientMessage], *, notices_pauses: bool) -> Session:
    return Session(
        "trial",
        received,
        Pcm16(),
        vad=None if notices_pauses else _silent,
        end_of_turn=_no_answer,
        stt=_silent,
        llm=_no_answer,
        tts=lambda _: text_only(_silent),
    )


def _silent(source: Observable[Any]) -> Observable[Any]:
    """A stage that takes everything and gives nothing."""
    return source.pipe(rx_ops.ignore_elements())


def _no_answer(_: Any) -> Observable[Any]:
    """A model that has nothing to say to what it is asked."""
    return reactivex.empty()


@contextmanager
def _unlogged() -> Generator[None]:
    """Keep what a trial would log out of the log: the log tells of sessions, and a mistake is told once, as such."""
    handlers = logging.getLogger().handlers.copy()
    token = _TRYING.set(True)
    for handler in handlers:
        handler.addFilter(_is_not_trial)
    try:
        yield
    finally:
        _TRYING.reset(token)
        for handler in handlers:
            handler.removeFilter(_is_not_trial)


def _is_not_trial(_: logging.LogRecord) -> bool:
    return not _TRYING.get()
