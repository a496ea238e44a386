"""Words as sound: each word of a vocabulary is a tone, so that a recogniser's result can be checked word by word.

A tone survives a codec, a resampler and any division into frames: no word is recognised that was not there, and words
cut out of the sound are missing in the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from voicepipe.events import Audio, Samples

__all__ = ["HOP_S", "RATE_HZ", "Tones"]

RATE_HZ = 24_000
HOP_S = 0.02
"""The step of analysis: the tones are multiples of 1 / HOP_S, so that they are told apart with certainty."""
_LOWEST_HZ, _STEP_HZ, _MOST = 400, 100, 60
_LEVEL = 0.3


@dataclass(frozen=True)
class Tones:
    """A vocabulary of up to 60 words, the length of each, and the silence behind it."""

    words: Sequence[str]
    word_s: float = 0.24
    gap_s: float = 0.08

    def __post_init__(self) -> None:
        if len(self.words) > _MOST:
            raise ValueError(f"{len(self.words)} words; {_MOST} tones can be told apart")

    def say(self, text: str) -> Audio:
        """Return the sound of the words, at 24 kHz. Raises KeyError for a word that is not in the vocabulary."""
        places = {word: place for place, word in enumerate(self.words)}
        return joined(piece for word in text.split() for piece in (self._tone(places[word]), silence(self.gap_s)))

    def length_s(self, text: str) -> float:
        return len(text.split()) * (self.word_s + self.gap_s)

    def heard(self, hop: Samples) -> str | None:
        """Return the word with the tone of these 20 ms; None for anything else."""
        if np.abs(hop).max() <= _LEVEL / 8:  # no partial can be louder than its limit below; a spectrum takes 15 µs
            return None
        spectrum = np.abs(np.fft.rfft(hop))
        peak = int(spectrum.argmax())
        place, rest = divmod(peak / HOP_S - _LOWEST_HZ, _STEP_HZ)
        loud = spectrum[peak] / len(hop) * 2 > _LEVEL / 4
        return self.words[int(place)] if loud and not rest and 0 <= place < len(self.words) else None

    def _tone(self, place: int) -> Audio:
        return Audio(_tone(place, self.word_s), RATE_HZ)


@cache
def _tone(place: int, seconds: float) -> Samples:
    at_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = _LEVEL * np.sin(2 * np.pi * (_LOWEST_HZ + place * _STEP_HZ) * at_s)
    return wave.astype(np.float32)


def silence(seconds: float) -> Audio:
    """Return the samples at 24 kHz."""
    return Audio(np.zeros(round(seconds * RATE_HZ), np.float32), RATE_HZ)


def joined(pieces: Iterable[Audio]) -> Audio:
    """Join pieces of sound; none give an empty sound."""
    return Audio(np.concatenate([np.zeros(0, np.float32), *(piece.samples for piece in pieces)]), RATE_HZ)
