"""Server-sent events, read: from bytes as they come off the wire to the data of each event. No I/O.

The format is the one of the HTML standard, section 9.2.6.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["EventTooLong", "SseParser"]

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


class EventTooLong(ValueError):
    """A line, or the data of an event, has more bytes than allowed: this is no stream of events, or never ends."""


class SseParser:
    r"""Takes bytes, cut anywhere, and gives the data of each event when its empty line has come.

    Comments (keep-alives) and the fields `event`, `id` and `retry` are skipped. What is no UTF-8 becomes U+FFFD. At
    most about twice `max_event_bytes` are held; more raise EventTooLong.

    >>> parser = SseParser(max_event_bytes=1000)
    >>> list(parser.feed(b": hello\n\ndata: on")), list(parser.feed(b"e\ndata: two\n\n"))
    ([], ['one\ntwo'])
    """

    def __init__(self, *, max_event_bytes: int) -> None:
        self._limit = max_event_bytes
        self._tail = b""
        self._data: list[bytes] = []
        self._held = 0
        self._after_cr = False
        self._began = False

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The events that are complete with this chunk."""
        if not chunk:
            return
        if self._after_cr:  # the other half of a line end that was cut in two
            chunk, self._after_cr = chunk.removeprefix(b"\n"), False
        self._after_cr = chunk.endswith(b"\r")
        *lines, self._tail = _LINE_END.split(self._tail + chunk)
        for line in lines:
            yield from self._line(line)
        self._check(len(self._tail))

    def finish(self) -> Iterator[str]:
        """The stream has ended in order: an event without the empty line behind it, which the standard drops."""
        tail, self._tail = self._tail, b""
        yield from self._line(tail)
        yield from self._dispatch()

    def _line(self, line: bytes) -> Iterator[str]:
        self._check(len(line))
        if not self._began:
            line, self._began = line.removeprefix(_BOM), True
        if not line:
            yield from self._dispatch()
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._held += len(value)
            self._check(self._held)

    def _dispatch(self) -> Iterator[str]:
        if self._data:
            data, self._data, self._held = b"\n".join(self._data), [], 0
            yield data.decode(errors="replace")

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise EventTooLong(f"an event of more than {self._limit} bytes")
