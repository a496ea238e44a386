"""Numbers in words, by num2words.

Weighed: num2words 0.5.14 (70 languages, 72 µs a number, 70 ms to import), unicode-rbnf 2 (101 µs; "trois virgule une",
"vigésima primera": a gender that the text does not have), inflect (English only).
"""

from __future__ import annotations

import importlib
import re
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from voicepipe.text.words import listed

__all__ = ["agreeing", "cardinal", "decimal", "digits", "number", "ordinal", "year"]

LONGEST = 15
"""A number of more digits is read digit by digit."""


@cache
def _num2words() -> Any:
    return importlib.import_module("num2words").num2words  # has no types


@lru_cache(2048)
def _words(value: str, language: str, kind: str) -> str:
    said: str = _num2words()(Decimal(value) if kind == "cardinal" else int(value), lang=language, to=kind)
    # "one hundred and forty-four" is British, and the commas are pauses.
    return re.sub(r",|\band (?=\w)", "", said).replace("  ", " ") if language == "en" else said


def cardinal(value: int, language: str) -> str:
    """Return a number in words.

    >>> cardinal(144, "en"), cardinal(-5, "de")
    ('one hundred forty-four', 'minus fünf')
    """
    if len(str(abs(value))) > LONGEST:
        return digits(str(value), language)
    return _words(str(value), language, "cardinal")


def ordinal(value: int, language: str) -> str:
    """Return an ordinal number in words.

    >>> ordinal(22, "en")
    'twenty-second'
    """
    return _words(str(value), language, "ordinal")


_FEMININE = listed(
    "Stunde Minute Sekunde Millisekunde Tonne Kilowattstunde heure minute seconde milliseconde tonne livre",
    "hora tonelada libra",
)
_POINTS = (" Komma ", " virgule ", " coma ")


def agreeing(said: str, noun: str, language: str) -> str:
    """Return a number in words as it is said before a noun, with the noun's gender.

    >>> agreeing("eins", "Stunde", "de"), agreeing("vingt et un", "heures", "fr"), agreeing("veintiuno", "euros", "es")
    ('eine', 'vingt et une', 'veintiún')
    """
    if any(point in said for point in _POINTS):
        return said
    first = noun.partition(" ")[0]
    feminine = first in _FEMININE or first.removesuffix("s") in _FEMININE or first.removesuffix("n") in _FEMININE
    match language:
        case "de" if said == "eins":
            return "eine" if feminine else "ein"
        case "fr" if feminine and said.endswith("un"):
            return f"{said}e"
        case "es" if feminine:
            return re.sub(r"uno$", "una", said.replace("cientos", "cientas"))
        case "es":
            return re.sub(r"uno$", "un", re.sub(r"veintiuno$", "veintiún", said))
        case _:
            return said


def year(value: int, language: str) -> str:
    """Return a year in words.

    >>> year(1984, "en"), year(2005, "en"), year(1905, "en")
    ('nineteen eighty-four', 'two thousand five', 'nineteen oh five')
    """
    return _words(str(value), language, "year").replace("oh-", "oh ")


def decimal(text: str, language: str) -> str:
    """Return a number with a decimal point in words; what is behind the point digit by digit.

    >>> decimal("3.14", "en"), decimal(".50", "en"), decimal("2.5", "de")
    ('three point one four', 'point five zero', 'zwei Komma fünf')
    """
    whole, _, part = text.partition(".")
    point = _POINT.get(language, "point")
    said = [cardinal(int(whole), language)] if whole else []
    return " ".join([*said, point, digits(part, language)]) if part else said[0]


# What cannot be an English number: thousands have three digits, and one point.
_DECIMAL_COMMA = re.compile(r"\d{1,3}(?:\.\d{3})+,\d+|\d+,\d{1,2}|\d{1,3}(?:\.\d{3}){2,}")
_POINT = {"de": "Komma", "fr": "virgule", "es": "coma"}


def digits(text: str, language: str) -> str:
    """Return a text's digits one by one.

    >>> digits("007", "en")
    'zero zero seven'
    """
    return " ".join(cardinal(int(digit), language) for digit in text if digit.isdecimal())


def number(text: str, language: str) -> str:
    """Return a number as it is written in a language, with its thousands' marks, in words.

    >>> number("1,000.5", "en"), number("1.000,5", "de"), number("1 000", "fr"), number("007", "en")
    ('one thousand point five', 'eintausend Komma fünf', 'mille', 'zero zero seven')
    """
    plain = to_plain(text, language)
    if plain.startswith("0") and plain.isdecimal() and len(plain) > 1:
        return digits(plain, language)
    return decimal(plain, language) if "." in plain else cardinal(int(plain), language)


def to_plain(text: str, language: str) -> str:
    """Return a number without thousands' marks and with a decimal point.

    >>> to_plain("1,000.5", "en"), to_plain("1.000,50", "en"), to_plain("3,5", "de"), to_plain("10.000", "de")
    ('1000.5', '1000.50', '3.5', '10000')
    >>> to_plain("99,95", "en"), to_plain("1.000.000", "en")
    ('99.95', '1000000')
    """
    text = re.sub(r"[\s'’\u00a0\u202f]", "", text)
    comma = language in _POINT or _DECIMAL_COMMA.fullmatch(text)
    if comma and not re.fullmatch(r"\d+\.\d{1,2}", text):
        return text.replace(".", "").replace(",", ".")
    return text.replace(",", "")
