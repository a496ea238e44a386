"""Ogg pages (RFC 3533), out of a byte stream that is cut anywhere, and into one: state machines without a codec."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["MAGIC", "OggPages", "OggWriter", "Page", "PageStart", "page_starts"]

MAGIC = b"OggS\0"
"""A page's first bytes: "OggS" and the version, which is 0. In sound they come once in 10^12 by chance."""
_HEADER_BYTES = 27
_FLAGS_AT, _GRANULE_AT, _SERIAL_AT, _CHECKSUM_AT = 5, 6, 14, 22
# The flag of a page that begins a stream.
_BEGINS = 0x02
# Each byte with its bits in reverse order.
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class PageStart:
    """A page's header: where it is, whether it begins a stream, and the codec's position at its end."""

    at: int
    begins: bool
    granule: int


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page with a correct checksum."""

    data: bytes

    @property
    def begins(self) -> bool:
        """Return whether it begins a stream."""
        return bool(self.data[_FLAGS_AT] & _BEGINS)

    @property
    def granule(self) -> int:
        """The codec's position at its end; 0 for headers."""
        return _granule(self.data, 0)

    @property
    def serial(self) -> bytes:
        """The stream's serial number."""
        return self.data[_SERIAL_AT : _SERIAL_AT + 4]

    @property
    def body(self) -> bytes:
        return self.data[_HEADER_BYTES + self.data[_HEADER_BYTES - 1] :]


class OggPages:
    """Bytes in, whole pages out. The beginning of a page is kept until its end comes: 65,307 bytes at most.

    Bytes that are in no page, a page with a wrong checksum, and one that ends before its length are skipped up to the
    next page. Skipped bytes without a page between them are one fault, whatever the number of calls.

    >>> pages = OggPages()
    >>> pages.append(b"no page"), pages.append(b"nor is this"), pages.faults
    ([], [], 1)
    """

    def __init__(self) -> None:
        self._waiting = b""
        self._skips = False
        # How often bytes began to be skipped.
        self.faults = 0

    def append(self, data: bytes) -> list[Page]:
        """Return the pages that `data` completes."""
        self._waiting += data
        return list(self._whole())

    def _whole(self) -> Iterator[Page]:
        at, end = 0, 0
        while end is not None:
            begin = _page_begin(self._waiting, at)
            if begin > at:
                self._skip()
            at, end = begin, _page_end(self._waiting, begin)
            cut = self._waiting.find(MAGIC, begin + 1)
            if cut >= 0:  # of two beginnings in one page, the first was cut short
                end = cut if end is None else min(end, cut)
            if end is not None:
                yield from self._checked(self._waiting[begin:end])
                at = end
        self._waiting = self._waiting[at:]

    def _checked(self, data: bytes) -> Iterator[Page]:
        if len(data) >= _HEADER_BYTES and _checksum(data) == data[_CHECKSUM_AT : _CHECKSUM_AT + 4]:
            self._skips = False
            yield Page(data)
        else:
            self._skip()

    def _skip(self) -> None:
        self.faults += not self._skips
        self._skips = True


class OggWriter:
    """The pages of one stream of packets of less than 255 × 255 bytes.

    Args:
        serial: The stream's serial number.
    """

    def __init__(self, serial: int) -> None:
        self._serial = serial.to_bytes(4, "little")
        self._count = 0

    def page(self, packets: Sequence[bytes], granule: int) -> bytes:
        """Return the next page, with whole packets; the first one begins the stream.

        Args:
            packets: They have 255 parts of up to 255 bytes at the most.
            granule: The codec's position at the end of the last packet; 0 for headers.
        """
        lengths = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
        flags = 0 if self._count else _BEGINS
        count, self._count = self._count.to_bytes(4, "little"), self._count + 1
        head = MAGIC + bytes([flags]) + granule.to_bytes(8, "little", signed=True) + self._serial + count
        rest = bytes([len(lengths)]) + lengths + b"".join(packets)
        return head + _checksum(head + bytes(4) + rest) + rest


def page_starts(data: bytes) -> Sequence[PageStart]:
    """Return the headers in `data` that are whole as far as the lengths of the page's parts."""
    found: list[PageStart] = []
    at = data.find(MAGIC)
    while 0 <= at <= len(data) - _HEADER_BYTES:
        found.append(PageStart(at, bool(data[at + _FLAGS_AT] & _BEGINS), _granule(data, at)))
        at = data.find(MAGIC, at + len(MAGIC))
    return found


def _page_begin(data: bytes, at: int) -> int:
    """Return where a page begins, or may begin with the last bytes; without any, the end of `data`."""
    found = data.find(MAGIC, at)
    if found >= 0:
        return found
    return next((len(data) - n for n in (4, 3, 2, 1) if len(data) - n >= at and data.endswith(MAGIC[:n])), len(data))


def _page_end(data: bytes, begin: int) -> int | None:
    """Return the end of the page, which its header's list of lengths gives; None: not all of it is in `data`."""
    lengths = begin + _HEADER_BYTES
    if len(data) < lengths or len(data) < lengths + data[lengths - 1]:
        return None
    body = lengths + data[lengths - 1]
    end = body + sum(data[lengths:body])
    return end if end <= len(data) else None


def _granule(data: bytes, page: int) -> int:
    return int.from_bytes(data[page + _GRANULE_AT : page + _GRANULE_AT + 8], "little", signed=True)


def _checksum(page: bytes) -> bytes:
    """Return a page's checksum: zlib's with the bits in reverse order, and without its inversions."""
    zeroed = page[:_CHECKSUM_AT] + bytes(4) + page[_CHECKSUM_AT + 4 :]
    crc = zlib.crc32(zeroed.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2).to_bytes(4, "little")
