"""Ogg-Opus, 24 kHz mono: the format of Unmute's browser client (RFC 7845). libopus encodes, and sphn decodes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import sphn

from voicepipe.audio.codec import BadAudio, Decoder, Encoder
from voicepipe.audio.libopus import OpusEncoder, libopus
from voicepipe.audio.ogg import MAGIC, OggPages, OggWriter, Page, page_starts
from voicepipe.audio.resample import resampled
from voicepipe.events import Audio, Samples

__all__ = ["OggOpus"]

# Opus counts samples at 48 kHz, whatever the rate of decoding.
_GRANULES_PER_MS = 48
# Bytes per call: sphn's reader fails at more than 5 s of sound. This is 1.2 s of silence, and less of speech.
_BITE = 1000
# The most that is kept of a stream's headers for a new reader: two pages; their comments may hold a picture.
_MOST_HEADERS = 200_000
_NOTHING: Samples = np.zeros(0, np.float32)
_VENDOR = b"voicepipe"


def _random_serial() -> int:
    return secrets.randbits(32)


@dataclass(frozen=True, slots=True)
class OggOpus:
    """Opus in Ogg pages. `rate_hz` is the rate to decode to and encode from: 8, 12, 16, 24 or 48 kHz.

    Packets may cut the stream anywhere, also within a page. A stream may begin in the middle (a browser that
    reconnects): its pages are skipped until one that begins a stream. Such a page starts a new stream at any time. A
    damaged page costs its own sound.

    `serial` returns the serial number of each stream that is written; it does not count in comparisons.
    """

    rate_hz: int = 24_000
    serial: Callable[[], int] = field(default=_random_serial, compare=False, repr=False)

    def decoder(self) -> Decoder:
        return _Decoder(self.rate_hz)

    def encoder(self) -> Encoder:
        return _Encoder(self.rate_hz, self.serial)

    def pieces(self, data: bytes, ms: float) -> Sequence[bytes]:
        """Split a packet at the beginnings of pages. A page of any length stays whole."""
        if data.find(MAGIC, 1) < 0:  # one page or a part of one, as clients send it
            return [data]
        return [data[start:stop] for start, stop in pairwise([*_cuts(data, ms), len(data)])]


class _NotOpus(Exception):
    """A page is not Opus."""


class _Decoder:
    """Decode one stream at a time. After a page on which the reader fails, a new reader gets the stream's headers."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._pages = OggPages()
        self._faults = 0
        self._headers: list[Page] = []
        self._reader: sphn.OpusStreamReader | None = None
        self._is_broken = False

    def __call__(self, data: bytes) -> Samples:
        pages = self._pages.append(data)
        sounds, wrong = [_NOTHING], self._skipped(data)
        for page in pages:
            try:
                sounds.append(self._sound(page))
            except _NotOpus as error:
                wrong = wrong or ("" if self._is_broken else f"not Ogg-Opus: {error}")
                self._reader, self._is_broken = None, True
        heard = sounds[-1] if len(sounds) <= 2 else np.concatenate(sounds)
        if wrong:
            raise BadAudio(wrong, heard)
        return heard

    def rest(self) -> Samples:
        return _NOTHING

    def _skipped(self, data: bytes) -> str:
        """Return what is wrong where bytes begin to be skipped, else nothing."""
        faults, self._faults = self._pages.faults - self._faults, self._pages.faults
        return f"not Ogg pages with correct checksums, at or before this packet of {len(data)} bytes" if faults else ""

    def _sound(self, page: Page) -> Samples:
        if page.begins and page.body.startswith(b"OpusHead"):
            self._headers, self._reader = [page], self._new_reader([page])
            return _NOTHING
        if not self._headers or page.serial != self._headers[0].serial:
            if page.begins:
                raise _NotOpus("a stream begins that is in another format")
            return _NOTHING
        self._reader = self._reader or self._new_reader(self._headers)
        sound = _appended(self._reader, page.data)
        if page.granule == 0 and sum(len(header.data) for header in self._headers) < _MOST_HEADERS:
            self._headers.append(page)
        self._is_broken = self._is_broken and not len(sound)
        return sound

    def _new_reader(self, headers: Sequence[Page]) -> sphn.OpusStreamReader:
        reader = sphn.OpusStreamReader(self._rate_hz)
        for header in headers:
            _appended(reader, header.data)
        return reader


