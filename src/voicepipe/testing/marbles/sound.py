"""Sound for tests: a letter is a frame of 20 ms, the same samples at the same place in every run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from voicepipe.testing.marbles.notation import COLUMN_MS, Kind, Marble, parse
from voicepipe.testing.marbles.timeline import Timeline

if TYPE_CHECKING:
    from voicepipe.events import Audio

__all__ = ["Sound", "silence", "sound", "speech"]

PITCH_HZ = 130
SYLLABLE_HZ = 4
NOISE = 0.02


@dataclass(frozen=True)
class Sound(Timeline):
    """A timeline in which ``s`` is 20 ms of something like speech and ``_`` as much silence, both as `Audio`.

    The voice goes on through neighbouring frames without a jump. Other letters stand for what `values` say.
    """

    rate_hz: int = 24_000

    def value(self, marble: Marble) -> Any:
        if marble.kind is not Kind.NEXT or marble.symbol in self.values or marble.symbol not in "s_":
            return super().value(marble)
        make = speech if marble.symbol == "s" else silence
        return make(marble.at_ms, COLUMN_MS, self.rate_hz)


def sound(pattern: str, rate_hz: int) -> Sound:
    """``"sss__ss"``: a frame per column, each at the time at which its column begins."""
    return Sound(parse(pattern), rate_hz=rate_hz)


@lru_cache(maxsize=1024)
def speech(start_ms: float, duration_ms: float, rate_hz: int, pitch_hz: float = PITCH_HZ) -> Audio:
    """A buzz with the overtones and the rise and fall of a voice, a little noise of a fixed seed; peak below 1.

    Voices of different pitches are different speakers: they are not taken for each other's echo.
    """
    import numpy as np

    from voicepipe.events import Audio

    first, count = round(start_ms * rate_hz / 1000), round(duration_ms * rate_hz / 1000)
    at_s = (first + np.arange(count)) / rate_hz
    voice = sum(np.sin(2 * np.pi * pitch_hz * overtone * at_s) / overtone for overtone in range(1, 9))
    loudness = 0.6 - 0.4 * np.cos(2 * np.pi * SYLLABLE_HZ * at_s)
    noise = np.random.default_rng(abs(first)).normal(0, NOISE, count)
    return _frozen(Audio((0.25 * loudness * voice + noise).astype(np.float32), rate_hz))


@lru_cache(maxsize=1024)
def silence(start_ms: float, duration_ms: float, rate_hz: int) -> Audio:
    """Zeros; silence is the same at any time."""
    import numpy as np

    from voicepipe.events import Audio

    del start_ms
    return _frozen(Audio(np.zeros(round(duration_ms * rate_hz / 1000), np.float32), rate_hz))


def _frozen(audio: Audio) -> Audio:
    """The frames are shared between tests, so they are read-only."""
    audio.samples.flags.writeable = False
    return audio
