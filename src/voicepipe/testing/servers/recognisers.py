"""Fake recognisers: of tones, of any sound, or by a timetable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Protocol, TypeAlias

import numpy as np

from voicepipe.events import Samples
from voicepipe.testing.servers.tones import HOP_S, RATE_HZ, Tones

__all__ = ["ByTime", "ByTone", "ByVoice", "FakeRecogniser", "Heard", "Listening", "Said"]

FRAME_S = 0.08
HOP = round(HOP_S * RATE_HZ)
LOUD = 0.008
"""Of full scale, mean over a frame: -42 dB. In four recordings of speech, no pause within a sentence is quieter for
longer than 160 ms; above -38 dB there are pauses of 320 ms."""


@dataclass(frozen=True, slots=True)
class Said:
    """A word begins (`text`), or the last one has ended (None), at `at_s` of the connection's sound."""

    text: str | None
    at_s: float


Heard: TypeAlias = tuple[bool, list[Said]]
"""For a frame: whether there is speech in it, and what has become known by it."""


class Listening(Protocol):
    """The recogniser of one connection: takes frames of 80 ms at 24 kHz, in order."""

    def __call__(self, frame: Samples, at_s: float) -> Heard: ...


class FakeRecogniser(Protocol):
    """Makes a new recogniser for each connection."""

    def listen(self) -> Listening: ...


@dataclass(frozen=True)
class ByTone:
    """Hear the words of a vocabulary that are tones."""

    tones: Tones

    def listen(self) -> Listening:
        return _ToneListening(self.tones)


class _ToneListening:
    def __init__(self, tones: Tones) -> None:
        self._tones = tones
        self._candidate: str | None = None
        self._word: str | None = None

    def __call__(self, frame: Samples, at_s: float) -> Heard:
        hops = [self._tones.heard(hop) for hop in frame.reshape(-1, HOP)]
        said = [one for number, word in enumerate(hops) for one in self._hop(word, at_s + number * HOP_S)]
        return any(hops), said

    def _hop(self, word: str | None, at_s: float) -> Iterator[Said]:
        """Make a word of two hops in a row."""
        if self._word is not None and word != self._word:
            self._word = None
            yield Said(None, at_s)
        if word is not None and word == self._candidate and self._word is None:
            self._word = word
            yield Said(word, at_s - HOP_S)
        self._candidate = word


@dataclass(frozen=True)
class ByVoice:
    """Hear the words of a text, round and round, one for each `word_s` of any loud sound: for real microphones."""

    text: str
    word_s: float = 0.32

    def listen(self) -> Listening:
        return _VoiceListening(cycle(self.text.split()), self.word_s)


class _VoiceListening:
    def __init__(self, words: Iterator[str], word_s: float) -> None:
        self._words, self._word_s = words, word_s
        self._voiced_s = 0.0

    def __call__(self, frame: Samples, at_s: float) -> Heard:
        if float(np.abs(frame).mean()) < LOUD:
            return False, []
        said: list[Said] = []
        self._voiced_s += FRAME_S
        if self._voiced_s >= self._word_s:
            self._voiced_s = 0.0
            said = [Said(next(self._words), at_s), Said(None, at_s + FRAME_S)]
        return True, said


@dataclass(frozen=True)
class ByTime:
    """Hear what a timetable says, whatever the sound is: words with their start and stop in seconds."""

    words: Sequence[tuple[str, float, float]]

    def listen(self) -> Listening:
        return self._frame

    def _frame(self, frame: Samples, at_s: float) -> Heard:
        end_s = at_s + FRAME_S
        starts = [Said(text, start_s) for text, start_s, _ in self.words if at_s <= start_s < end_s]
        stops = [Said(None, stop_s) for _, _, stop_s in self.words if at_s <= stop_s < end_s]
        voiced = any(start_s < end_s and stop_s > at_s for _, start_s, stop_s in self.words)
        return voiced, sorted([*starts, *stops], key=lambda said: said.at_s)
