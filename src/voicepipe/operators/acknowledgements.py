"""Acknowledgements: what a listener says without wanting to speak ("mhm", "yeah, sure"). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

__all__ = ["Acknowledgements"]


class Acknowledgements:
    """The phrases that are acknowledgements, read once.

    Args:
        phrases: such as "i see"; case and punctuation do not matter

    >>> known = Acknowledgements({"yeah", "sure", "i see"})
    >>> [known.matches(text) for text in ("Yeah, sure.", "I see!", "I", "Yeah, but", "")]
    [True, True, False, False, False]
    >>> [known.may_match(text) for text in ("I", "I see. I", "I said")]
    [True, True, False]
    """

    def __init__(self, phrases: Collection[str]) -> None:
        self._phrases = _read(frozenset(phrases))

    def matches(self, text: str) -> bool:
        """Return whether a text is one of the phrases, or several of them."""
        words = _words(text)
        return bool(words) and len(words) in self._ends(words)

    def may_match(self, text: str) -> bool:
        """Return whether a text is, or with more words may become, one or several of the phrases."""
        words = _words(text)
        ends = self._ends(words)
        return bool(words) and (len(words) in ends or any(self._begins(words[end:]) for end in ends))

    def _ends(self, words: tuple[str, ...]) -> set[int]:
        """Return after how many words a phrase ends, if phrases follow each other from the first word on."""
        reached = {0}
        for start in range(len(words)):
            if start in reached:
                rest = words[start:]
                reached |= {start + len(phrase) for phrase in self._phrases if rest[: len(phrase)] == phrase}
        return reached

    def _begins(self, words: tuple[str, ...]) -> bool:
        return any(phrase[: len(words)] == words for phrase in self._phrases)


@lru_cache(maxsize=16)
def _read(phrases: frozenset[str]) -> frozenset[tuple[str, ...]]:
    """Return the phrases as words: once for all sessions of a preset."""
    return frozenset(map(_words, phrases))


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.casefold().replace("’", "'")))
