"""Texts that stop in mid-sentence: their speakers go on, whatever their voices sound like. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
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

_QUESTION_VERBS: Final = frozenset(
    {"is", "are", "was", "were", "do", "does", "did", "can", "could", "will", "would", "should", "has", "have", "had",
     "est", "est-ce", "sont", "était", "va", "vas", "peut", "peux", "faut"}
)  # fmt: skip
"""Verbs behind "when" or "quand" that make it a question word: "When is tea?" goes on no further."""


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

    Args:
        text: The words of a turn.
        openers: Words that open a clause behind which another one follows, in lower case.
        open_ends: Words behind which a sentence goes on, in lower case. "A" is a letter, and no article.
    """
    *before, last = _SENTENCES.split(text.strip())[-1].split() or [""]
    word = bare(last).rstrip(".…,")
    ends_open = (word if len(word) == 1 else word.casefold()) in open_ends
    return ends_open or (bool(before) and _is_clause([*before, last], openers))


def _is_clause(words: list[str], openers: Collection[str]) -> bool:
    """Return whether a sentence of two words or more is a clause before the main one, and nothing behind it."""
    first, second, *_ = (bare(word).rstrip(",").casefold() for word in words)
    is_question = second in _QUESTION_VERBS or words[-1].endswith("?")
    return first in openers and not is_question and not any(word.endswith(",") for word in words[:-1])
