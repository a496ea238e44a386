"""The stages of a session, with what they give noted: they are the boundary between the graph and the world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from voicepipe.conversation import Conversation
from voicepipe.events import Audio, ReplyAudio
from voicepipe.recording.journal import Journal
from voicepipe.recording.records import (
    Notification,
    StageAnswered,
    StageAnsweredAtOnce,
    StageCalled,
    StageDisposed,
    StageName,
    StageTold,
)
from voicepipe.recording.scheduler import RecordedScheduler
from voicepipe.recording.values import in_16_bits
from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.rx.scheduler import LoopScheduler, scheduler_of
from voicepipe.session import Stages
from voicepipe.stage import Stage, checked

__all__ = ["asked_of", "recorded_stages"]


def recorded_stages(stages: Stages, journal: Journal) -> Stages:
    """Return the stages, each with a note of what it gives; of what it receives, all but the sound.

    Sound of the synthesiser is rounded to 16 bits, as it is written: what is heard is what is recorded.
    """

    def end_of_turn(audio: Audio) -> Observable[float]:
        return _noted_source(stages.end_of_turn(audio), "end_of_turn", journal, "")

    def llm(conversation: Conversation) -> Observable[Any]:
        return _noted_source(stages.llm(conversation), "llm", journal, asked_of(conversation))

    def tts(conversation: Conversation) -> Stage[Any, Any]:
        return _noted(stages.tts(conversation), "tts", journal)

    return replace(
        stages,
        vad=None if stages.vad is None else _noted(stages.vad, "vad", journal),
        end_of_turn=end_of_turn,
        stt=_noted(stages.stt, "stt", journal),
        llm=llm,
        tts=tts,
    )


def asked_of(conversation: Conversation) -> str:
    """Return the user's last text in a conversation, or ""."""
    return next((one.text for one in reversed(conversation.messages) if one.role == "user"), "")


def _noted_source(answer: Observable[Any], name: StageName, journal: Journal, asked: str) -> Observable[Any]:
    def subscribe(observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        return _Call(observer, name, journal, asked).subscribe(lambda _: answer, None, scheduler_of(scheduler))

    return LoopObservable(subscribe)


def _noted(stage: Stage[Any, Any], name: StageName, journal: Journal) -> Stage[Any, Any]:
    def noted(source: Observable[Any]) -> Observable[Any]:
        def subscribe(
            observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            call = _Call(observer, name, journal, "")
            return call.subscribe(lambda told: checked(stage, stage(told)), source, scheduler_of(scheduler))

        return LoopObservable(subscribe)

    return noted


class _Call(abc.ObserverBase[Any]):
    """One subscription of a stage: its observer, and that of its source."""

    def __init__(self, observer: abc.ObserverBase[Any], name: StageName, journal: Journal, asked: str) -> None:
        self._observer, self._journal = observer, journal
        self._number, self._inputs, self._is_over = journal.number("call"), 0, False
        journal.fact(StageCalled(self._number, name, asked))

    def subscribe(
        self,
        make: Callable[[Observable[Any]], Observable[Any]],
        source: Observable[Any] | None,
        scheduler: LoopScheduler,
    ) -> abc.DisposableBase:
        """Subscribe the stage with its own scheduler, and its source with that of the graph."""
        own = scheduler.for_stage() if isinstance(scheduler, RecordedScheduler) else scheduler

        def listen(stage: abc.ObserverBase[Any], _: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            assert source is not None
            told = partial(self._told, stage)
            return source.subscribe(
                told, self._counted(stage.on_error), lambda: self._end_of_input(stage), scheduler=scheduler
            )

        answers = make(LoopObservable(listen))
        return CompositeDisposable(answers.subscribe(self, scheduler=own), Disposable(self._disposed))

    # ---- what the stage receives ------------------------------------------------------------------------------------

    def _told(self, stage: abc.ObserverBase[Any], item: Any) -> None:
        self._inputs += 1
        if not isinstance(item, Audio):
            self._journal.fact(StageTold(self._number, item))
        stage.on_next(item)

    def _counted(self, pass_on: Callable[[Exception], object]) -> Callable[[Exception], None]:
        def failed(error: Exception) -> None:
            self._inputs += 1
            pass_on(error)

        return failed

    def _end_of_input(self, stage: abc.ObserverBase[Any]) -> None:
        self._inputs += 1
        stage.on_completed()

    # ---- what it gives ----------------------------------------------------------------------------------------------

    def on_next(self, value: Any) -> None:
        if isinstance(value, ReplyAudio) and self._journal.is_on:
            value = replace(value, audio=in_16_bits(value.audio))
        self._gave("next", value, lambda: self._observer.on_next(value))

    def on_error(self, error: Exception) -> None:
        self._is_over = True
        self._gave("error", error, lambda: self._observer.on_error(error))

    def on_completed(self) -> None:
        self._is_over = True
        self._gave("completed", None, self._observer.on_completed)

    def _gave(self, what: Notification, value: Any, deliver: Callable[[], None]) -> None:
        if self._journal.is_inside:
            self._journal.fact(StageAnsweredAtOnce(self._number, self._inputs, what, value))
            deliver()
        else:
            self._journal.enter(partial(StageAnswered, call=self._number, what=what, value=value), deliver)

    def _disposed(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._journal.fact(StageDisposed(self._number))
