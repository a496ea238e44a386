"""Ogg-Opus, 24 kHz mono: what Unmute's browser sends and plays (RFC 7845 for the container, sphn for the codec)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sphn

from voicepipe.audio.codec import BadAudio, Decoder, Encoder
from voicepipe.audio.resample import resampled
from voicepipe.events import Audio, Samples

__all__ = ["OggOpus"]

_PAGE = b"OggS"
_HEADER_BYTES = 27
_FLAGS_AT = 5
_BEGINS = 0x02
"""The beginning-of-stream bit of an Ogg page's flags."""


@dataclass(frozen=True, slots=True)
class OggOpus:
    """Opus in Ogg pages. `rate_hz` is what Opus is decoded to and encoded from: 8, 12, 16, 24 or 48 kHz.

    A stream may begin in the middle (a browser that reconnects): packets are skipped until a page that begins one.
    After a broken packet likewise. A new beginning starts a new stream at any time.
    """

    rate_hz: int = 24_000

    def decoder(self) -> Decoder:
        return _Decoder(self.rate_hz)

    def encoder(self) -> Encoder:
        return _Encoder(self.rate_hz)


class _Decoder:
    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._stream: sphn.OpusStreamReader | None = None

    def __call__(self, data: bytes) -> Samples:
        if _begins_stream(data):
            self._stream = sphn.OpusStreamReader(self._rate_hz)
        elif not data.startswith(_PAGE):
            self._stream = None
            raise BadAudio(f"an Ogg page begins with {_PAGE!r}, and this packet of {len(data)} bytes with {data[:4]!r}")
        if self._stream is None:
            return np.zeros(0, np.float32)
        return self._append(self._stream, data)

    def _append(self, stream: sphn.OpusStreamReader, data: bytes) -> Samples:
        try:
            samples = stream.append_bytes(data)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            self._stream = None
            raise BadAudio(f"not Ogg-Opus: {error}; waiting for a page that begins a stream") from None
        return np.asarray(samples, np.float32)


def _begins_stream(data: bytes) -> bool:
    return len(data) >= _HEADER_BYTES and data.startswith(_PAGE) and bool(data[_FLAGS_AT] & _BEGINS)


class _Encoder:
    """20 ms packets, two to a page: less than 40 ms wait here for the next call."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._page = rate_hz // 25
        self._waiting = 0
        self._stream = sphn.OpusStreamWriter(rate_hz)

    def __call__(self, audio: Audio) -> bytes:
        if not len(audio.samples):
            samples = np.zeros(-self._waiting % self._page, np.float32)
        else:
            samples = resampled(audio, self._rate_hz).samples
        self._waiting = (self._waiting + len(samples)) % self._page
        page = self._stream.append_pcm(samples)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return bytes(page)  # pyright: ignore[reportUnknownArgumentType]
