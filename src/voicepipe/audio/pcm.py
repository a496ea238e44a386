"""PCM16: little-endian 16-bit mono samples, the default of OpenAI's Realtime API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from voicepipe.audio.codec import Decoder, Encoder, every
from voicepipe.audio.resample import resampled
from voicepipe.events import Samples

__all__ = ["Pcm16"]


@dataclass(frozen=True, slots=True)
class Pcm16:
    """Raw samples at `rate_hz`. Packets may cut a sample in half."""

    rate_hz: int = 24_000

    def decoder(self) -> Decoder:
        return _Decoder()

    def encoder(self) -> Encoder:
        return lambda audio: _encode(resampled(audio, self.rate_hz).samples)

    def pieces(self, data: bytes, ms: float) -> Iterable[bytes]:
        return every(2 * round(ms * self.rate_hz / 1000), data)


# Mean difference of successive samples over mean magnitude. Speech has 0.1 to 0.5 in its vowels, 1 or more in "s". With
# the halves of samples swapped, all has 1 or more, as white noise does.
_SMOOTH, _ROUGH = 0.45, 0.9
# Samples from which roughness says something: 5 ms.
_LEAST = 120
# Made once: reading "<i2" takes as long as the multiplication of a packet.
_PCM16, _FLOAT, _SCALE, _LARGEST = np.dtype("<i2"), np.dtype(np.float32), np.float32(1 / 32768), np.float32(32767)


class _Decoder:
    """Join halves of samples over packets.

    A half without its other half (a client dropped a byte) would swap the halves of all that follows, which is loud
    noise. Such a half is dropped when a packet is smooth without it and rough with it.
    """

    def __init__(self) -> None:
        self._half = b""

    def __call__(self, data: bytes, /) -> Samples:
        if self._half and not len(data) % 2 and _is_rough(self._half + data[:-1]) and _is_smooth(data):
            self._half = b""
        data = self._half + data
        whole = len(data) & ~1
        self._half = data[whole:]
        return np.frombuffer(data[:whole], _PCM16).astype(_FLOAT) * _SCALE

    def rest(self) -> Samples:
        self._half = b""
        return np.zeros(0, np.float32)


def _is_smooth(data: bytes) -> bool:
    return len(data) >= 2 * _LEAST and _roughness(data) < _SMOOTH


def _is_rough(data: bytes) -> bool:
    return len(data) >= 2 * _LEAST and _roughness(data) > _ROUGH


def _roughness(data: bytes) -> float:
    samples = np.frombuffer(data, "<i2").astype(np.float32)
    return float(np.abs(np.diff(samples)).mean() / max(1e-3, np.abs(samples - samples.mean()).mean()))


def _encode(samples: Samples) -> bytes:
    scaled = samples * _LARGEST
    np.minimum(scaled, _LARGEST, out=scaled)  # `clip` takes twice as long as both
    np.maximum(scaled, -_LARGEST, out=scaled)
    return scaled.astype(_PCM16).tobytes()
