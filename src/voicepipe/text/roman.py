"""Read Roman numerals: after a ruler's name as an ordinal number, else as a number."""

from __future__ import annotations

import re

from voicepipe.text.lexicon import Lexicon
from voicepipe.text.numbers import cardinal, ordinal
from voicepipe.text.words import listed

__all__ = ["read_roman"]

_NUMERAL = re.compile(r"(?=[IVXLCM])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}

_COUNTED = listed(
    "chapter part act scene section volume vol book phase article war mark type level stage class",
    "grade bowl apollo gemini fantasy episode round rocky wars canto psalm appendix figure table",
    "number title kapitel teil band chapitre tome capítulo parte tomo symphony sonata concerto opus",
    "olympics century",
)
"""Words before a numeral that counts."""

_RULERS = listed(
    "pope king queen emperor tsar henry louis edward george william charles james richard elizabeth",
    "mary napoleon pius benedict leo paul john ramses ramesses frederick philip alexander nicholas",
    "peter catherine ivan umberto emmanuel gustav christian ferdinand francis leopold wilhelm",
    "friedrich heinrich ludwig karl maximilian clement gregory urban innocent xerxes darius cyrus",
    "tiberius ptolemy amenhotep thutmose juan carlos felipe alfonso henri françois philippe gregor",
    "johannes",
)
"""Names before a numeral that says which of them."""


def read_roman(word: str, before: str, words: Lexicon) -> str | None:
    """Return how a Roman numeral is read behind the word `before`; None if the word is none.

    >>> from voicepipe.text.lexicon import lexicon
    >>> english = lexicon("en")
    >>> [read_roman(*words, english) for words in [("VIII", "Henry"), ("II", "War"), ("I", "and")]]
    ['the eighth', 'two', None]
    """
    if not _NUMERAL.fullmatch(word):
        return None
    name = before.strip("\"'(.,").lower()
    if name in _RULERS:
        return f"the {ordinal(_value(word), 'en')}" if words.language == "en" else ordinal(_value(word), words.language)
    if name in _COUNTED or (len(word) > 1 and set(word) <= set("IVX") and word not in ("XX", "XXX", "IV")):
        return cardinal(_value(word), words.language)
    return None


def _value(numeral: str) -> int:
    values = [_VALUES[letter] for letter in numeral]
    after = [*values[1:], 0]
    return sum(-value if value < following else value for value, following in zip(values, after, strict=True))
