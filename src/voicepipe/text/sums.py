"""Read sums, comparisons, powers, ranges and negative numbers."""

from __future__ import annotations

import re

from voicepipe.text.lexicon import Lexicon
from voicepipe.text.numbers import cardinal

__all__ = ["OPERATOR", "read_sums"]

OPERATOR = r"(?:[*×·÷+−=≠<>≤≥≈±/-]|[<>!=]=|\*\*)"
"""A sign between two numbers or letters of a formula."""

_VALUE = r"(?:\d[\d.,]*|[A-Za-z](?![A-Za-z])|\)|π)"
_POWER = re.compile(r"(?<=[\w)])(?:\^|\*\*)\s?\(?([-−]?)(\d+|[a-z]\b)\)?")
_RAISED = re.compile(r"(?<=[\w)])(⁻?)([⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_OFFSET = re.compile(r"(?<=UTC|GMT)\s?([+−-])\s?(?=\d)")
_MORE = re.compile(r"(?<=\d)\+(?=$|[\s,.;:!?)])")
_ROOT = re.compile(r"√\s?\(?(?=[\w])")
_BETWEEN = re.compile(rf"(?<![^\W\d_])({_VALUE})(\s?)({OPERATOR})(\s?)(?=[-−(]?(?:\d|√|π|[A-Za-z](?![A-Za-z])))")
_X = re.compile(r"(?<=\d)\s?[xX]\s?(?=\d)")
_BY = re.compile(r"(?<![\w.])(\d{1,4})[xX](?=\d{1,4}(?![\w.]))")
_TIMES = re.compile(r"(?<=\d)[xX](?!\w|\s?[-+−*/=<>^²³])")
_PREFIX = re.compile(r"(?<![\w)])([±≈~<>≤≥]|[<>]=)\s?(?=\d)")
_RANGE = re.compile(r"(?<![\w.-])(\d[\d.,]*)(?:\s?–\s?|-)(?=\d)(?!\d+-)")
_ROW = re.compile(r"(?<![\w.-])\d+(?:-\d+){2,}(?![\w.-])")
_NEGATIVE = re.compile(r"(?<![\w)])[-−](?=[\d.]*\d)")
_PLUS = re.compile(r"(?<![\w+])\+\s?(?=[\w(])")
_RATIO = re.compile(r"(?<![\d:])(\d{1,2}):(?=\d{1,2}(?!\d|:))")


def read_sums(text: str, words: Lexicon) -> str:
    """Return a text with the signs between numbers in words; the numbers stay.

    >>> from voicepipe.text.lexicon import lexicon
    >>> [read_sums(text, lexicon("en")) for text in ("7 - 2 = 5", "5-10 people", "x >= 3", "x^2")]
    ['7 minus 2 equals 5', '5 to 10 people', 'x greater than or equal to 3', 'x squared']
    """
    if not _SIGNS.search(text):
        return text
    signs = words.signs
    text = _POWER.sub(lambda one: f" {_power(one[1], one[2], words)}", text)
    text = _RAISED.sub(lambda one: f" {_power(one[1], one[2].translate(_SUPERSCRIPTS), words)}", text)
    text = _OFFSET.sub(lambda one: f" {signs[one[1]]} ", text)
    text = _MORE.sub(f" {signs['+']}", text)
    text = _ROOT.sub(f"{signs['√']} ", text)
    if "=" not in text:
        text = _ROW.sub(lambda one: one[0].replace("-", " "), text)
        text = _RANGE.sub(lambda one: f"{one[1]} {signs['to']} ", text)
    text = _BY.sub(rf"\1 {signs['by']} ", text)
    text = _X.sub(f" {signs['×']} ", text)
    text = _BETWEEN.sub(lambda one: _between(one, words), text)
    text = _PREFIX.sub(lambda one: f"{signs[one[1]]} ", text)
    text = _RATIO.sub(lambda one: f"{one[1]} {signs['to']} ", text)
    text = _NEGATIVE.sub(f"{signs['-']} ", text)
    if "=" not in text:
        text = _TIMES.sub(f" {signs['×']}", text)
    return _PLUS.sub(f"{signs['+']} ", text)


_SIGNS = re.compile(r"[*×·÷+−=≠<>≤≥≈±/^√⁰¹²³⁴⁵⁶⁷⁸⁹~–:-]|\d[xX]")


def _between(one: re.Match[str], words: Lexicon) -> str:
    """Return a value and the sign behind it in words; a dash between letters is none."""
    value, space, sign, _ = one.groups()
    if sign in "-/" and value.isalpha() and not space:
        return one[0]
    return f"{value} {words.signs['^' if sign == '**' else sign]} "


def _power(minus: str, power: str, words: Lexicon) -> str:
    if not minus and power in ("2", "3"):
        return words.signs["²" if power == "2" else "³"]
    sign = f"{words.signs['-']} " if minus else ""
    if words.language != "en" or not power.isdecimal():
        return f"{words.signs['^']} {sign}{power}"
    return f"{words.signs['^']} {sign}{cardinal(int(power), 'en')}"
