"""G.711: µ-law and A-law, one byte a sample at 8 kHz, as in telephony (ITU-T G.711)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicepipe.audio.codec import Decoder, Encoder, Stateless, every
from voicepipe.audio.resample import resampler
from voicepipe.events import Audio, Samples

__all__ = ["G711", "Law"]

Law: TypeAlias = Literal["mu", "a"]

_RATE_HZ = 8000
# The value of 1.0 in 16 bits.
_FULL = 32768


@dataclass(frozen=True, slots=True)
class G711:
    """A companding `law`. Every byte is valid. The encoder resamples, which delays the sound by a few milliseconds."""

    law: Law

    @property
    def rate_hz(self) -> int:
        return _RATE_HZ

    def decoder(self) -> Decoder:
        table = (_expanded(self.law) / np.float32(_FULL)).astype(np.float32)
        return Stateless(lambda data: table[np.frombuffer(data, np.uint8)])

    def encoder(self) -> Encoder:
        return _Encoder(_compressed(self.law))

    def pieces(self, data: bytes, ms: float) -> Iterable[bytes]:
        return every(round(ms * _RATE_HZ / 1000), data)


class _Encoder:
    def __init__(self, table: NDArray[np.uint8]) -> None:
        self._table = table
        self._from_hz: int | None = None
        self._resample: Callable[[Samples], Samples] = lambda samples: samples

    def __call__(self, audio: Audio) -> bytes:
        if audio.rate_hz != self._from_hz:
            self._from_hz, self._resample = audio.rate_hz, resampler(audio.rate_hz, _RATE_HZ, "LQ")
        level = np.clip(np.round(self._resample(audio.samples) * _FULL), -_FULL, _FULL - 1).astype(np.int32)
        return self._table[level + _FULL].tobytes()


# ---- the two laws, on 16-bit levels, of which µ-law keeps 14 bits and A-law 13 -------------------------------------
# Their tables are made when the first telephone calls: that takes 10 ms and 2 MB.


@cache
def _expanded(law: Law) -> NDArray[np.int32]:
    return _mu_expand(np.arange(256)) if law == "mu" else _a_expand(np.arange(256))


@cache
def _compressed(law: Law) -> NDArray[np.uint8]:
    levels = np.arange(-_FULL, _FULL)
    return _mu_compress(levels) if law == "mu" else _a_compress(levels)


def _mu_expand(codes: NDArray[np.int64]) -> NDArray[np.int32]:
    """Expand: segments of 16 steps, each twice as long as the one before; the bits are inverted, the sign comes
    first."""
    code = ~codes & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << (code >> 4 & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int32)


def _mu_compress(levels: NDArray[np.int64]) -> NDArray[np.uint8]:
    magnitude = np.minimum((np.where(levels < 0, ~levels, levels) >> 2) + 33, 0x1FFF)
    segment = np.floor(np.log2(magnitude)).astype(np.int64) - 5
    code = segment << 4 | (magnitude >> (segment + 1) & 0x0F)
    return (~(code | np.where(levels < 0, 0x80, 0)) & 0xFF).astype(np.uint8)


def _a_expand(codes: NDArray[np.int64]) -> NDArray[np.int32]:
    """Expand, as µ-law with two equal first segments; every other bit is inverted, a positive sign is 1."""
    code = codes ^ 0x55
    segment, step = code >> 4 & 7, code & 0x0F
    magnitude = np.where(segment == 0, (step << 4) + 8, ((step << 4) + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int32)


def _a_compress(levels: NDArray[np.int64]) -> NDArray[np.uint8]:
    magnitude = np.where(levels < 0, ~levels, levels) >> 4
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int64) - 3, 0)
    code = segment << 4 | (magnitude >> np.maximum(segment - 1, 0) & 0x0F)
    return ((code | np.where(levels < 0, 0, 0x80)) ^ 0x55).astype(np.uint8)
