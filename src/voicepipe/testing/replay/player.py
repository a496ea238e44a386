"""`replay`: run a recorded session again, in virtual time.

While the pipeline does what it did, each entry comes at its place and the clock reads what it read: the same input
makes the same output, to the bit. When the pipeline does something else (another pipeline, another threshold), the
session goes on in virtual time: timers fire when they are due, the client's messages come when they came, and the
stages give what they would have given (`voicepipe.testing.replay.models`).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from reactivex import abc
from reactivex.disposable import Disposable

from voicepipe.audio import Codec
from voicepipe.events import Event, FunctionCall
from voicepipe.operators.cancel_echo import CANCELLING
from voicepipe.operators.toolbox import RUNNING, Outcome
from voicepipe.recording.codec import SeededCodec, serials
from voicepipe.recording.echoes import replayed_cancelling
from voicepipe.recording.file import Recording
from voicepipe.recording.records import (
    BackgroundTold,
    CleanUpEnded,
    Entry,
    FunctionDone,
    MessageReceived,
    SessionClosed,
    StageAnswered,
    StageName,
    TaskEntered,
    TimerFired,
)
from voicepipe.session import Pipeline, SessionRunner
from voicepipe.testing.loop.virtual_loop import VirtualLoop
from voicepipe.testing.replay.calls import Call, RecordedCall, replayed_stages
from voicepipe.testing.replay.codec import SilentCodec, initial_codec
from voicepipe.testing.replay.facts import SessionFacts
from voicepipe.testing.replay.models import StageModels
from voicepipe.testing.replay.scheduler import ReplayBackground, ReplayScheduler

__all__ = ["NotReplayable", "Replayed", "replay"]

_STEPS = 50  # of the loop, in which a task of the pipeline's must have given what it gave
_WAITS, _WAIT_S = 100, 0.2  # the clock of the session stands still while the loop's runs on: a timer may be late
_GRACE_S = 2.0


class NotReplayable(Exception):
    """A recording cannot be run again. The message says why."""


class _Diverged(Exception):
    """The pipeline does something else than in the recording."""


@dataclass(slots=True)
class Replayed:
    """The events that a session has emitted when it was run again.

    Args:
        events: The events, each with the session's clock.
        diverged: Where the pipeline began to do something else than in the recording, and what; None: nowhere.
    """

    events: list[tuple[float, Event]] = field(default_factory=list[tuple[float, Event]])
    diverged: tuple[float, str] | None = None


def replay(recording: Recording, pipeline: Pipeline, *, modelled: bool = False) -> Replayed:
    """Run a session again.

    Args:
        recording: The session.
        pipeline: The pipeline that takes it.
        modelled: Its course is another from the start: nothing is held against the recording.

    Raises:
        NotReplayable: The recording begins in the middle of the session.
    """
    if recording.header.partial:
        raise NotReplayable(
            f"{recording.path} begins in the middle of its session, because the client allowed it only then; "
            "`voicepipe show` and `voicepipe export` read it"
        )
    with VirtualLoop(horizon_s=86_400) as loop:
        return copy_context().run(loop.run, _Player(loop, recording, pipeline, modelled=modelled).run())


class _Player:
    def __init__(self, loop: VirtualLoop, recording: Recording, pipeline: Pipeline, *, modelled: bool) -> None:
        self._loop, self._recording, self._pipeline = loop, recording, pipeline
        self._header = recording.header
        self._facts = SessionFacts.of(recording.records, self._header.at_s)
        self._models = StageModels(self._facts, self)
        self._played = Replayed()
        self._now_s = self._header.at_s
        self._index, self._is_free, self._inside = 0, modelled, False
        self._numbers = Counter[str]()
        self._timers: dict[int, tuple[float, Callable[[], object]]] = {}
        self._calls: dict[int, RecordedCall] = {}
        self._clean_ups: dict[int, Callable[[], None]] = {}
        self._functions: dict[int, asyncio.Future[Outcome]] = {}
        self._awaits_task = False
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._runner: SessionRunner | None = None
        self._ends_s = float("inf")

    @property
    def hears_tasks(self) -> bool:
        return self._inside or self._is_free

    # ---- the time ----------------------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        return self._now_s

    def at(self, when_s: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._agenda, (max(when_s, self._now_s), next(self._order), action))

    def set_timer(self, when_s: float, action: Callable[[], object]) -> abc.DisposableBase:
        number = self._number("timer")
        self._timers[number] = (when_s, action)
        if self._is_free:
            self._arm(number)

        def cancel() -> None:
            self._timers.pop(number, None)

        return Disposable(cancel)

    def wait_for_clean_up(self, then: Callable[[], None]) -> bool:
        number = self._number("clean_up")
        if self._is_free or number not in self._facts.waits:
            return False
        self._clean_ups[number] = then
        return True

    def enter(self, work: Callable[[], None]) -> None:
        """Let a task give something. It may do so twice in a row, before the player waits for the second time."""
        if not self._inside and not self._is_free:
            if not self._awaits_task:
                self._skip_to_task()
            self._awaits_task = False
        self._enter(work)

    def _skip_to_task(self) -> None:
        for index in range(self._index, len(self._recording.records)):
            record = self._recording.records[index]
            if isinstance(record, TaskEntered):
                self._index, self._now_s = index + 1, record.at_s
                return
            if isinstance(record, Entry):
                break
        self._diverge("a task of the pipeline gives something else")

    def _arm(self, number: int) -> None:
        self.at(self._timers[number][0], lambda: self._fire(number))

    def _fire(self, number: int) -> None:
        timer = self._timers.pop(number, None)
        if timer is not None:
            timer[1]()

    def _number(self, kind: str) -> int:
        number = self._numbers[kind]
        self._numbers[kind] = number + 1
        return number

    def _enter(self, work: Callable[[], object]) -> None:
        inside, self._inside = self._inside, True
        try:
            work()
        finally:
            self._inside = inside

    # ---- the session -------------------------------------------------------------------------------------------------

    async def run(self) -> Replayed:
        RUNNING.set(self._run_function)
        if not self._header.sound:
            CANCELLING.set(lambda _: replayed_cancelling(self._facts.judged, self._number("canceller")))
        scheduler = ReplayScheduler(self._loop, self)
        self._now_s = next((one.at_s for one in self._rest(0)), self._header.at_s)
        if self._is_free:
            self._schedule_rest(0)
        self._enter(lambda: self._start(scheduler))
        await self._play_exactly()
        await self._play_freely()
        assert self._runner is not None
        await self._runner.close(_GRACE_S)
        return self._played

    def _start(self, scheduler: ReplayScheduler) -> None:
        self._runner = SessionRunner(
            self._pipeline,
            session_id=self._header.session_id,
            codec=self._codec(),
            stages=replayed_stages(self._call, has_vad=self._header.has_vad, speculations=self._header.speculations),
            emit=lambda event: self._played.events.append((self._now_s, event)),
            client=self._header.client,
            scheduler=scheduler,
        )

    def _codec(self) -> Codec:
        codec, serial = initial_codec(self._header), serials(self._header.session_id)
        if self._header.sound:
            return SeededCodec(codec, serial=serial)
        return SilentCodec.of(codec, serial, self._facts.decoded)

    def _call(self, stage: StageName, asked: str, observer: abc.ObserverBase[Any]) -> Call:
        number = self._number("call")
        facts = self._facts.calls.get(number)
        if not self._is_free and (facts is None or facts.stage != stage or facts.asked != asked):
            self._diverge(f"the pipeline asks the {stage} something else")
        if self._is_free or facts is None:
            return self._models.call(stage, asked, observer)
        self._models.use(facts)
        call = self._calls[number] = RecordedCall(facts, observer)
        return call

    async def _run_function(self, call: FunctionCall, run: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
        """Give the recorded result: what a function does is done only once."""
        number = self._number("function")
        future = self._functions.setdefault(number, asyncio.get_running_loop().create_future())
        if self._is_free and not future.done():
            done = next((one for one in self._rest(0) if isinstance(one, FunctionDone) and one.number == number), None)
            future.set_result(Outcome(*done.outcome) if done else Outcome("is unknown", "{}"))
        return await future

    # ---- as it was ---------------------------------------------------------------------------------------------------

    async def _play_exactly(self) -> None:
        while not self._is_free and self._index < len(self._recording.records):
            record = self._recording.records[self._index]
            self._index += 1
            if isinstance(record, Entry):
                await self._pass_time(record)
                try:
                    await self._apply(record)
                except _Diverged as error:
                    self._diverge(str(error))

    async def _pass_time(self, record: Entry) -> None:
        """Let tasks begin to wait where they did: what they wait for has its time from there."""
        if record.at_s > self._now_s and not isinstance(record, TaskEntered):
            await self._run_tasks()
        self._now_s = record.at_s
        self._loop.stall(max(0.0, record.at_s - self._header.at_s - self._loop.time()))

    async def _run_tasks(self) -> None:
        """Let the loop run as long as no time passes."""
        for _ in range(_STEPS if self._runner is not None and self._runner.scheduler.tasks else 0):
            await asyncio.sleep(0)

    async def _apply(self, record: Entry) -> None:
        match record:
            case MessageReceived() | BackgroundTold():
                self._enter(lambda: self._hear(record))
            case StageAnswered(call=number, what=what, value=value):
                call = self._calls.get(number)
                if call is None:
                    raise _Diverged("a stage that has answered is not asked")
                self._enter(lambda: call.give(what, value))
            case TimerFired(timer=number, due_s=due_s):
                if self._timers.get(number, (None,))[0] != due_s:
                    raise _Diverged("a timer that has fired is not set, or for another time")
                self._enter(lambda: self._fire(number))
            case CleanUpEnded(number=number):
                if number not in self._clean_ups:
                    raise _Diverged("a turn that was cut is not")
                self._enter(self._clean_ups.pop(number))
            case FunctionDone(number=number, outcome=outcome):
                self._functions.setdefault(number, asyncio.get_running_loop().create_future()).set_result(
                    Outcome(*outcome)
                )
            case TaskEntered():
                await self._tick()
            case SessionClosed():
                self._index = len(self._recording.records)
            case _:
                pass  # `SessionStarted`, and what a newer version has

    def _hear(self, record: Entry) -> None:
        assert self._runner is not None
        match record:
            case MessageReceived(message=message):
                self._runner.receive(message)
            case BackgroundTold(item=item):
                background = self._runner.scheduler.background
                assert isinstance(background, ReplayBackground)
                background.tell(item)
            case _:
                pass

    async def _tick(self) -> None:
        """Let the loop run until a task has given something: at once, or after a time of its own."""
        self._awaits_task = True
        for wait_s in (0.0,) * _STEPS + (_WAIT_S / _WAITS,) * _WAITS:
            if not self._awaits_task:
                return
            await asyncio.sleep(wait_s)
        raise _Diverged("a task of the pipeline gives nothing")

    # ---- in another course -------------------------------------------------------------------------------------------

    def _diverge(self, why: str) -> None:
        if self._is_free:
            return
        self._is_free, self._played.diverged = True, (self._now_s - self._header.at_s, why)
        for number in self._timers:
            self._arm(number)
        for then in self._clean_ups.values():
            self.at(self._now_s, then)
        for call in self._calls.values():
            for answer in call.facts.answers:
                if answer.inputs is None and answer.at_s > self._now_s:
                    self.at(answer.at_s, lambda call=call, answer=answer: call.give(answer.what, answer.value))
        self._schedule_rest(self._index)

    def _schedule_rest(self, index: int) -> None:
        for record in self._rest(index):
            if isinstance(record, MessageReceived | BackgroundTold):
                self.at(record.at_s, lambda record=record: self._hear(record))
            elif isinstance(record, SessionClosed):
                self._ends_s = record.at_s
        last = [record.at_s for record in self._recording.records if isinstance(record, Entry)]
        self._ends_s = min(self._ends_s, last[-1] if last else self._now_s)

    def _rest(self, index: int) -> list[Entry]:
        return [record for record in self._recording.records[index:] if isinstance(record, Entry)]

    async def _play_freely(self) -> None:
        while self._agenda and self._agenda[0][0] <= self._ends_s:
            when_s, _, action = heapq.heappop(self._agenda)
            await self._catch_up(when_s)
            self._now_s = max(self._now_s, when_s)
            self._enter(action)

    async def _catch_up(self, when_s: float) -> None:
        """Let the tasks that the pipeline has started run until a time."""
        assert self._runner is not None
        if self._runner.scheduler.tasks:
            await asyncio.sleep(max(0.0, when_s - self._header.at_s - self._loop.time()))
