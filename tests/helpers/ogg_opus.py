"""Pages of Ogg-Opus, read and written by hand (RFC 3533, RFC 6716, RFC 7845), as a check on what our codec does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import sphn
from numpy.typing import NDArray

__all__ = ["RATE_HZ", "BrowserMicrophone", "Page", "frames_ms", "pages"]

RATE_HZ = 24_000
_FIXED_BYTES = 27
_BEGINS = 0x02
_SEGMENT = 255
_POLYNOMIAL = 0x04C11DB7
_SHORT_MS, _CELT_MS = (10, 20, 40, 60), (2.5, 5, 10, 20)
_CELT_FROM = 16


@dataclass(frozen=True, slots=True)
class Page:
    """One page; `granule` counts samples of 48 kHz up to its end. No packet goes on on the next page here."""

    begins: bool
    granule: int
    serial: int
    number: int
    packets: tuple[bytes, ...]

    @property
    def frames_ms(self) -> list[float]:
        """The duration of each Opus frame of its packets, in ms; none for the two pages of headers."""
        if self.packets[0].startswith((b"OpusHead", b"OpusTags")):
            return []
        return [ms for packet in self.packets for ms in frames_ms(packet)]

    def __bytes__(self) -> bytes:
        laces = b"".join(bytes([_SEGMENT] * (len(one) // _SEGMENT) + [len(one) % _SEGMENT]) for one in self.packets)
        fixed = b"OggS" + bytes([0, _BEGINS if self.begins else 0]) + self.granule.to_bytes(8, "little")
        fixed += self.serial.to_bytes(4, "little") + self.number.to_bytes(4, "little")
        rest = bytes([len(laces)]) + laces + b"".join(self.packets)
        return fixed + _checksum(fixed + bytes(4) + rest).to_bytes(4, "little") + rest


@cache
def pages(data: bytes) -> tuple[Page, ...]:
    """The whole pages that `data` is made of. ValueError for anything else."""
    found: list[Page] = []
    while data:
        page, length = _first(data)
        if bytes(page) != data[:length]:
            raise ValueError(f"page {page.number} is not as it should be written, or its checksum is wrong")
        found.append(page)
        data = data[length:]
    return tuple(found)


def _first(data: bytes) -> tuple[Page, int]:
    if not data.startswith(b"OggS") or len(data) < _FIXED_BYTES:
        raise ValueError(f"no page begins with {data[:_FIXED_BYTES]!r}")
    laces = data[_FIXED_BYTES : _FIXED_BYTES + data[26]]
    at = _FIXED_BYTES + len(laces)
    length = at + sum(laces)
    if len(data) < length or not laces:
        raise ValueError(f"a page of {length} bytes, and {len(data)} are there")
    packets = tuple(_packets(data[at:length], laces))
    numbers = (int.from_bytes(data[start:stop], "little") for start, stop in ((6, 14), (14, 18), (18, 22)))
    return Page(bool(data[5] & _BEGINS), *numbers, packets), length


def _packets(body: bytes, laces: bytes) -> Iterator[bytes]:
    packet = b""
    for lace in laces:
        packet, body = packet + body[:lace], body[lace:]
        if lace < _SEGMENT:
            yield packet
            packet = b""


def frames_ms(packet: bytes) -> list[float]:
    """The length of each frame in an Opus packet, by its first byte (RFC 6716, 3.1)."""
    kind, code = packet[0] >> 3, packet[0] & 3
    lengths = _SHORT_MS if kind < 12 else _SHORT_MS[:2] * 2 if kind < _CELT_FROM else _CELT_MS
    return [lengths[kind % 4]] * (1 if code == 0 else 2 if code < 3 else packet[1] & 0x3F)


def _table() -> tuple[int, ...]:
    entries: list[int] = []
    for byte in range(256):
        entry = byte << 24
        for _ in range(8):
            entry = (entry << 1) ^ (_POLYNOMIAL if entry & 0x80000000 else 0)
        entries.append(entry & 0xFFFFFFFF)
    return tuple(entries)


_CRC = _table()


def _checksum(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = (crc << 8 & 0xFFFFFFFF) ^ _CRC[crc >> 24 ^ byte]
    return crc


class BrowserMicrophone:
    """Sound as the recorder in Unmute's page writes it: headers, then pages with two packets of 20 ms each.

    sphn puts two frames of 20 ms into one packet; here they are taken apart (RFC 6716, 3.2). One frame of 40 ms, as the
    encoder sometimes prefers it for a tone, stays whole.
    """

    FRAME = RATE_HZ // 25
    """Samples to a page."""

    def __init__(self, serial: int) -> None:
        self._writer = sphn.OpusStreamWriter(RATE_HZ)
        self._serial = serial

    def __call__(self, samples: NDArray[np.float32]) -> list[bytes]:
        """Encode `FRAME` samples as a page; the first time two pages of headers come before it."""
        written = pages(bytes(self._writer.append_pcm(samples)))
        return [bytes(replace(page, serial=self._serial, packets=_split(page))) for page in written]


def _split(page: Page) -> tuple[bytes, ...]:
    if not page.frames_ms:
        return page.packets
    (packet,) = page.packets
    alone, code, rest = bytes([packet[0] & ~3]), packet[0] & 3, packet[1:]
    if code == 0:
        return (packet,)
    if code == 1:
        return alone + rest[: len(rest) // 2], alone + rest[len(rest) // 2 :]
    assert code == 2, "sphn never pads"
    first, skip = (rest[0], 1) if rest[0] < 252 else (rest[0] + 4 * rest[1], 2)
    return alone + rest[skip : skip + first], alone + rest[skip + first :]
