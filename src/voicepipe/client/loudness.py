"""Times at which a voice is audible, by the level of its sound, to 10 ms."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from voicepipe.events import Samples

__all__ = ["Loudness"]

# -50 dBFS: comfort noise and the hiss of a decoded silence are below, the quiet parts of speech above.
_QUIETEST = 10 ** (-50 / 20)
# Speech spans about 30 dB; sound 35 dB below its loudest moment is the room.
_RANGE = 10 ** (-35 / 20)
# A longer silence separates two utterances; stops between and within words are shorter.
_GAP_S = 0.4
# Pieces this close to each other are one; positions are rounded to samples.
_TOUCHING_S = 1e-4


class Loudness:
    """The times in which one side of a conversation was loud, in seconds of the caller's clock.

    Loud is less than 35 dB below the loudest moment so far, and above -50 dBFS.
    """

    def __init__(self, rate_hz: int = 24_000) -> None:
        self._rate_hz, self._step = rate_hz, rate_hz // 100
        self._loudest = 0.0
        self._position_s = 0.0
        self._stretches: list[tuple[float, float]] = []

    @property
    def position_s(self) -> float:
        """The end of the last sound."""
        return self._position_s

    @property
    def until_s(self) -> float | None:
        """The end of the last loud piece."""
        return self._stretches[-1][1] if self._stretches else None

    @property
    def since_s(self) -> float | None:
        """The start of the last utterance: its silences are at most 0.4 s long."""
        return self.onset_s(float("-inf"))

    @property
    def loud_s(self) -> float:
        """Return how many seconds were loud, with the short silences within utterances."""
        gaps_s = (after[0] - before[1] for before, after in pairwise(self._stretches))
        return sum(until_s - since_s for since_s, until_s in self._stretches) + sum(s for s in gaps_s if s <= _GAP_S)

    def listen(self, samples: Samples, at_s: float | None = None) -> float | None:
        """Weigh sound that begins at `at_s` (default: where the last ended). Return its first loud moment, if any."""
        first_s: float | None = None
        self._position_s = self._position_s if at_s is None else at_s
        for begin in range(0, len(samples), self._step):
            since_s = self._position_s
            if self._weigh(samples[begin : begin + self._step]) and first_s is None:
                first_s = since_s
        return first_s

    def forget(self, after_s: float) -> None:
        """Drop what lies behind `after_s`: it was not played."""
        kept = [(since_s, min(until_s, after_s)) for since_s, until_s in self._stretches if since_s < after_s]
        self._stretches = kept
        self._position_s = min(self._position_s, after_s)

    def onset_s(self, not_before_s: float) -> float | None:
        """Return the first loud moment of the last utterance from `not_before_s` on; None if there is none."""
        onset_s: float | None = None
        for since_s, until_s in self._last_utterance():
            if until_s <= not_before_s:
                break
            onset_s = max(since_s, not_before_s)
        return onset_s

    def _last_utterance(self) -> Iterator[tuple[float, float]]:
        """Yield its loud pieces, the last one first."""
        next_s: float | None = None
        for since_s, until_s in reversed(self._stretches):
            if next_s is not None and next_s - until_s > _GAP_S:
                return
            yield since_s, until_s
            next_s = since_s

    def _weigh(self, piece: Samples) -> bool:
        power = float(np.dot(piece, piece) / len(piece)) ** 0.5  # a third of the time of `mean`
        self._loudest = max(self._loudest, power)
        since_s = self._position_s
        self._position_s += len(piece) / self._rate_hz
        loud = power > max(_QUIETEST, self._loudest * _RANGE)
        if loud:
            self._mark(since_s, self._position_s)
        return loud

    def _mark(self, since_s: float, until_s: float) -> None:
        if self._stretches and since_s - self._stretches[-1][1] < _TOUCHING_S:
            since_s = self._stretches.pop()[0]
        self._stretches.append((since_s, until_s))
