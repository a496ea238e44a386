"""Resampling with libsoxr, of whole clips and of streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicepipe.events import Audio, Samples
from voicepipe.rx import Clock, transduce
from voicepipe.stage import Stage

__all__ = ["Quality", "Resampler", "resample", "resampled", "resampler"]

Quality: TypeAlias = Literal["QQ", "LQ", "MQ", "HQ"]
"""soxr's interpolation, worst first. From 24 to 16 kHz the sound is delayed by 0.1, 11, 21 and 22 ms on average. "QQ"
is a cubic; its aliases hardly affect a VAD: of 2580 frames of speech 6 were judged differently."""


def resampled(audio: Audio, rate_hz: int) -> Audio:
    """Return a whole clip at another rate; the same object if it has that rate."""
    if audio.rate_hz == rate_hz:
        return audio
    if not len(audio.samples):
        return Audio(audio.samples, rate_hz)
    import soxr  # pyright: ignore[reportMissingTypeStubs]

    return Audio(_float32(soxr.resample(audio.samples, audio.rate_hz, rate_hz)), rate_hz)


class Resampler(Protocol):
    """A stream at another rate: takes the next samples, returns those that are ready."""

    def __call__(self, samples: Samples, /) -> Samples: ...

    def rest(self) -> Samples:
        """Return the held samples; the next call begins another piece of sound."""
        ...


def resampler(from_hz: int, to_hz: int, quality: Quality = "MQ") -> Resampler:
    """Return a resampler for a stream. It takes about 20 µs for 20 ms, and returns pieces of its own length.

    The delay is up to 40 ms in "MQ" (to or from 8 kHz up to 120 ms), and half of that in "LQ".
    """
    return _Unchanged() if from_hz == to_hz else _Stream(from_hz, to_hz, quality)


class _Unchanged:
    def __call__(self, samples: Samples) -> Samples:
        return samples

    def rest(self) -> Samples:
        return _NOTHING


class _Stream:
    def __init__(self, from_hz: int, to_hz: int, quality: Quality) -> None:
        import soxr  # pyright: ignore[reportMissingTypeStubs]

        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=quality)

    def __call__(self, samples: Samples) -> Samples:
        return _float32(self._stream.resample_chunk(samples))

    def rest(self) -> Samples:
        held_up = _float32(self._stream.resample_chunk(_NOTHING, last=True))
        self._stream.clear()
        return held_up


def resample(rate_hz: int, quality: Quality = "MQ") -> Stage[Audio, Audio]:
    """Resample the sound to `rate_hz`. The first piece's rate is the rate of all.

    .. marbles::

        mic        a---b---c|     80 ms of Audio each, at 24 kHz
        resample   A---B---C|     Audio at rate_hz, tens of milliseconds behind
    """

    def machine(_: Clock) -> Callable[[Audio], list[Audio]]:
        stream: list[Callable[[Samples], Samples]] = []

        def step(audio: Audio) -> list[Audio]:
            if not stream:
                stream.append(resampler(audio.rate_hz, rate_hz, quality))
            samples = stream[0](audio.samples)
            return [Audio(samples, rate_hz)] if len(samples) else []

        return step

    return transduce(machine)


_NOTHING: Samples = np.zeros(0, np.float32)


def _float32(samples: NDArray[Any]) -> Samples:
    return np.asarray(samples, np.float32)
