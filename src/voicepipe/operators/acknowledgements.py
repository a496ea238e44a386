"""Acknowledgements: what a listener says without wanting to speak ("mhm", "yeah, sure"). Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from statistics import fmean

__all__ = ["Acknowledgements"]


class Acknowledgements:
    """The phrases that are acknowledgements, read once.

    Args:
        phrases: such as "i see"; case and punctuation do not matter
        unsure_below: words with a lower mean logarithm of probability are unsure
        unsure_words: so many words at most that are unsure are a recogniser's writing of a hum

    >>> known = Acknowledgements({"yeah", "sure", "i see"})
    >>> [known.matches(text) for text in ("Yeah, sure.", "I see!", "I", "Yeah, but", "")]
    [True, True, False, False, False]
    >>> [known.may_match(text) for text in ("I", "I see. I", "I said")]
    [True, True, False]
    >>> unsure = Acknowledgements({"yeah"}, unsure_below=-0.8, unsure_words=2)
    >>> [unsure.matches(*said) for said in (("As if", [-2.3, -0.8]), ("Stop", [-0.2]), ("Stop", [None]))]
    [True, False, False]
    """

    def __init__(self, phrases: Collection[str], *, unsure_below: float = -math.inf, unsure_words: int = 0) -> None:
        self._phrases = _read(frozenset(phrases))
        self._unsure_below, self._unsure_words = unsure_below, unsure_words

    def matches(self, text: str, logprobs: Sequence[float | None] = ()) -> bool:
        """Return whether a text is one of the phrases, or several of them, or a hum.

        Args:
            text: The words so far.
            logprobs: How sure the recogniser is of each of them (`WordRecognised.logprob`).
        """
        words = _words(text)
        return bool(words) and (len(words) in self._ends(words) or self._is_hum(logprobs))

    def may_match(self, text: str, logprobs: Sequence[float | None] = ()) -> bool:
        """Return whether a text is, or with more words may become, one or several of the phrases, or a hum."""
        words = _words(text)
        ends = self._ends(words)
        known = len(words) in ends or any(self._begins(words[end:]) for end in ends)
        return bool(words) and (known or self._is_hum(logprobs))

    def _is_hum(self, logprobs: Sequence[float | None]) -> bool:
        known = [one for one in logprobs if one is not None]
        return 0 < len(known) == len(logprobs) <= self._unsure_words and fmean(known) < self._unsure_below

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
