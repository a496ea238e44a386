"""`relay`: another server of conversations as one stage, speech to speech."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import structlog
from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable, SerialDisposable
from reactivex.subject import Subject

from voicepipe.audio import resampled
from voicepipe.client.connection import RealtimeConnection, connect
from voicepipe.client.link import ConversationLost
from voicepipe.client.presets import REALTIME, Realtime
from voicepipe.client.socket import CannotConnect
from voicepipe.client.speech_to_speech.actions import Action, Begin, Call, Cut, Emit, Finish, Play, Send
from voicepipe.client.speech_to_speech.requests import SERVICE, first_settings
from voicepipe.client.speech_to_speech.state import RelayState
from voicepipe.conversation import FunctionCall
from voicepipe.events import (
    Audio,
    ConversationEnded,
    Event,
    FunctionCalled,
    FunctionReturned,
    Overflowed,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    StageFailed,
    TurnConfirmed,
    TurnEnded,
    TurnStarted,
    WordSpoken,
)
from voicepipe.operators import pace
from voicepipe.operators.tool_source import Runner, ToolSource, together
from voicepipe.presets import PLAYBACK, TOOLS, Playback
from voicepipe.rx import LoopScheduler, scheduler_of
from voicepipe.services import ServiceError
from voicepipe.stage import SessionError, Stage, stage_factory

__all__ = ["relay"]

log = structlog.get_logger()

_RATE_HZ = 24_000


@stage_factory(
    gives=(
        *(TurnStarted, TurnConfirmed, TurnEnded, ReplyStarted, ReplyText, ReplyAudio, WordSpoken),
        *(ReplyInterrupted, ReplyEnded, FunctionCalled, FunctionReturned, StageFailed, Overflowed),
    ),
    takes=(Audio,),
    passes=True,
)
def relay(
    url: str,
    *functions: Callable[..., Any] | ToolSource,
    key: str | None = None,
    model: str = "",
    session: Mapping[str, Any] | None = None,
    transcription: str = "gpt-4o-mini-transcribe",
    resumable: bool = True,
    realtime: Realtime = REALTIME,
    playback: Playback = PLAYBACK,
    deadline_s: float = TOOLS.deadline_s,
) -> Stage[Audio | Event, ReplyAudio | Event]:
    """Let another server of OpenAI's Realtime API lead the conversation: OpenAI's own, or voicepipe.

    The user's sound goes there, and its speech comes back, paced as it is played: between `decode` and `encode` nothing
    else is needed.

    - **Turns** are the server's: `TurnStarted` and `TurnConfirmed` at its `speech_started`, `TurnEnded(text_follows)`
      when it has ended, and `TurnEnded` with the words, `committed`, when the transcript is there: before the reply or
      after its start, as the server sends it.
    - **Barge-in**: at `speech_started` the reply is cut in the same callback, and the server is told how many
      milliseconds were heard.
    - **Words** of the reply come when they are heard; for a server that sends far ahead their times are estimated.
    - **Functions** of the pipeline are run here, and the reply goes on with what they give. They go on after a
      barge-in. Those of the client leave the graph as `FunctionCalled`, and their results are passed on.
    - What the client asks for (settings, items, commits, `response.create`, cancel) is passed on. What `session` says
      stands above the client's settings; the voice is the pipeline's alone.
    - **A lost connection** is told (`Warned`) and made again, in the same session or in a new one that knows what was
      said; a question without an answer is asked again. A `SessionError` when it stays away, or is refused. When the
      server hangs up in order, `ConversationEnded` follows and the stage completes.
    - **Overflow**: `waiting_audio_s` of sound wait for the connection; then the oldest is dropped, and `Overflowed`
      says so. Other messages are never dropped.

    Disposing, and the end of the source, close the connection in order.

    Args:
        url: The server's address, as for `voicepipe.client.connect`.
        functions: The functions that the model may call: as for `with_tools`.
        key: The API key; it is never logged.
        model: The model; "": the address names it, or the server decides.
        session: Settings of the server's session: `instructions`, `audio.output.voice` and others, but no formats.
        transcription: The model that writes down what the user says; "": there are no captions of the user.
        resumable: As for `connect`.
        realtime: The times and the sizes of buffers.
        playback: How far ahead of the playback clock sound is released, and in which frames.
        deadline_s: The time that each function has, in seconds.
    """
    runner, own = together(functions), dict(session or {})
    begins = first_settings(own, runner.functions, transcription)

    def start(observer: abc.ObserverBase[ReplyAudio | Event], scheduler: LoopScheduler) -> _Relay:
        state = RelayState(scheduler.clock, own, lambda: runner.functions)
        outbox = _Outbox(realtime.waiting_audio_s)
        started = _Relay(observer, scheduler, state, outbox, runner, playback, deadline_s)
        started.start(connect(url, key=key, model=model, session=begins, resumable=resumable, realtime=realtime))
        return started

    return _relaying(start)


def _relaying(
    start: Callable[[abc.ObserverBase[ReplyAudio | Event], LoopScheduler], _Relay],
) -> Stage[Audio | Event, ReplyAudio | Event]:
    def stage(source: Observable[Audio | Event]) -> Observable[ReplyAudio | Event]:
        def subscribe(
            observer: abc.ObserverBase[ReplyAudio | Event], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            running = start(observer, scheduler_of(scheduler))
            subscription = source.subscribe(running.take, observer.on_error, running.finish, scheduler=scheduler)
            return CompositeDisposable(subscription, running.playing, Disposable(running.stop))

        return Observable(subscribe)

    return stage


class _Outbox:
    """The queue to the server: of sound the last `audio_s`, of messages all."""

    def __init__(self, audio_s: float) -> None:
        self._audio_s = audio_s
        self._items: deque[Audio | Send] = deque()
        self._waiting_s = 0.0
        self._wake = asyncio.Event()

    def put(self, item: Audio | Send) -> float:
        """Add something; return how many milliseconds of sound were dropped for it."""
        self._items.append(item)
        self._waiting_s += _duration_s(item)
        self._wake.set()
        dropped_s = 0.0
        while self._waiting_s > self._audio_s:
            oldest = next(one for one in self._items if isinstance(one, Audio))
            self._items.remove(oldest)
            self._waiting_s -= oldest.duration_s
            dropped_s += oldest.duration_s
        return dropped_s * 1000

    async def get(self) -> Audio | Send:
        while not self._items:
            self._wake.clear()
            await self._wake.wait()
        item = self._items.popleft()
        self._waiting_s -= _duration_s(item)
        return item


def _duration_s(item: Audio | Send) -> float:
    return item.duration_s if isinstance(item, Audio) else 0.0


class _Relay:
    """One subscription: does what `RelayState` decides."""

    def __init__(
        self,
        observer: abc.ObserverBase[ReplyAudio | Event],
        scheduler: LoopScheduler,
        state: RelayState,
        outbox: _Outbox,
        runner: Runner,
        playback: Playback,
        deadline_s: float,
    ) -> None:
        self.playing = SerialDisposable()
        self._observer, self._scheduler, self._state = observer, scheduler, state
        self._outbox, self._runner = outbox, runner
        self._playback, self._deadline_s = playback, deadline_s
        self._sound: Subject[Any] = Subject()
        self._task: asyncio.Task[None] | None = None

    def start(self, connecting: AbstractAsyncContextManager[RealtimeConnection]) -> None:
        """Begin to converse."""
        self._task = self._scheduler.spawn(self.run(connecting), "talks to a realtime server")

    def stop(self) -> None:
        """Close the connection."""
        if self._task is not None:
            self._task.cancel()

    def finish(self) -> None:
        """End with the source."""
        self.stop()
        self._observer.on_completed()

    # ---- the graph's side --------------------------------------------------------------------------------------------

    def take(self, item: Audio | Event) -> None:
        if isinstance(item, Audio):
            self._state.spoken(item)
            if lost_ms := self._outbox.put(item):
                self._observer.on_next(Overflowed(SERVICE, lost_ms))
        else:
            self._do(self._state.taken(item))

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Send():
                    self._outbox.put(action)
                case Emit(event=event):
                    self._observer.on_next(event)
                case Begin(event=event):
                    self._observer.on_next(event)
                    self._begin()
                case Play(item=item):
                    self._sound.on_next(item)
                case Finish():
                    self._sound.on_completed()
                case Cut():
                    self.playing.disposable = Disposable()
                case Call(call=call):
                    self._scheduler.spawn(self._call(call), call.name)

    def _begin(self) -> None:
        self._sound = Subject()
        lead_ms = self._playback.lead_ms if self._state.talk.led else self._playback.kept_lead_ms
        paced = self._sound.pipe(pace(lead_ms=lead_ms, frame_ms=self._playback.frame_ms))
        self.playing.disposable = paced.subscribe(
            self._released, self._observer.on_error, lambda: self._do(self._state.played()), scheduler=self._scheduler
        )

    def _released(self, item: ReplyAudio | Event) -> None:
        self._state.released(item)
        self._observer.on_next(item)

    async def _call(self, call: FunctionCall) -> None:
        outcome = await self._runner.run(call, deadline_s=self._deadline_s)
        self._do(self._state.returned(call.id, outcome.text))

    # ---- the server's side -------------------------------------------------------------------------------------------

    async def run(self, connecting: AbstractAsyncContextManager[RealtimeConnection]) -> None:
        """Converse until one side ends it."""
        try:
            async with connecting as conversation:
                await self._converse(conversation)
        except (CannotConnect, ConversationLost) as error:
            log.warning("relay.failed", error=str(error))
            self._observer.on_error(SessionError(SERVICE, _as_service_error(error)))
        except Exception as error:
            self._observer.on_error(SessionError(SERVICE, error))
        else:
            self._observer.on_next(ConversationEnded(f"the {SERVICE} hung up"))
            self._observer.on_completed()

    async def _converse(self, conversation: RealtimeConnection) -> None:
        writer = self._scheduler.spawn(self._write(conversation), "writes to a realtime server")
        try:
            async for event in conversation:
                self._do(self._state.received(event))
        finally:
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait((writer,))

    async def _write(self, conversation: RealtimeConnection) -> None:
        with suppress(ConversationLost):  # the reader has it, too
            lost_ms = 0.0
            while True:
                item = await self._outbox.get()
                if isinstance(item, Audio):
                    await conversation.send_audio(resampled(item, _RATE_HZ).samples)
                elif item.heard_text is not None:
                    message = item.message
                    await conversation.truncate(message["item_id"], message["audio_end_ms"], item.heard_text)
                else:
                    await conversation.send(item.message)
                if conversation.lost_ms > lost_ms:
                    self._observer.on_next(Overflowed(SERVICE, conversation.lost_ms - lost_ms))
                    lost_ms = conversation.lost_ms


def _as_service_error(error: Exception) -> ServiceError:
    outcome = "cannot be reached" if isinstance(error, CannotConnect) else "ended the conversation"
    return ServiceError(SERVICE, outcome, str(error))
