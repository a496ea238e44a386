"""Texts that stop in mid-sentence: their speakers go on, whatever their voices sound like. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import dropwhile
from typing import Final

from voicepipe.text.sentences import bare

__all__ = ["CLAUSE_OPENERS", "OPEN_ENDS", "goes_on"]

_SENTENCES = re.compile(r"(?<=[.!?…])\s+")

CLAUSE_OPENERS: Final[Mapping[str, frozenset[str]]] = {
    "de": frozenset({"wenn", "falls", "als", "nachdem", "bevor", "weil", "während", "obwohl", "sobald", "solange"}),
    "en": frozenset(
        {"if", "when", "whenever", "after", "before", "because", "while", "although", "though", "unless", "until",
         "since", "once", "as"}
    ),
    "es": frozenset({"cuando", "aunque", "porque", "mientras", "después"}),
    "fr": frozenset({"quand", "lorsque", "puisque", "parce", "pendant", "après", "avant", "comme"}),
}  # fmt: skip
"""Words that open a clause before the main one, by language."""

OPEN_ENDS: Final[Mapping[str, frozenset[str]]] = {
    "de": frozenset(
        {"und", "oder", "aber", "weil", "dass", "wenn", "der", "ein", "eine", "einen", "mein", "äh", "ähm"}
    ),
    "en": frozenset({"and", "or", "but", "because", "if", "the", "a", "an", "my", "your", "uh", "um"}),
    "es": frozenset({"y", "o", "pero", "porque", "el", "la", "un", "una", "mi", "eh"}),
    "fr": frozenset({"et", "ou", "mais", "parce", "le", "un", "une", "mon", "ma", "euh"}),
}
"""Words that end no sentence, by language: conjunctions, articles, possessives and sounds of hesitation."""

_QUESTION_WORDS: Final = frozenset({"when", "quand"})
_QUESTION_VERBS: Final = frozenset(
    {"am", "is", "are", "was", "were", "do", "does", "did", "can", "could", "will", "would", "should", "may",
     "might", "must", "has", "have", "had", "est", "est-ce", "sont", "était", "va", "peut", "faut"}
)  # fmt: skip
_INVERTED: Final = re.compile(r".+-(?:je|tu|il|elle|on|nous|vous|ils|elles)")
_NEGATED: Final = re.compile(r"(?:n't|not)$")
"""A verb behind "when" makes it a question word, also negated or with its subject behind it: "When is tea?" and "Quand
viens-tu" go on no further. "As is" is no question, and Spanish writes "cuándo" in one."""

_STARTERS: Final = frozenset(
    {"so", "well", "oh", "okay", "ok", "yes", "yeah", "no", "now", "then", "also", "und", "aber", "ja", "nein",
     "alors", "oui", "non", "bueno", "sí", "pues", "entonces"}
)  # fmt: skip
"""Words with which a sentence may begin, besides conjunctions, before it says anything: "Well, if it rains"."""


def goes_on(text: str, openers: Collection[str], open_ends: Collection[str]) -> bool:
    """Return whether a text, as a recogniser has written it, stops in mid-sentence.

    Its last sentence is a clause that another one follows, or ends with a word that ends none. A comma behind it says
    little: recognisers write it for a level voice.

    >>> [goes_on(text, {"if"}, {"and", "a"}) for text in ("Well. If it rains.", "If it rains,", "Tea and", "A.")]
    [True, True, True, False]
    >>> [goes_on(text, {"if"}, {"and", "a"}) for text in ("If it rains, I stay.", "If so?", "Tea.", "")]
    [False, False, False, False]
    >>> [goes_on(text, {"when"}, ()) for text in ("When it rains", "When is tea")]
    [True, False]
    >>> goes_on("Well, but if it rains", {"if"}, {"but"})
    True

    Args:
        text: The words of a turn.
        openers: Words that open a clause behind which another one follows, in lower case.
        open_ends: Words behind which a sentence goes on, in lower case. "A" is a letter, and no article.
    """
    *before, last = _SENTENCES.split(text.strip())[-1].split() or [""]
    word = bare(last).rstrip(".…,")
    ends_open = (word if len(word) == 1 else word.casefold()) in open_ends
    starts = _STARTERS.union(open_ends).difference(openers)
    return ends_open or _is_clause(list(dropwhile(lambda one: _plain(one) in starts, [*before, last])), openers)


def _is_clause(words: list[str], openers: Collection[str]) -> bool:
    """Return whether a sentence is a clause of two words or more before the main one, and nothing behind it."""
    if len(words) < 2 or _plain(words[0]) not in openers or words[-1].endswith("?"):
        return False
    return not _asks(_plain(words[0]), _plain(words[1])) and not any(word.endswith(",") for word in words[:-1])


def _asks(first: str, second: str) -> bool:
    """Return whether a sentence that begins with two words is a question."""
    is_verb = _NEGATED.sub("", second) in _QUESTION_VERBS or second in ("won't", "can't", "cannot")
    return first in _QUESTION_WORDS and (is_verb or _INVERTED.fullmatch(second) is not None)


def _plain(word: str) -> str:
    return bare(word).rstrip(".…,").casefold().replace("’", "'")
