"""PCM16: little-endian 16-bit mono samples, the default of OpenAI's Realtime API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from voicepipe.audio.codec import BadAudio, Decoder, Encoder, Stateless, every
from voicepipe.audio.resample import resampled
from voicepipe.events import Samples

__all__ = ["Pcm16"]


@dataclass(frozen=True, slots=True)
class Pcm16:
    """Raw samples at `rate_hz`."""

    rate_hz: int = 24_000

    def decoder(self) -> Decoder:
        return Stateless(_decode)

    def encoder(self) -> Encoder:
        return lambda audio: _encode(resampled(audio, self.rate_hz).samples)

    def pieces(self, data: bytes, ms: float) -> Iterable[bytes]:
        """Split a packet into pieces. A packet with half a sample stays one, to be rejected."""
        return [data] if len(data) % 2 else every(2 * round(ms * self.rate_hz / 1000), data)


def _decode(data: bytes) -> Samples:
    if len(data) % 2:
        raise BadAudio(f"PCM16 audio has two bytes a sample, and this packet has {len(data)} bytes")
    return np.frombuffer(data, "<i2").astype(np.float32) * np.float32(1 / 32768)


def _encode(samples: Samples) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
