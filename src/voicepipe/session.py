"""One client's pipeline, run: a session is subscribed once, watched, and ended with a reason.

This module knows the graph and its clean-up; it knows no socket. `voicepipe.server` feeds it what the client sends and
writes what it emits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import structlog
from reactivex import Observable

from voicepipe.audio import Codec
from voicepipe.boundary.pending import PendingWork
from voicepipe.conversation import ClientInfo, Conversation
from voicepipe.events import (
    Audio,
    ClientMessage,
    Event,
    ReplyAudio,
    ReplyText,
    SpeechProbability,
    StageFailed,
    Unpaced,
    Unspoken,
)
from voicepipe.events.application import is_app_event
from voicepipe.operators import EndOfTurn, text_only
from voicepipe.operators.latency import measure_turns
from voicepipe.rx import LoopScheduler
from voicepipe.rx.defer import defer
from voicepipe.rx.publish import LoopSubject
from voicepipe.rx.scheduler import AnotherThread
from voicepipe.stage import Stage, StageError

__all__ = ["STAGE_NAMES", "Llm", "Pipeline", "Service", "Session", "SessionRunner", "StageName", "Stages", "Tts"]

Service: TypeAlias = Literal["stt", "tts", "llm"]
"""The kinds of service, or of embedded model, that an engine has."""

StageName: TypeAlias = Literal["vad", "end_of_turn", "stt", "llm", "tts"]
"""A field of `Session` that holds a stage."""

STAGE_NAMES: Final[tuple[StageName, ...]] = ("vad", "end_of_turn", "stt", "llm", "tts")

Llm: TypeAlias = Callable[[Conversation], Observable[str | Event]]
"""Makes the model's answer to a conversation, a piece of text at a time; disposing stops it.

Where it may call functions (`Conversation.generation`), `FunctionCallWritten` and `FunctionCalled` come between, and at
the end `MaxTokensReached`, if it was cut short. A model that knows no functions is one, too.
"""

Tts: TypeAlias = Callable[[Conversation], Stage[ReplyText, ReplyAudio | Event]]
"""Makes the stage that speaks the reply to a conversation, in its voice (`Conversation.voice`)."""

# How many application events of the client are known when they come out of the graph: a stage may hold some up.
_REMEMBERED = 256

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of one session, on models or services that all sessions share.

    `replace(stages, stt=…)` puts another stage in place of one.

    Args:
        vad: the speech probability of each frame; None: the recogniser notices pauses itself
        end_of_turn: the probability that the user has finished
        stt: the recogniser
        llm: the language model
        tts: makes the synthesiser of a reply, in the voice of the conversation
        backlog: what the stages that hear have yet to do: sound from a recording waits for it
        on_close: called at the end of the session, in order: each frees what a stage holds of the shared models
        ahead: passes what the client sends, and makes a model ready for it: its instructions are read before it asks
        speculations: how many replies may be begun ahead in a turn, for `speculate`
    """

    vad: Stage[Audio, SpeechProbability] | None
    end_of_turn: EndOfTurn
    stt: Stage[Audio | Event, Event]
    llm: Llm
    tts: Tts
    backlog: PendingWork = field(default_factory=PendingWork)
    on_close: tuple[Callable[[], None], ...] = ()
    ahead: Stage[ClientMessage, ClientMessage] | None = None
    speculations: int = 0

    def close(self) -> None:
        """Free what the stages hold of the shared models and services."""
        for close in self.on_close:
            close()


@dataclass(frozen=True, slots=True)
class Session:
    """The argument of a pipeline: the messages of its client, and the stages that it may use."""

    id: str
    received: Observable[ClientMessage]
    codec: Codec
    vad: Stage[Audio, SpeechProbability] | None
    end_of_turn: EndOfTurn
    stt: Stage[Audio | Event, Event]
    llm: Llm
    tts: Callable[[Conversation], Stage[Unspoken | Event, Unpaced | Event]]
    """Makes the stage that speaks the reply to a conversation, in its voice. It speaks `ReplyText`; everything else
    passes. `session.tts(replace(conversation, voice="…"))` speaks in another one."""
    client: ClientInfo = field(default_factory=ClientInfo)
    """The facts that are known of the client from its handshake."""
    speculations: int = 0
    """How many replies may be begun ahead in a turn, and thrown away: `speculate(reply, replace(SPECULATION,
    per_turn=session.speculations))`. The setting `llm_speculations`; by default 0 unless model and voice are embedded,
    since services cost money."""


Pipeline: TypeAlias = Callable[[Session], Observable[Event]]


class SessionRunner:
    """A pipeline at work for one client.

    `emit` gets every event on the event loop, in order. `ended` completes when the pipeline has: with None, or with the
    exception that broke it, while it was built or later, which `emit` has had before as a fatal `StageFailed`. Must be
    made on the running loop.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        session_id: str,
        codec: Codec,
        stages: Stages,
        emit: Callable[[Event], None],
        client: ClientInfo | None = None,
        scheduler: LoopScheduler | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.scheduler = scheduler or LoopScheduler(loop)
        # What the stages that hear have yet to do.
        self.backlog = stages.backlog
        self.ended: asyncio.Future[Exception | None] = loop.create_future()
        self._close = stages.close
        self._received: LoopSubject[ClientMessage] = LoopSubject()
        self._emit = emit
        self._from_client: deque[Event] = deque(maxlen=_REMEMBERED)
        session = Session(
            session_id,
            self._received if stages.ahead is None else self._received.pipe(stages.ahead),
            codec,
            vad=stages.vad,
            end_of_turn=stages.end_of_turn,
            stt=stages.stt,
            llm=stages.llm,
            tts=lambda conversation: text_only(stages.tts(conversation)),
            client=client or ClientInfo(),
            speculations=stages.speculations,
        )
        events = defer(lambda _: pipeline(session)).pipe(measure_turns())
        self._subscription = events.subscribe(self._out, self._failed, self._completed, scheduler=self.scheduler)

    def receive(self, message: ClientMessage) -> None:
        """Pass a client's message into the graph, in this very call. Ignored once the session has ended."""
        if not self.ended.done():
            if isinstance(message, Event) and is_app_event(message):
                self._from_client.append(message)
            self._received.on_next(message)

    async def close(self, grace_s: float) -> None:
        """End the session: dispose the graph, and wait up to `grace_s` for its tasks to clean up."""
        self._end(None)
        self._subscription.dispose()
        self._close()
        left: set[asyncio.Task[Any]] = self.scheduler.tasks.copy()
        if left:
            _, stuck = await asyncio.wait(left, timeout=grace_s)
            for task in stuck:
                log.warning("session.task_left_behind", task=task.get_name(), grace_s=grace_s)

    def _out(self, event: Event) -> None:
        """An exception of `emit` must not reach the graph that made the event; one of a wrong thread must."""
        try:
            self.scheduler.check_thread()
        except AnotherThread as error:
            self.scheduler.loop.call_soon_threadsafe(self._failed, error)
            raise
        if is_app_event(event) and any(event is received for received in self._from_client):
            return  # it has passed through the stages: the client knows it
        try:
            self._emit(event)
        except Exception as error:
            log.exception("session.emit_failed", event_type=type(event).__name__)
            self._end(error)

    def _failed(self, error: Exception) -> None:
        stage, cause = (error.stage, error.cause) if isinstance(error, StageError) else ("pipeline", error)
        log.error("session.failed", stage=stage, exc_info=cause)
        self._out(StageFailed(stage, cause, fatal=True))
        self._end(cause)

    def _completed(self) -> None:
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(error)
