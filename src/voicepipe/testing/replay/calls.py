"""Stages of a session that is run again: each call gives what it gave in the recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from voicepipe.recording.records import Notification, StageName
from voicepipe.recording.stages import asked_of
from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.session import Stages
from voicepipe.stage import Stage
from voicepipe.testing.replay.facts import Answer, CallFacts

__all__ = ["Call", "CallMaker", "RecordedCall", "replayed_stages"]


class Call(Protocol):
    """One subscription of a stage, while it is run again."""

    def begin(self) -> None:
        """The stage is subscribed, and its source is not yet."""
        ...

    def told(self, item: Any) -> None:
        """The stage receives something."""
        ...

    def input_ended(self) -> None:
        """The stage's source has ended, or failed."""
        ...

    def dispose(self) -> None:
        """The stage is disposed."""
        ...


CallMaker = Callable[[StageName, str, abc.ObserverBase[Any]], Call]
"""Makes the call of a stage that is asked a text; its observer gets what the call gives."""


def replayed_stages(make: CallMaker, *, has_vad: bool, speculations: int) -> Stages:
    """Return the stages of a session; `make` makes their calls."""
    return Stages(
        vad=_stage(make, "vad") if has_vad else None,
        end_of_turn=lambda _: _source(make, "end_of_turn", ""),
        stt=_stage(make, "stt"),
        llm=lambda conversation: _source(make, "llm", asked_of(conversation)),
        tts=lambda _: _stage(make, "tts"),
        speculations=speculations,
    )


def _source(make: CallMaker, name: StageName, asked: str) -> Observable[Any]:
    def subscribe(observer: abc.ObserverBase[Any], _: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        call = make(name, asked, observer)
        call.begin()
        return Disposable(call.dispose)

    return LoopObservable(subscribe)


def _stage(make: CallMaker, name: StageName) -> Stage[Any, Any]:
    def stage(source: Observable[Any]) -> Observable[Any]:
        def subscribe(
            observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            call = make(name, "", observer)
            call.begin()
            listening = source.subscribe(call.told, lambda _: call.input_ended(), call.input_ended, scheduler=scheduler)
            return CompositeDisposable(listening, Disposable(call.dispose))

        return LoopObservable(subscribe)

    return stage


class RecordedCall:
    """A call that gives what it gave: with its input of the same number, or when the player says so.

    Args:
        facts: What the call gave.
        observer: Gets it again.
    """

    def __init__(self, facts: CallFacts, observer: abc.ObserverBase[Any]) -> None:
        self.facts, self._observer, self._inputs = facts, observer, 0
        self._at_once: dict[int, list[Answer]] = {}
        for answer in facts.answers:
            if answer.inputs is not None:
                self._at_once.setdefault(answer.inputs, []).append(answer)
        self.is_over = False

    def begin(self) -> None:
        self._give()

    def told(self, item: Any) -> None:
        self._inputs += 1
        self._give()

    def input_ended(self) -> None:
        self._inputs += 1
        self._give()

    def dispose(self) -> None:
        self.is_over = True

    def give(self, what: Notification, value: Any) -> None:
        """Give something from the loop."""
        if self.is_over:
            return
        match what:
            case "next":
                self._observer.on_next(value)
            case "error":
                self.is_over = True
                self._observer.on_error(value)
            case "completed":
                self.is_over = True
                self._observer.on_completed()

    def _give(self) -> None:
        for answer in self._at_once.pop(self._inputs, ()):
            self.give(answer.what, answer.value)
