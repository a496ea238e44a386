"""The reading of a text: from written words to spoken words, for all voices."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from voicepipe.text.abbreviations import is_abbreviation, read_abbreviations
from voicepipe.text.addresses import read_addresses
from voicepipe.text.amounts import read_amounts, read_numbers
from voicepipe.text.dates import german_day, read_dates
from voicepipe.text.groups import Grouper
from voicepipe.text.identifiers import read_identifiers
from voicepipe.text.lexicon import Lexicon, lexicon
from voicepipe.text.markup import without_markup
from voicepipe.text.roman import read_roman
from voicepipe.text.sentences import is_list_mark
from voicepipe.text.sums import read_sums
from voicepipe.text.words import Word, has_letters, listed, words_of

__all__ = ["ENGLISH", "PAUSE", "Reader", "Reading", "Unit", "read_aloud", "said_text", "speakable"]

PAUSE = ","
"""The spoken text of a dash, or of a table's bar: a pause behind the word before it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The options of reading.

    Args:
        language: of the numbers, signs and units: "en", "de", "fr" or "es", also with a region ("de-AT")
        pronunciations: how words are said, by the word as it is written, without punctuation. An entry in lower case
            also stands for the word in upper case: {"qt": "cute", "Nguyen": "win"}
        scripts: what the voice can say, by the names that Unicode has for scripts ("LATIN", "CJK"); None: all
    """

    language: str = "en"
    pronunciations: Mapping[str, str] = field(default_factory=dict[str, str])
    scripts: frozenset[str] | None = None


ENGLISH = Reading()
"""Without a user's pronunciations, for a voice that can say all scripts."""


class Unit(NamedTuple):
    """Written words, and how they are said together; `spoken` is "" for what has no sound.

    `unsayable`: it has none because it is of a script that the voice cannot say.
    """

    words: tuple[Word, ...]
    spoken: str
    unsayable: bool = False


