"""Acknowledgements: what a listener says without wanting to speak ("mhm", "yeah, sure"). Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from statistics import fmean

from voicepipe.events import Resemblance, WordRecognised

__all__ = ["Acknowledgements"]

# No word has a letter three times in a row.
_DRAWN_OUT = re.compile(r"(\w)\1\1+")


class Acknowledgements:
    """The phrases that are acknowledgements, read once.

    Args:
        phrases: such as "i see"; case and punctuation do not matter
        unsure_below: words with a lower mean logarithm of probability are unsure
        unsure_words: so many words at most may be a recogniser's writing of a hum, or of one of the phrases
        alike_within: they are, where they resemble one of the phrases within so many nats
        unsure_weight: and by so many more for each nat by which their mean logarithm of probability is below 0

    >>> known = Acknowledgements({"yeah", "sure", "i see"})
    >>> [known.matches(text) for text in ("Yeah, sure.", "I see!", "I", "Yeah, but", "")]
    [True, True, False, False, False]
    >>> [known.may_match(text) for text in ("I", "I see. I", "I said")]
    [True, True, False]
    >>> unsure = Acknowledgements({"got it"}, unsure_below=-0.8, unsure_words=2, alike_within=2, unsure_weight=2)
    >>> [unsure.matches("Better", [WordRecognised("Better", 0, 1, logprob)]) for logprob in (-2.3, -0.2, None)]
    [True, False, False]
    >>> alike = (Resemblance("Got it", -2.3), Resemblance("Got it", -3.9), Resemblance("Stop", -0.1))
    >>> [unsure.matches("Darted", [WordRecognised("Darted", 0, 1, -0.2, one)]) for one in alike]
    [True, False, False]
    >>> [unsure.matches("Darted", [WordRecognised("Darted", 0, 1, -1.0, one)]) for one in alike]
    [True, True, False]
    """

    def __init__(
        self,
        phrases: Collection[str],
        *,
        unsure_below: float = -math.inf,
        unsure_words: int = 0,
        alike_within: float = 0.0,
        unsure_weight: float = 0.0,
    ) -> None:
        self._phrases = _read(frozenset(phrases))
        self._unsure_below, self._unsure_words = unsure_below, unsure_words
        self._alike_within, self._unsure_weight = alike_within, unsure_weight

    def matches(self, text: str, said: Sequence[WordRecognised] = ()) -> bool:
        """Return whether a text is one of the phrases, or several of them, or was probably meant to be, or a hum.

        Args:
            text: The words so far.
            said: The words as they were recognised, with the recogniser's doubts.
        """
        return self._is_known(text) or (bool(_words(text)) and self._is_meant(said))

    def may_match(self, text: str, said: Sequence[WordRecognised] = ()) -> bool:
        """Return whether a text matches, or may with more words become one or several of the phrases."""
        words = _words(text)
        ends = self._ends(words)
        known = len(words) in ends or any(self._begins(words[end:]) for end in ends)
        return bool(words) and (known or self._is_meant(said))

    def _is_known(self, text: str) -> bool:
        words = _words(text)
        return bool(words) and len(words) in self._ends(words)

    def _is_meant(self, said: Sequence[WordRecognised]) -> bool:
        """Return whether few words are a hum, or a misread phrase, by what the recogniser says of them."""
        logprobs = [word.logprob for word in said if word.logprob is not None]
        if not 0 < len(logprobs) == len(said) <= self._unsure_words:
            return False
        logprob = fmean(logprobs)
        return all(self._is_alike(word.resemblance, logprob) for word in said)

    def _is_alike(self, resemblance: Resemblance | None, logprob: float) -> bool:
        if resemblance is None:
            return logprob < self._unsure_below
        least = self._unsure_weight * logprob - self._alike_within
        return resemblance.nats >= least and self._is_known(resemblance.phrase)

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
    """Return the words in lower case; a letter that is drawn out counts once: "Hmmm" is "Hm"."""
    words: list[str] = re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.casefold().replace("’", "'"))
    return tuple(_DRAWN_OUT.sub(r"\1", word) for word in words)