def _appended(reader: sphn.OpusStreamReader, data: bytes) -> Samples:
    try:
        sounds = [_bytes_appended(reader, data[at : at + _BITE]) for at in range(0, len(data), _BITE)]
    except BaseException as error:  # sphn panics in Rust, which is no `Exception` in Python
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise _NotOpus(str(error)) from None
    return sounds[0] if len(sounds) == 1 else np.concatenate(sounds)


def _bytes_appended(reader: sphn.OpusStreamReader, data: bytes) -> Samples:
    samples = reader.append_bytes(data)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return np.asarray(samples, np.float32)


def _cuts(data: bytes, ms: float) -> Iterator[int]:
    """Yield the starts of pieces: what is before the first page, then pages with up to `ms` of sound."""
    pages = page_starts(data)
    if not pages or pages[0].at:
        yield 0
    if not pages:
        return
    ends_ms = [page.granule / _GRANULES_PER_MS for page in pages]
    first_ms = ends_ms[1] - ends_ms[0] if len(pages) > 1 else ms  # the first page is as long as the second
    began_ms = ended_ms = max(0.0, ends_ms[0] - first_ms)
    for number, (page, end_ms) in enumerate(zip(pages, ends_ms, strict=True)):
        if number == 0 or page.begins or end_ms - began_ms > ms:
            began_ms = min(end_ms, ended_ms)
            yield page.at
        ended_ms = end_ms


class _Encoder:
    """Make 20 ms packets, two to a page. Holds back less than 40 ms until the next call."""

    def __init__(self, rate_hz: int, serial: Callable[[], int]) -> None:
        self._rate_hz = rate_hz
        self._page = rate_hz // 25
        self._waiting = 0
        library, number = libopus(), serial()
        self._write = (
            _SphnStream(rate_hz) if library is None else _Stream(OpusEncoder(library, rate_hz), rate_hz, number)
        )

    def __call__(self, audio: Audio) -> bytes:
        if not len(audio.samples) and not self._waiting:
            return b""  # the stream's headers come with the first call, and a cut reply's rest is discarded
        if not len(audio.samples):
            samples = np.zeros(-self._waiting % self._page, np.float32)
        else:
            samples = resampled(audio, self._rate_hz).samples
        self._waiting = (self._waiting + len(samples)) % self._page
        return self._write(samples)


class _SphnStream:
    """sphn's writer: where there is no libopus."""

    def __init__(self, rate_hz: int) -> None:
        self._writer = sphn.OpusStreamWriter(rate_hz)

    def __call__(self, samples: Samples) -> bytes:
        page = self._writer.append_pcm(samples)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return bytes(page)  # pyright: ignore[reportUnknownArgumentType]


class _Stream:
    """A stream of pages with two packets each, behind its two headers (RFC 7845)."""

    def __init__(self, encoder: OpusEncoder, rate_hz: int, serial: int) -> None:
        self._encoder = encoder
        self._granules = 48_000 // rate_hz
        self._page = 2 * encoder.frame
        self._ogg = OggWriter(serial)
        self._rest, self._position = _NOTHING, 0
        delay = (encoder.delay * self._granules).to_bytes(2, "little")
        head = b"OpusHead\x01\x01" + delay + rate_hz.to_bytes(4, "little") + b"\0\0\0"
        tags = b"OpusTags" + len(_VENDOR).to_bytes(4, "little") + _VENDOR + bytes(4)
        self._headers = self._ogg.page([head], 0) + self._ogg.page([tags], 0)

    def __call__(self, samples: Samples) -> bytes:
        sound = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        whole = len(sound) // self._page * self._page
        self._rest = sound[whole:]
        packets, headers = self._encoder(sound[:whole]), self._headers
        self._headers = b""
        return headers + b"".join(self._paged(packets[at : at + 2]) for at in range(0, len(packets), 2))

    def _paged(self, packets: list[bytes]) -> bytes:
        self._position += self._page * self._granules
        return self._ogg.page(packets, self._position)
