"""The beginnings and ends of speech, by the energy of the sound: the recogniser's own figures are too coarse."""

from __future__ import annotations

import numpy as np

from voicepipe.events import Samples

__all__ = ["SpeechBounds"]

HOP_S = 0.02
FLOOR = 0.003
"""Of full scale, -50 dB: softer sound is silence."""
BELOW_PEAK = 0.1
"""20 dB: sound this much softer than the loudest moment of the last seconds is not the same speaker's."""
HALF_LIFE_S = 2.0
"""Of the loudest moment, so that a speaker that moves away from the microphone is heard again."""
BREAK_S = 0.3
"""Silence that ends a piece of speech; pauses within a word are shorter."""


class SpeechBounds:
    """The last loud moment, and the start of its piece of sound. Takes 4 µs for 80 ms.

    It does not know whether sound is speech: the caller asks when it is.
    """

    def __init__(self) -> None:
        self.last_s: float | None = None
        self.since_s: float | None = None
        self._peak = FLOOR / BELOW_PEAK

    def add(self, samples: Samples, start_s: float, rate_hz: int) -> None:
        """Add the next piece of sound, of whole 20 ms."""
        hop = round(HOP_S * rate_hz)
        hops = samples[: len(samples) // hop * hop].reshape(-1, hop)
        levels: list[float] = np.sqrt(np.einsum("ij,ij->i", hops, hops) / hop).tolist()
        self._peak = max(0.0, *levels, self._peak * 0.5 ** (len(hops) * HOP_S / HALF_LIFE_S))
        loud = [number for number, level in enumerate(levels) if level > max(FLOOR, self._peak * BELOW_PEAK)]
        if loud:
            self._note(start_s + loud[0] * HOP_S, start_s + (loud[-1] + 1) * HOP_S)

    def _note(self, first_s: float, last_s: float) -> None:
        if self.last_s is None or first_s - self.last_s > BREAK_S:
            self.since_s = first_s
        self.last_s = last_s
