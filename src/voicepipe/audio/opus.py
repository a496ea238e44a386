"""Ogg-Opus, 24 kHz mono: the format of Unmute's browser client (RFC 7845 for the container, sphn for the codec)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import sphn

from voicepipe.audio.codec import BadAudio, Decoder, Encoder
from voicepipe.audio.resample import resampled
from voicepipe.events import Audio, Samples

__all__ = ["OggOpus"]

_PAGE = b"OggS"
_HEADER_BYTES = 27
_FLAGS_AT = 5
_GRANULE_AT = 6
# Opus counts samples at 48 kHz, whatever the rate of decoding.
_GRANULES_PER_MS = 48
# The flag of an Ogg page that begins a stream.
_BEGINS = 0x02
# Bytes per call: sphn's reader fails at more than 5 s of sound. This is 1.2 s of silence, and less of speech.
_BITE = 1000


@dataclass(frozen=True, slots=True)
class OggOpus:
    """Opus in Ogg pages. `rate_hz` is the rate to decode to and encode from: 8, 12, 16, 24 or 48 kHz.

    A stream may begin in the middle (a browser that reconnects) and may break: packets are skipped until a page that
    begins a stream. Such a page starts a new stream at any time.
    """

    rate_hz: int = 24_000

    def decoder(self) -> Decoder:
        return _Decoder(self.rate_hz)

    def encoder(self) -> Encoder:
        return _Encoder(self.rate_hz)

    def pieces(self, data: bytes, ms: float) -> Sequence[bytes]:
        """Split a packet into whole pages of any length. A packet that is not whole pages stays one, to be rejected."""
        *pages, end = _page_starts(data)
        if len(pages) < 2 or end != len(data):
            return [data]
        return [data[start:stop] for start, stop in pairwise([*_cuts(data, pages, ms), end])]


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

    def rest(self) -> Samples:
        return np.zeros(0, np.float32)

    def _append(self, stream: sphn.OpusStreamReader, data: bytes) -> Samples:
        try:
            sounds = [_bytes_appended(stream, data[at : at + _BITE]) for at in range(0, len(data), _BITE)]
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            self._stream = None
            raise BadAudio(f"not Ogg-Opus: {error}; waiting for a page that begins a stream") from None
        return sounds[0] if len(sounds) == 1 else np.concatenate(sounds)


def _bytes_appended(stream: sphn.OpusStreamReader, data: bytes) -> Samples:
    samples = stream.append_bytes(data)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return np.asarray(samples, np.float32)


def _page_starts(data: bytes) -> Iterator[int]:
    """Yield the start of each page of `data`, and the end of the last. A page's header lists the lengths of its
    parts."""
    start = 0
    while len(data) - start >= _HEADER_BYTES and data.startswith(_PAGE, start):
        yield start
        parts = start + _HEADER_BYTES
        behind = parts + data[parts - 1]
        start = behind + sum(data[parts:behind])
    yield start


def _cuts(data: bytes, pages: Sequence[int], ms: float) -> Iterator[int]:
    """Yield the starts of pieces; each piece is pages with up to `ms` of sound."""
    first_ms, second_ms = (_at_ms(data, page) for page in pages[:2])
    began_ms = ended_ms = max(0.0, first_ms - (second_ms - first_ms))  # the first page is as long as the second
    for page in pages:
        at_ms = _at_ms(data, page)
        if page == 0 or at_ms - began_ms > ms or _begins_stream(data[page : page + _HEADER_BYTES]):
            began_ms = min(at_ms, ended_ms)
            yield page
        ended_ms = at_ms


def _at_ms(data: bytes, page: int) -> float:
    """Return the time in the stream at which a page's sound ends."""
    return int.from_bytes(data[page + _GRANULE_AT : page + _GRANULE_AT + 8], "little", signed=True) / _GRANULES_PER_MS


def _begins_stream(data: bytes) -> bool:
    return len(data) >= _HEADER_BYTES and data.startswith(_PAGE) and bool(data[_FLAGS_AT] & _BEGINS)


class _Encoder:
    """Make 20 ms packets, two to a page. Holds back less than 40 ms until the next call."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._page = rate_hz // 25
        self._waiting = 0
        self._stream = sphn.OpusStreamWriter(rate_hz)

    def __call__(self, audio: Audio) -> bytes:
        if not len(audio.samples) and not self._waiting:
            return b""  # the stream's headers come with the first call, and a cut reply's rest is discarded
        if not len(audio.samples):
            samples = np.zeros(-self._waiting % self._page, np.float32)
        else:
            samples = resampled(audio, self._rate_hz).samples
        self._waiting = (self._waiting + len(samples)) % self._page
        page = self._stream.append_pcm(samples)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return bytes(page)  # pyright: ignore[reportUnknownArgumentType]