class Reader:
    """Words in, units out, each as soon as no later word can change how it is said. Pure.

    The words of all units are those that came in, in order: the transcript stays as it is written.
    """

    def __init__(self, reading: Reading) -> None:
        self._lexicon = lexicon(reading.language)
        self._scripts = reading.scripts
        self._pronunciations = reading.pronunciations
        self._groups = Grouper()
        self._before = ""
        self._is_first = True

    def __call__(self, word: Word) -> Iterator[Unit]:
        for group in self._groups(word):
            yield self._unit(group.words, ended=group.ended)

    def read(self, words: Iterable[Word]) -> list[Unit]:
        """Return the units of words behind which a clause ends."""
        return [unit for word in words for unit in self(word)] + list(self.rest())

    def rest(self) -> Iterator[Unit]:
        """Return the unit that waits for more words."""
        for group in self._groups.rest():
            yield self._unit(group.words, ended=True)

    def _unit(self, words: Sequence[Word], *, ended: bool) -> Unit:
        at_start = self._is_first or words[0].line_breaks > 0
        self._is_first = False
        spoken = self._said(words, ended=ended, at_start=at_start)
        self._before = words[-1].text
        if not spoken.isascii() and self._scripts is not None and not all(map(self._can_say, spoken)):
            return Unit(tuple(words), "", unsayable=True)
        return Unit(tuple(words), spoken)

    def _can_say(self, letter: str) -> bool:
        return not letter.isalpha() or _script(letter) in (self._scripts or ())

    def _said(self, words: Sequence[Word], *, ended: bool, at_start: bool) -> str:
        text = words[0].text if len(words) == 1 else " ".join(word.text for word in words)
        if text.islower() and text.isalpha() and text.isascii() and not self._pronunciations:
            return text  # most words: 0.2 µs
        if self._pronunciations:
            text = self._pronounced(text)
        if not ended and self._lexicon.language == "de" and (day := _GERMAN_DAY.fullmatch(text)):
            return german_day(int(day[1]), self._before)
        if _PLAIN.fullmatch(text) and not _is_special(text):
            return text
        if len(words) == 1 and _EMOTICON.fullmatch(text):
            return ""
        if (
            len(words) == 1
            and (at_start or not has_letters(text))
            and (mark := self._mark(text, at_start=at_start)) is not None
        ):
            return mark
        text = without_markup(text)
        if not text.isascii() and not _READABLE.search(text):
            return text  # another script: its own voice knows how to say it
        if has_letters(text) or _SIGN.search(text):
            return self._read(text, ended=ended)
        # What is left behind an emoji: "Hello 😀!"
        return text[0] if text in _ENDS else PAUSE if text == "..." else ""

    def _read(self, text: str, *, ended: bool) -> str:
        words = self._lexicon
        text = read_addresses(text, words)
        text = text.translate(_SUBSCRIPTS)
        text = read_dates(text, words, self._before, ended=ended)
        text = read_identifiers(text, words)
        text = read_abbreviations(text, self._before, words.language, ended=ended)
        text = read_amounts(text, words, self._before)
        text = read_sums(text, words)
        text = read_numbers(text, words, self._before)
        text = self._roman(text)
        return re.sub(r"\s+([,.;:!?])", r"\1", re.sub(r"\s+", " ", _signs(text, words))).strip()

    def _mark(self, text: str, *, at_start: bool) -> str | None:
        """Return how a lone mark is said: not at all at the beginning of a line, a dash elsewhere as a pause."""
        if at_start and is_list_mark(text) and not any(map(str.isalnum, text)):
            return ""
        if at_start and text in _ARROWS:
            return ""
        if text in ("-", "–", "—", "--", "---", "|", "•", "·"):
            return "" if at_start else PAUSE
        return self._lexicon.signs.get(text) if text in _NAMED else None

    def _pronounced(self, text: str) -> str:
        """Return a text with the words of the dictionary as they are said."""

        def say(word: re.Match[str]) -> str:
            own = self._pronunciations
            return own.get(word[0]) or own.get(word[0].lower()) or word[0]

        return re.sub(r"[^\s\"“”(),;:!?*_`\[\]]+?(?=[.]*(?:[\s\"“”(),;:!?*_`\[\]]|['’]s\b|$))", say, text)

    def _roman(self, text: str) -> str:
        before = self._before
        said: list[str] = []
        for word in text.split(" "):
            core = word.strip("\"'(),.;:!?")
            numeral = read_roman(core, before, self._lexicon) if core.isupper() else None
            said.append(word.replace(core, numeral) if numeral else word)
            before = word
        return " ".join(said)


_PLAIN = re.compile(r"[A-Za-z]+(?:'[a-z]+)?[,.!?;:]?")
_READABLE = re.compile(r"[A-Za-zÀ-ɏ0-9½¼¾⅓⅔⅛⅜⅝⅞Ω°²³$€£¥₹₩×÷±√≤≥≠≈→∞π%&+=<>©§]")
_SIGN = re.compile(r"[=+×÷±√≤≥≠≈%&@#<>→∞π$€£¥°©§]")
_NAMED = listed(
    "& + = × ÷ ± ≈ ≠ ≤ ≥ <= >= < > == != % ∞ π →",
)
_ENDS = frozenset([".", ",", "!", "?", ";", "?!", "!?"])
_ARROWS = frozenset(["→", "⇒", "=>", "->", "➜", "➡", "←"])
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_EMOTICON = re.compile(r"[:;=][-^']?[DPpOo]|[xX]D|<3|¯\\?\\?_\(ツ\)_/¯")
_UPPER_ROMAN = re.compile(r"[IVXLCM]+[,.!?;:]?")


def _is_special(text: str) -> bool:
    """Return whether a plain word is read otherwise than it is written: an abbreviation, a numeral, a name of code."""
    core = text.rstrip(",.!?;:")
    if is_abbreviation(core, dotted=text[-1] == "."):
        return True
    return bool(_UPPER_ROMAN.fullmatch(text)) or (not core.islower() and not core.istitle() and not core.isupper())


