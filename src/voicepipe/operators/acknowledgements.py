"""Acknowledgements: what a listener says without wanting to speak ("mhm", "yeah, sure"). Pure functions."""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["is_acknowledgement", "may_be_acknowledgement"]


def is_acknowledgement(text: str, phrases: Collection[str]) -> bool:
    """Return whether a text is one of the phrases, or several of them.

    >>> known = {"yeah", "sure", "i see"}
    >>> [is_acknowledgement(text, known) for text in ("Yeah, sure.", "I see!", "I", "Yeah, but", "")]
    [True, True, False, False, False]
    """
    return _split(_words(text), phrases, unfinished=False)


def may_be_acknowledgement(text: str, phrases: Collection[str]) -> bool:
    """Return whether a text is, or with more words may become, one or several of the phrases.

    >>> [may_be_acknowledgement(text, {"i see"}) for text in ("I", "I see. I", "I said")]
    [True, True, False]
    """
    return _split(_words(text), phrases, unfinished=True)


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.casefold().replace("’", "'")))


def _split(words: tuple[str, ...], phrases: Collection[str], *, unfinished: bool) -> bool:
    """Return whether the words are phrases, one behind the other; `unfinished`: the last may lack words."""
    if not words:
        return False
    known = [_words(phrase) for phrase in phrases]
    reachable = {0}
    for start in range(len(words)):
        if start in reachable:
            rest = words[start:]
            reachable |= {start + len(phrase) for phrase in known if rest[: len(phrase)] == phrase}
            if unfinished and any(phrase[: len(rest)] == rest for phrase in known):
                return True
    return len(words) in reachable
