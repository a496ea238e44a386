"""Clean text: what a model's text must not have in it, removed from a stream of pieces. No I/O.

- Halves of a surrogate pair (U+D800 to U+DFFF) that come in two pieces are joined; one that stays alone is removed: it
  cannot be encoded, neither for a client nor for the next request.
- NUL and other control characters, except tab and line ends.
- U+FFFD, which servers write for a letter with its bytes in two tokens.
"""

from __future__ import annotations

import re

__all__ = ["CleanText", "cleaned"]

_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffd\ufeff]")
_HIGH = re.compile("[\ud800-\udbff]$")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class CleanText:
    r"""Cleans text that comes in pieces.

    >>> clean = CleanText()
    >>> clean("Hi\x00 \ud83d"), clean("\ude00!") == "\U0001f600!"
    ('Hi ', True)
    """

    def __init__(self) -> None:
        self._half = ""

    def __call__(self, piece: str) -> str:
        """Return the piece as it may be spoken; the first half of a pair is kept for the next piece."""
        text, self._half = self._half + piece, ""
        if not _UNWANTED.search(text):
            return text
        if half := _HIGH.search(text):
            text, self._half = text[:-1], half[0]
        return cleaned(text)


def cleaned(text: str) -> str:
    """Return a whole text without what cannot be encoded or spoken."""
    return _UNWANTED.sub("", _PAIR.sub(_joined, text)) if _UNWANTED.search(text) else text


def _joined(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")
