"""A session whose ear, brain and voice know beforehand what they will say: what is left is the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.audio import Pcm16
from voicepipe.events import Audio, Event, FlushRequested, SpeechProbability, SpeechStarted, Transcribed, WordRecognised
from voicepipe.loader import load_pipeline
from voicepipe.rx import transduce
from voicepipe.session import SessionRunner, Stages
from voicepipe.testing import Marbles

__all__ = ["RATE_HZ", "packets", "scripted_session", "scripted_stages"]

RATE_HZ = 24_000
_PACKET = RATE_HZ // 50
_PIPELINE = load_pipeline(None)
_LOUD = 0.1
_WORD_AFTER_S = 0.5
"""After the voice; the rest of the words come when the user has paused."""


def scripted_stages(marbles: Marbles) -> Any:
    """Stages for any number of sessions. The bot answers everything with twelve words, which take 3.6 s."""
    return Stages(
        vad=transduce(lambda _: _Loudness()),
        end_of_turn=_end_of_turn,
        stt=transduce(lambda _: _Recogniser()),
        llm=marbles.llm({}, default="200ms a 60ms a|", a="One more thing that I say. "),
        tts=lambda _: marbles.tts(delay_ms=60, ms_per_word=300),
    )


def scripted_session(stages: Any, emit: Callable[[Event], None]) -> SessionRunner:
    """The default pipeline on PCM16, subscribed. Must be called on the running loop."""
    return SessionRunner(_PIPELINE, session_id="scripted", codec=Pcm16(), stages=stages, emit=emit)


def packets(seconds: float, speech: tuple[tuple[float, float], ...]) -> list[bytes]:
    """20 ms of PCM16 each: loud from … until … seconds, otherwise a little noise of a fixed seed."""
    level = np.random.default_rng(0).normal(0, 100, round(seconds * RATE_HZ))
    for start_s, stop_s in speech:
        level[round(start_s * RATE_HZ) : round(stop_s * RATE_HZ)] += 8000
    samples = level.astype("<i2")
    return [samples[at : at + _PACKET].tobytes() for at in range(0, len(samples) - _PACKET + 1, _PACKET)]


def _end_of_turn(sound: Audio) -> Observable[float]:
    return reactivex.timer(0.06).pipe(rx_ops.map(lambda _: 0.9))


class _Loudness:
    """A VAD: loud is speech."""

    def __init__(self) -> None:
        self._at_s = 0.0

    def __call__(self, audio: Audio) -> Iterator[SpeechProbability]:
        self._at_s += audio.duration_s
        yield SpeechProbability(float(audio.samples[0] > _LOUD), self._at_s)


class _Recogniser:
    """Whatever is said, it hears three words."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._first_at_s: float | None = None
        self._at_s = 0.0

    def __call__(self, event: Event) -> Iterator[Event]:
        match event:
            case Audio():
                self._at_s += event.duration_s
                if self._first_at_s is not None and self._at_s >= self._first_at_s:
                    self._first_at_s = None
                    yield WordRecognised(self._words.pop(0), self._at_s - 0.3, self._at_s)
            case SpeechStarted(at_s=at_s) if not self._words:
                self._words, self._first_at_s = ["hello", "there", "you"], at_s + _WORD_AFTER_S
            case FlushRequested(at_s=at_s):
                yield from (WordRecognised(word, at_s - 0.3, at_s) for word in self._words)
                self._words, self._first_at_s = [], None
                yield Transcribed(at_s)
            case _:
                pass
