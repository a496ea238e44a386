"""Words that are read together: "5 km", "7 - 2 = 5", "May 1, 2024", "[the docs](https://…)". One word at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from voicepipe.text.abbreviations import CAPITALISED_FOLLOWS, PAIRS, before_number
from voicepipe.text.dates import MONTH_NAMES
from voicepipe.text.lexicon import LANGUAGES, lexicon
from voicepipe.text.markup import is_unclosed
from voicepipe.text.sentences import bare, ends_before, ends_with
from voicepipe.text.sums import OPERATOR
from voicepipe.text.words import Word, listed

__all__ = ["Group", "Grouper"]

LONGEST = 16
"""Markup that has not ended after so many words is text."""

_NUMBER = re.compile(r"[-+−~≈<>≤≥±√#(]*(?:(?:US)?[$€£¥₹₩])?-?\.?(?:\d[\w.,:/’'^²³%°*×·÷+−=–()-]*|[½¼¾⅓⅔])(?:[kMB]|bn)?")
_OPERATOR = re.compile(OPERATOR)
_LETTER = re.compile(r"[a-zA-HJ-Zπ](?:\^\d+|[²³])?")
_MONTH = re.compile(MONTH_NAMES)
_HALF = re.compile(r"[AaPp](?:\.[Mm]\.?|[Mm])")
_CURRENCY = re.compile(r"(?:US)?[$€£¥₹₩]|USD|EUR|GBP|JPY|INR|CHF")
_PHONE = re.compile(r"\+?[\d()][\d().-]*[.,!?]?")
_ROMAN = re.compile(r"[IVXLC]+")
_DAY_WITH_COMMA = re.compile(r"\d{1,2}(?:st|nd|rd|th)?,")
_YEAR = re.compile(r"\d{4}\W*")
_PREFIX = listed(
    "√ ± ≈ ~ < > <= >= ≤ ≥ = − -",
)

_UNITS = frozenset(
    name for language in LANGUAGES for table in (lexicon(language),)
    for name in (*table.units, *table.scales, *table.money, "%", "‰", "BC", "BCE", "AD", "CE", "x", "X")
)  # fmt: skip


class Group(NamedTuple):
    """Words that are read together; `ended`: whether a sentence ends with them."""

    words: list[Word]
    ended: bool


class Grouper:
    """Words in, groups out. Most words are a group of their own, at once; a number waits for the word behind it."""

    def __init__(self) -> None:
        self._group: list[Word] = []
        self._sentence: list[str] = []
        self._unclosed = False

    def __call__(self, word: Word) -> Sequence[Group]:
        if not self._group and is_plain(word.text):
            self._sentence.append(word.text)
            if ended := word.text[-1] in "!?":
                self._sentence = []
            return (Group([word], ended),)
        return list(self._add(word))

    def _add(self, word: Word) -> Iterator[Group]:
        if self._group:
            ended = not (self._unclosed or _is_pair(self._group, word.text)) and ends_before(self._sentence, word)
            if ended or not self._goes_on(word):
                yield self._closed(ended=ended)
        is_pair = bool(self._group) and _is_pair(self._group, word.text)
        self._group.append(word)
        self._sentence.append(word.text)
        self._unclosed = len(self._group) < LONGEST and _may_be_markup(self._group) and is_unclosed(_text(self._group))
        if self._unclosed:
            return
        ends = None if word.text in _FIRST_OF_PAIR else not is_pair and ends_with(self._sentence)
        if ends or not (ends is None or _is_open(self._group)):
            yield self._closed(ended=bool(ends))

    def rest(self) -> Iterator[Group]:
        """Return the group that waits for more."""
        if self._group:
            yield self._closed(ended=True)

    @property
    def is_open(self) -> bool:
        """Return whether the last group may go on with the next word."""
        return bool(self._group)

    def belongs(self, word: Word) -> bool:
        """Return whether a word belongs to the group that is open."""
        return bool(self._group) and self._goes_on(word)

    def _goes_on(self, word: Word) -> bool:
        return self._unclosed or (not word.line_breaks and _extends(self._group, word.text))

    def _closed(self, *, ended: bool) -> Group:
        group, self._group = self._group, []
        self._unclosed = False
        if ended:
            self._sentence = []
        return Group(group, ended)


def is_plain(word: str) -> bool:
    """Return whether a word is a group of its own in any text: letters that are no month, perhaps with a mark behind.

    Most words are, and cost a tenth of the others.
    """
    core = word[:-1] if word[-1] in ",;:!?" else word
    return len(core) > 1 and core.isalpha() and core not in _WITH_NUMBERS


_WITH_NUMBERS = listed(
    "January February March April May June July August September October November December",
    "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec USD EUR GBP JPY INR CHF",
)


def _text(group: Sequence[Word]) -> str:
    return " ".join(word.text for word in group)


def _may_be_markup(group: Sequence[Word]) -> bool:
    return any("[" in word.text or "<" in word.text for word in group)


def _kind(word: str) -> str:
    """Return what a word is in a sum, a date or an amount; "" if it is nothing of these."""
    core = word.strip("\"'“”‘’*_`~,;!?").removesuffix(")") if len(word) > 1 else word
    plain = core.rstrip(".:") or core
    if _OPERATOR.fullmatch(core):
        return "operator"
    if _NUMBER.fullmatch(plain):
        return "number"
    if plain in _UNITS or core in _UNITS:
        return "currency" if _CURRENCY.fullmatch(plain) else "unit"
    if _HALF.fullmatch(plain) or _HALF.fullmatch(core):
        return "unit"
    if _MONTH.fullmatch(core):
        return "month"
    if core.endswith(".") and before_number(plain):
        return "reference"
    return "letter" if _LETTER.fullmatch(plain) else ""


def _is_open(group: Sequence[Word]) -> bool:
    """Return whether another word may belong to a group."""
    last = group[-1].text
    if _is_variable(group) or last in _FIRST_OF_PAIR:
        return True
    if last.isalpha() and len(last) > 1:
        return last in _WITH_NUMBERS
    kind = _kind(last)
    if last[-1] in ",;:!?":
        return kind == "number" and bool(_DAY_WITH_COMMA.fullmatch(last)) and len(group) > 1
    if kind == "operator":
        return len(group) > 1 or last in _PREFIX or last == "+"
    if kind == "number":
        return last[-1] != "."
    if last in ("x", "X"):
        return len(group) > 1
    return kind in ("month", "reference", "currency") or last == "St."


def _is_pair(group: Sequence[Word], word: str) -> bool:
    """Return whether a word completes an abbreviation of two: "z. B."."""
    return f"{group[-1].text} {word.rstrip(',;:!?')}" in PAIRS


_FIRST_OF_PAIR = frozenset(pair.split()[0] for pair in PAIRS)


def _is_letter(word: str) -> bool:
    return bool(_LETTER.fullmatch(word.strip("*_`()").rstrip(".,;:!?")))


def _is_variable(group: Sequence[Word]) -> bool:
    """Return whether the last word is a letter of a formula, which an operator may follow: "x >= 3", "a < b"."""
    if not _LETTER.fullmatch(group[-1].text.strip("*_`()")):
        return False
    return len(group) == 1 or _kind(group[-2].text) == "operator"


def _extends(group: Sequence[Word], word: str) -> bool:
    """Return whether a word belongs to the open group before it."""
    last, kind = group[-1].text, _kind(word)
    if (_is_variable(group) and kind == "operator") or _is_pair(group, word):
        return True
    match _kind(last):
        case "number" if last.endswith(","):
            return bool(_YEAR.fullmatch(word)) and any(_MONTH.fullmatch(one.text) for one in group)
        case "number":
            return kind in ("operator", "unit", "currency", "month") or _goes_on_number(group, word, kind)
        case "operator":
            return kind == "number" or (_is_letter(word) and (len(group) > 1 or last in "√-−"))
        case "month" | "currency":
            return kind == "number"
        case "reference":
            return kind == "number" or bool(_ROMAN.fullmatch(bare(word).rstrip(".,;:!?")))
        case "unit":
            return last in ("x", "X") and kind == "number"
        case _:
            return last.rstrip(".") in CAPITALISED_FOLLOWS and word[:1].isupper()


def _goes_on_number(group: Sequence[Word], word: str, kind: str) -> bool:
    """Return whether a number goes on with the next one: a telephone number, thousands with spaces, "1 1/2"."""
    if kind != "number":
        return False
    if re.fullmatch(r"\d/\d{1,2}\W*|[½¼¾⅓⅔]\W*", word):
        return True
    if any(re.fullmatch(r"0\d{1,5}", one.text) for one in group):
        return bool(re.fullmatch(r"\d{2,8}[.,!?]?", word))
    phone = _text(group)
    if phone[:1] in "+(" or re.search(r"\d-\d|\d\)", phone):
        return bool(_PHONE.fullmatch(word))
    if re.fullmatch(r"\d{4}", group[-1].text):
        return bool(re.fullmatch(r"\d{4}[.,!?]?", word)) or (
            len(group) > 2 and bool(re.fullmatch(r"\d{1,3}[.,!?]?", word))
        )
    return bool(re.fullmatch(r"\d{1,3}", group[-1].text)) and bool(re.fullmatch(r"\d{3,4}(?:,\d+)?[.,!?]?", word))
