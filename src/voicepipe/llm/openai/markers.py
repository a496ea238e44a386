"""Find markers, such as `<think>`, in a text that comes in pieces, wherever the pieces are cut. No I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

__all__ = ["Marker", "MarkerSplitter"]


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker, in lower case as it was looked for."""

    name: str


class MarkerSplitter:
    """Splits pieces of text into text and markers, in any case of letters.

    Text passes at once. Only an end that may be the beginning of a marker is kept until the next piece, so that a text
    without `<` and `[` is never late.

    >>> split = MarkerSplitter(["<think>"])
    >>> list(split("Hi <thi")), list(split("nk>so"))
    (['Hi '], [Marker(name='<think>'), 'so'])
    """

    def __init__(self, markers: Collection[str]) -> None:
        longest_first = sorted(markers, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
        self._beginnings = {name[:end].lower() for name in markers for end in range(1, len(name))}
        self._longest = max(map(len, markers))
        self._tail = ""

    def __call__(self, piece: str) -> Iterator[str | Marker]:
        """Yield the text and markers that are certain with this piece."""
        text, at = self._tail + piece, 0
        for found in self._pattern.finditer(text):
            if found.start() > at:
                yield text[at : found.start()]
            yield Marker(found[0].lower())
            at = found.end()
        kept = self._kept(text[at:])
        self._tail = text[len(text) - kept :]
        if at < len(text) - kept:
            yield text[at : len(text) - kept]

    def finish(self) -> Iterator[str]:
        """Yield the text that was kept: it is no marker."""
        tail, self._tail = self._tail, ""
        if tail:
            yield tail

    def _kept(self, text: str) -> int:
        """Return the length of the longest end that is the beginning of a marker."""
        end = text[-self._longest :].lower()
        return next((len(end) - at for at in range(len(end)) if end[at:] in self._beginnings), 0)
