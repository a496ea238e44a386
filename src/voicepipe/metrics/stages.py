"""Metered stages of a session: embedded models report to the same observers as network services.

Where a service tells by itself (`Metrics.observer`), its stage is left alone. What a stage gives and how it fails is
not changed, and nothing waits in here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.conversation import Conversation
from voicepipe.events import Audio, Event, ReplyAudio, ReplyText, SpeechStarted, WordRecognised
from voicepipe.llm.errors import LlmUnavailable
from voicepipe.metrics.registry import Metrics
from voicepipe.metrics.series import FRAME_S, LlmMetrics
from voicepipe.rx import Clock, scheduler_of
from voicepipe.services.observer import ServiceObserver
from voicepipe.session import Llm, Stages, Tts
from voicepipe.stage import Stage, StageError

__all__ = ["metered_llm", "metered_stages", "metered_stt", "metered_tts"]

B = TypeVar("B")


def metered_stages(stages: Stages, metrics: Metrics) -> Stages:
    """Return the same stages; STT, LLM and TTS tell `metrics` what happens in them."""
    return replace(
        stages,
        stt=metered_stt(stages.stt, metrics.stt) if metrics.metered("stt") else stages.stt,
        llm=metered_llm(stages.llm, metrics.llm, metrics.llm),
        tts=_metered_tts(stages.tts, metrics.tts) if metrics.metered("tts") else stages.tts,
    )


def _metered_tts(tts: Tts, observer: ServiceObserver) -> Tts:
    return lambda conversation: metered_tts(tts(conversation), observer)


def metered_stt(stage: Stage[Audio | Event, Event], observer: ServiceObserver) -> Stage[Audio | Event, Event]:
    """Frames in, words out. The first word counts from the speech that it is part of, not from the silence before."""

    def metered(source: Observable[Audio | Event]) -> Observable[Event]:
        def heard(use: _Use) -> Observable[Event]:
            use.ends()  # it listens as long as the session lives: nothing is cut short
            return stage(source.pipe(rx_ops.do_action(use.listens)))

        return _used(heard, _Use.hears, observer)

    return metered


def metered_tts(
    stage: Stage[ReplyText, ReplyAudio | Event], observer: ServiceObserver
) -> Stage[ReplyText, ReplyAudio | Event]:
    """Words in, frames out; the time runs from the first word."""

    def metered(source: Observable[ReplyText]) -> Observable[ReplyAudio | Event]:
        def spoken(use: _Use) -> Observable[ReplyAudio | Event]:
            return stage(source.pipe(rx_ops.do_action(use.reads)))

        return _used(spoken, _Use.speaks, observer)

    return metered


def metered_llm(llm: Llm, observer: ServiceObserver, lengths: LlmMetrics) -> Llm:
    """A conversation in, words out; the time runs from the question. `lengths` is called with the lengths of both."""

    def ask(conversation: Conversation) -> Observable[str | Event]:
        def answer(use: _Use) -> Observable[str | Event]:
            words = sum(map(_words, [conversation.system_prompt, *(m.text for m in conversation.messages)]))
            lengths.asked(words)
            use.asks(words)
            return llm(conversation).pipe(rx_ops.finally_action(lambda: lengths.answered(use.words)))

        return _used(answer, _Use.writes, observer)

    return ask


def _words(text: str) -> int:
    """Count the words by the spaces between them: a client's text of a million characters takes 0.1 ms, and not 20."""
    return text.count(" ") + bool(text)


def _used(
    make: Callable[[_Use], Observable[B]], gives: Callable[[_Use, B], None], observer: ServiceObserver
) -> Observable[B]:
    """Return the observable of `make`; each subscription is one use of the service."""

    def begin(scheduler: Any) -> Observable[B]:
        use = _Use(observer, scheduler_of(scheduler).clock)
        return make(use).pipe(
            rx_ops.do_action(lambda item: gives(use, item), use.fails, use.ends), rx_ops.finally_action(use.closes)
        )

    return reactivex.defer(begin)


class _Use:
    """One use of a service, from its subscription to its disposal."""

    def __init__(self, observer: ServiceObserver, clock: Clock) -> None:
        self._observer, self._clock = observer, clock
        self._began_s = clock()
        self._first_s: float | None = None
        self._asked_s: float | None = None
        self._last_s = 0.0
        self._over = self._in_word = False
        self._sound_s = 0.0
        self._frames = 0
        self.words = 0
        observer.session_opened()

    # ---- what goes in ----------------------------------------------------------------------------------------------

    def listens(self, event: Audio | Event) -> None:
        match event:
            case Audio():
                self._observer.sent(self._add(event))
            case SpeechStarted(at_s=at_s, noticed_s=noticed_s):
                self._asked_s = self._clock() - (noticed_s - at_s)
            case _:
                pass

    def reads(self, text: ReplyText) -> None:
        self._begin()
        self._observer.sent(len(text.delta.split()))

    def asks(self, words: int) -> None:
        self._begin()
        self._observer.sent(words)

    # ---- what comes out --------------------------------------------------------------------------------------------

    def hears(self, event: Event) -> None:
        if isinstance(event, WordRecognised):
            self._got(len(event.text.split()))

    def speaks(self, event: ReplyAudio | Event) -> None:
        if isinstance(event, ReplyAudio):
            self._got(self._add(event.audio))

    def writes(self, text: str | Event) -> None:
        """Pieces may be parts of words: a word counts when it begins. A call is an answer, and no word."""
        if not isinstance(text, str):
            self._got(0)
            return
        goes_on = self._in_word and not text[:1].isspace()
        self._in_word = not text[-1:].isspace()
        words = max(0, len(text.split()) - goes_on)
        self.words += words
        self._got(words)

    # ---- how it ends -----------------------------------------------------------------------------------------------

    def ends(self) -> None:
        self._over = True

    def fails(self, error: Exception) -> None:
        self._over = True
        cause = error.cause if isinstance(error, StageError) else error
        if isinstance(cause, LlmUnavailable):
            self._observer.missed(cause.why)
        else:
            self._observer.failed(cause)

    def closes(self) -> None:
        if not self._over:
            self._observer.interrupted()
        if self._sound_s or self.words:
            self._observer.generated(self._sound_s, max(0.0, self._last_s - (self._first_s or self._began_s)))
        self._observer.session_closed(self._clock() - self._began_s)

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._first_s is None:
            self._asked_s = self._first_s = self._clock()

    def _got(self, count: int) -> None:
        self._last_s = self._clock()
        if self._asked_s is not None:
            self._observer.first_item(self._last_s - self._asked_s)
            self._asked_s = None
        self._observer.received(count)

    def _add(self, audio: Audio) -> int:
        """The frames that are whole now."""
        self._sound_s += audio.duration_s
        frames, self._frames = self._frames, int(self._sound_s / FRAME_S + 1e-6)
        return self._frames - frames