_GERMAN_DAY = re.compile(r"(\d{1,2})\.")


# ---- signs -----------------------------------------------------------------------------------------------------------

_DASH = re.compile(r"\s+(?:--?-?|–|—)\s+|(?<=\w)(?:—|--)(?=\w)|\s*[|]\s*")
_PLUSES = re.compile(r"(?<=[A-Za-z])\+\+(?!\w)")
_KEYS = re.compile(r"(?<=[A-Za-z])\+(?=[A-Z\d])")
_GREEK = re.compile(r"(?<![Ͱ-Ͽ])([ΓΔΘΛΞΠΣΦΨΩα-ω])(?![Ͱ-Ͽ])(?=(\w)?)")
_SHARP = re.compile(r"(?<![\w])([A-G])#(?!\w)")
_HASHTAG = re.compile(r"(?<!\w)#(?=\w)")
_LETTERS_AND = re.compile(r"\b([A-Z]{1,3})&([A-Z]{1,3})\b")
_AND = re.compile(r"(?<=[A-Za-z])&(?=[A-Za-z])|(?<=\s)&(?=\s)|^&(?=\s)|&$")


def _signs(text: str, words: Lexicon) -> str:
    """Return a text with the signs that are left in words, or without them."""
    if text.isascii() and not _LEFT.search(text):
        return text
    signs = words.signs
    text = _DASH.sub(", ", text)
    text = _PLUSES.sub(f" {signs['+']} {signs['+']}", text)
    text = _KEYS.sub(f" {signs['+']} ", text)
    text = _GREEK.sub(lambda one: unicodedata.name(one[1]).rpartition(" ")[2].lower() + (" " if one[2] else ""), text)
    if words.language == "en":
        text = _SHARP.sub(r"\1 sharp", text)
    text = _LETTERS_AND.sub(lambda one: f"{' '.join(one[1])} {signs['&']} {' '.join(one[2])}", text)
    text = _HASHTAG.sub(f"{signs['#']} ", text)
    text = _AND.sub(lambda _: f" {signs['&']} ", text)
    text = re.sub(
        r"[©§≈≠≤≥±×÷=√∞π%°→⇒€£¥]", lambda one: f" {signs.get(one[0]) or words.money.get(one[0], ('', ''))[1]} ", text
    )
    return re.sub(r"[*_`~^\\{}|#<>←↑↓↔]", " ", text).strip().removeprefix(",")


_LEFT = re.compile(r"[*_`~^\\{}|#<>&+=%-]")

# ---- whole texts -----------------------------------------------------------------------------------------------------


def said_text(units: Iterable[Unit]) -> str:
    """Return what is said of units, as one text; pieces of a script without spaces have none between them."""
    said, pause = "", ""
    for unit in units:
        if unit.spoken in _ENDS:
            pause = unit.spoken if unit.spoken != PAUSE or not pause else pause
        elif unit.spoken:
            said += pause if said[-1:].isalnum() else ""
            said += f"{'' if unit.words[0].glued or not said else ' '}{unit.spoken}"
            pause = ""
    return said + (pause if said[-1:].isalnum() and pause != PAUSE else "")


def speakable(text: str, reading: Reading = ENGLISH) -> str:
    """Return a text as it is said: without markup, with numbers, signs and abbreviations in words.

    Args:
        text: a text as a language model writes it
        reading: the language, and the user's pronunciations

    >>> speakable("It costs **$5.99**, i.e. 20 % less.")
    'It costs five dollars and ninety-nine cents, that is twenty percent less.'
    """
    return said_text(read_aloud(text, reading))


def read_aloud(words: Iterable[Word] | str, reading: Reading) -> list[Unit]:
    """Return the units of a whole text, or of a clause."""
    return Reader(reading).read(words_of(words) if isinstance(words, str) else words)


@lru_cache(4096)
def _script(letter: str) -> str:
    """Return the first word of a letter's name, which is its script."""
    return unicodedata.name(letter, "").partition(" ")[0]
