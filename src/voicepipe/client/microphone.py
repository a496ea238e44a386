"""The user's sound as a microphone gives it: frame by frame, each when it has been spoken."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from typing import Protocol

import numpy as np

from voicepipe.events import Samples

__all__ = ["FRAME_S", "Microphone", "RecordedMicrophone"]

FRAME_S = 0.02


class Microphone(Protocol):
    """A source of the user's sound, 24 kHz mono."""

    @property
    def finished(self) -> bool:
        """Return whether the user has finished: from here on there is only silence."""
        ...

    def play(self) -> None:
        """Let the user speak. Until then there is only silence; a real microphone ignores this."""
        ...

    def frames(self) -> AsyncGenerator[Samples]:
        """Yield frames of 20 ms, without end."""
        ...


class RecordedMicrophone:
    """A recording as a microphone: silence, the recording from `play()` on, then silence.

    Frames keep to the loop's clock: frame n comes n + 1 frames after the start, however late earlier ones were.
    """

    def __init__(self, recording: Samples, rate_hz: int = 24_000) -> None:
        self._step = round(FRAME_S * rate_hz)
        self._recording = recording
        self._at: int | None = None

    @property
    def finished(self) -> bool:
        return self._at is not None and self._at >= len(self._recording)

    def play(self) -> None:
        if self._at is None:
            self._at = 0

    async def frames(self) -> AsyncGenerator[Samples]:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for count in itertools.count(1):
            await asyncio.sleep(max(0.0, began_s + count * FRAME_S - loop.time()))
            yield self._next()

    def _next(self) -> Samples:
        frame = np.zeros(self._step, np.float32)
        if self._at is not None:
            sound = self._recording[self._at : self._at + self._step]
            frame[: len(sound)] = sound
            self._at += self._step
        return frame
