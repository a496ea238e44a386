"""A model of a player that plays the bot's sound as soon as it can."""

from __future__ import annotations

import numpy as np

from voicepipe.events import Samples

__all__ = ["PlaybackQueue"]


class PlaybackQueue:
    """Sound in order of arrival, without gaps if it arrives in time. Seconds are on one clock from 0 on."""

    def __init__(self, rate_hz: int = 24_000) -> None:
        self.rate_hz = rate_hz
        self._clips: list[tuple[int, Samples]] = []
        self._ends = 0

    @property
    def ends_s(self) -> float:
        """The time at which the last sound of the queue ends, in seconds."""
        return self._ends / self.rate_hz

    def put(self, at_s: float, samples: Samples) -> float:
        """Add sound; return when it begins to play: now, or behind what is still playing."""
        start = max(round(at_s * self.rate_hz), self._ends)
        self._clips.append((start, samples))
        self._ends = start + len(samples)
        return start / self.rate_hz

    def flush(self, at_s: float) -> float:
        """Be silent from `at_s` on; return how many seconds of sound were dropped unheard."""
        now, lost = round(at_s * self.rate_hz), 0
        while self._clips and self._ends > now:
            start, samples = self._clips.pop()
            keep = max(0, now - start)
            lost += len(samples) - keep
            if keep:
                self._clips.append((start, samples[:keep]))
            self._ends = start + keep if keep else self._end_of_last()
        return lost / self.rate_hz

    def heard(self) -> Samples:
        """Return everything that was played, from 0 on, with silence in between; shape (n,)."""
        track = np.zeros(self._ends, np.float32)
        for start, samples in self._clips:
            track[start : start + len(samples)] = samples
        return track

    def _end_of_last(self) -> int:
        return self._clips[-1][0] + len(self._clips[-1][1]) if self._clips else 0
