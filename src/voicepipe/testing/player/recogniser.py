"""Scripted input stages: a VAD that measures loudness, an end-of-turn model, and a recogniser that knows the words."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import reactivex
from reactivex import Observable, abc
from reactivex import operators as rx_ops
from reactivex.disposable import CompositeDisposable, Disposable

from voicepipe.events import (
    Audio,
    Event,
    FlushRequested,
    SpeechProbability,
    SpeechStopped,
    Transcribed,
    TranscriptDrafted,
    WordRecognised,
)
from voicepipe.rx import LoopScheduler, scheduler_of, transduce
from voicepipe.stage import Stage
from voicepipe.testing.marbles.timeline import ScriptedError
from voicepipe.testing.player.microphone import FRAME_S, Microphone, is_loud, word_in
from voicepipe.testing.player.script import ServiceScript

__all__ = ["ScriptedRecogniser", "by_loudness"]


def by_loudness() -> Stage[Audio, SpeechProbability]:
    """A VAD: loud sound is speech."""
    return transduce(lambda _: _ThresholdVad())


class _ThresholdVad:
    def __init__(self) -> None:
        self._at_s = 0.0

    def __call__(self, audio: Audio) -> Iterator[SpeechProbability]:
        self._at_s = round(self._at_s + audio.duration_s, 6)
        yield SpeechProbability(float(is_loud(audio)), self._at_s)


RECOGNISABLE = 6
"""Frames of a word that are needed to recognise it, unless it has fewer; a VAD has noticed it by then, too."""


@dataclass(slots=True)
class _Heard:
    """A word that has begun to be heard, in seconds of audio."""

    text: str
    start_s: float
    stop_s: float
    frames: int = 1


class ScriptedRecogniser:
    """One session's recogniser and end-of-turn model."""

    def __init__(self, cast: ServiceScript, microphone: Microphone) -> None:
        self._cast, self._microphone = cast, microphone
        self._listening: list[Callable[[Exception], None]] = []
        self._last_word = ""

    def judge(self, _: Audio) -> Observable[float]:
        """Return how finished the user sounds; nothing if the model is not used."""
        probability = self._cast.finished_after.get(self._last_word, self._cast.finished)
        if probability is None:
            return reactivex.empty()
        return reactivex.timer(self._cast.verdict_s).pipe(rx_ops.map(lambda _: probability))

    def recognise(self, source: Observable[Audio | Event]) -> Observable[Event]:
        """Emit a word this long after it began; at a `FlushRequested` all words before the pause at once. Where replies
        are begun ahead, `TranscriptDrafted` has these words at a pause."""

        def subscribe(
            observer: abc.ObserverBase[Event], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            recogniser = _Recogniser(self._cast, observer, scheduler_of(scheduler), self._text)
            self._listening.append(observer.on_error)
            running = source.subscribe(recogniser.hear, observer.on_error, recogniser.finish, scheduler=scheduler)
            return CompositeDisposable(
                running, Disposable(recogniser.stop), Disposable(lambda: self._listening.remove(observer.on_error))
            )

        return Observable(subscribe)

    def fail(self) -> None:
        """Let the recogniser fail for good."""
        for tell in list(self._listening):
            tell(ScriptedError("the scripted recogniser was told to fail"))

    def _text(self, number: int) -> str:
        """Return how the recogniser reads a word, and keep it for the end-of-turn model."""
        self._last_word = self._microphone.words[number - 1]
        return self._cast.misheard.get(self._last_word, self._last_word)


class _Recogniser:
    """The words that were recognised and not emitted yet. `_audio_s` is the length of the audio so far."""

    def __init__(
        self,
        cast: ServiceScript,
        observer: abc.ObserverBase[Event],
        scheduler: LoopScheduler,
        text: Callable[[int], str],
    ) -> None:
        self._cast, self._observer, self._scheduler, self._text = cast, observer, scheduler, text
        self._audio_s = 0.0
        self._words: list[_Heard] = []
        # What has been emitted since the last flush.
        self._told: list[str] = []
        self._number = 0
        self._needed = min(RECOGNISABLE, round(cast.user_word_s / FRAME_S))
        self._timers: list[abc.DisposableBase] = []

    def hear(self, event: Audio | Event) -> None:
        match event:
            case Audio():
                self._listen(event)
            case FlushRequested(at_s=at_s):
                self._work(lambda: self._flush(at_s))
            case SpeechStopped(at_s=at_s) if self._cast.speculations:
                self._work(lambda: self._draft(at_s))
            case _:
                pass

    def _work(self, do: Callable[[], None]) -> None:
        """Do it when the recogniser has read all that there is."""
        if not self._cast.flush_s:
            return do()
        self._timers.append(self._scheduler.call_at(self._scheduler.clock() + self._cast.flush_s, do))
        return None

    def finish(self) -> None:
        self._tell(self._audio_s)
        self._observer.on_completed()

    def stop(self) -> None:
        for timer in self._timers:
            timer.dispose()

    def _listen(self, audio: Audio) -> None:
        began_s, self._audio_s = self._audio_s, round(self._audio_s + audio.duration_s, 6)
        if is_loud(audio) and not self._cast.deaf:
            self._note(word_in(audio.samples), began_s)
        self._tell(self._audio_s - self._cast.recogniser_delay_s)

    def _note(self, number: int | None, began_s: float) -> None:
        if number and number != self._number:
            self._number = number
            self._words = [word for word in self._words if word.frames >= self._needed]
            self._words.append(_Heard(self._text(number), began_s, self._audio_s))
        elif number and self._words:
            self._words[-1].stop_s = self._audio_s
            self._words[-1].frames += 1

    def _tell(self, began_until_s: float) -> None:
        for word in self._recognised(began_until_s):
            del self._words[0]
            self._told.append(word.text)
            self._observer.on_next(word)

    def _recognised(self, began_until_s: float) -> list[WordRecognised]:
        """Return the words that began until then, without one of which hardly anything has been heard yet."""
        began = itertools.takewhile(
            lambda word: word.start_s <= began_until_s + FRAME_S / 100 and word.frames >= self._needed, self._words
        )
        return [WordRecognised(word.text, word.start_s, word.stop_s) for word in began]

    def _draft(self, at_s: float) -> None:
        words = self._recognised(at_s - FRAME_S / 2)
        text = " ".join([*self._told, *(word.text for word in words)])
        self._observer.on_next(TranscriptDrafted(at_s, text, tuple(words)))

    def _flush(self, at_s: float) -> None:
        self._tell(at_s - FRAME_S / 2)
        self._told = []
        self._observer.on_next(Transcribed(at_s))
