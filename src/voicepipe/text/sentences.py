"""The ends of sentences, word by word: at once where the word itself decides, else with the next word.

Weighed on the 60 texts of `tests/helpers/sentence_table.py` and on 53 others, in streaming use: at each word a library
segments what has come since the last end. All ends were found in 49 and 47 texts by blingfire 0.1.8, in 48 and 40 by
sentencex 1.0, in 48 and 38 by pysbd 0.3, in 43 and 41 by nupunkt 0.8, in 41 and 39 by syntok 1.4; by these rules in 60
and 51. A library reports an end when it has seen the next word, and so every clause would be said later by that word;
these rules need the next word for one end in five.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from voicepipe.text.abbreviations import (
    ANSWERS,
    CAPITALISED_FOLLOWS,
    MONTHS,
    NEVER_LAST,
    NUMBER_FOLLOWS,
    OFTEN_LAST,
    STARTERS,
    UNITS_WITH_DOT,
)
from voicepipe.text.words import Word, listed

__all__ = ["bare", "ends_before", "ends_with", "is_list_mark"]

_OPENING = "\"'“‘„«¿¡(\\[*_`~"
_CLOSING = "\"'”’»)\\]*_`~」』）"
_ENDED = re.compile(rf"^[{_OPENING}]*(?P<core>.*?)(?P<stop>[.!?…。！？؟।॥]+)(?P<close>[{_CLOSING}]*)$", re.DOTALL)
_DOTTED = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")  # U.S, p.m, Ph.D, z.B
_LIST_MARK = re.compile(r"(?:[-*+•–]|#{1,6}|>|\||\d{1,3}[.)]|[a-z][.)])$")
_VOWEL = re.compile(r"[^\W\dbcdfghjklmnpqrstvwxzß_]", re.IGNORECASE)
_QUOTES = frozenset("\"'”’»)」』）")
_FULL_WIDTH = frozenset("」』）")
_HOURS = frozenset({"a.m", "p.m"})
_ZONES = listed(
    "EST EDT CST CDT MST MDT PST PDT GMT UTC BST CET Eastern Central Mountain Pacific",
)
_DAYS = frozenset(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"])


def bare(word: str) -> str:
    """Return a word without quotes, brackets and marks of emphasis around it."""
    return word.strip("\"'“”‘’„«»¿¡()[]*_`~")


def is_list_mark(word: str) -> bool:
    """Return whether a word at the beginning of a line marks a list item, a heading, a quotation or a table."""
    return bool(_LIST_MARK.match(word)) or word.startswith("|")


def ends_with(sentence: Sequence[str]) -> bool | None:
    """Return whether a sentence ends with the last of its words; None if the next word decides: see `ends_before`.

    >>> ends_with(["It", "is", "good."]), ends_with(["Ask", "Dr."]), ends_with(["The", "U.S."])
    (True, False, None)

    Args:
        sentence: The words since the last sentence's end, at least one.
    """
    # Most words end with a letter: without the regular expression they cost 0.1 µs instead of 1.
    if sentence[-1][-1].isalnum() or (match := _ENDED.match(sentence[-1])) is None:
        return False
    core, stop, close = match["core"], match["stop"], match["close"]
    if not any(letter.isalnum() for letter in core):
        return True if core else None if len(sentence) > 1 else False
    if stop not in (".", "..", "...", "…"):
        return None if set(close) & _FULL_WIDTH else True
    if stop != "." or set(close) & _QUOTES:
        return None
    return _full_stop(core, sentence)


def _full_stop(core: str, sentence: Sequence[str]) -> bool | None:
    """As `ends_with`, for a word with a single full stop behind it."""
    first = len(sentence) == 1
    if core.isdecimal():
        return False if first and len(core) < 4 else None if len(core) < 3 else True
    if core in ANSWERS and core.islower() and _says(sentence):
        return True
    if core in NEVER_LAST or (first and len(core) == 1 and core.islower()):
        return False
    if core in UNITS_WITH_DOT:
        return None if _is_measured(sentence) else True
    if len(core) == 1 or core in ANSWERS or core in NUMBER_FOLLOWS or core in CAPITALISED_FOLLOWS:
        return None
    if core in OFTEN_LAST or core in MONTHS or _DOTTED.fullmatch(core):
        return None
    # Without a vowel it is an abbreviation (tbsp., ff., hwy.): a lower-case word behind it goes on.
    return True if _VOWEL.search(core) else None


def _is_measured(sentence: Sequence[str]) -> bool:
    """Return whether the last word is a unit: it stands behind a number, or behind "per"."""
    before = sentence[-2] if len(sentence) > 1 else ""
    return before == "per" or any(map(str.isdigit, before))


def ends_before(sentence: Sequence[str], following: Word) -> bool:
    """Return whether a sentence ends before the word `following`, if `ends_with` did not know or a line ends there.

    >>> ends_before(["The", "U.S."], Word("Army")), ends_before(["The", "U.S."], Word("It"))
    (False, True)
    """
    if following.line_breaks and (following.line_breaks > 1 or is_list_mark(following.text) or sentence[0][:1] in "#|"):
        return not (len(sentence) == 1 and is_list_mark(sentence[0]))
    if sentence[-1][-1].isalnum() or ends_with(sentence) is not None:
        return False
    after = bare(following.text)
    if not after:
        return False
    match = _ENDED.match(sentence[-1])
    core, stop = (match["core"], match["stop"]) if match else ("", "")
    if stop != "." or match is None or match["close"].strip("*_`~"):
        return not after[0].islower() and not (following.glued and after.startswith(("と", "って")))
    return _full_stop_before(core, sentence, after)


def _full_stop_before(core: str, sentence: Sequence[str], after: str) -> bool:
    """As `ends_before`, for a word with a full stop that may belong to an abbreviation."""
    word = after.rstrip(".,;:!?")
    if core in ANSWERS:
        return not after[0].isdigit()
    if core in NUMBER_FOLLOWS:
        return not (after[0].isdigit() or (core[0].isupper() and after[0].islower()))
    if after[0].islower() or (after[0].isdigit() and not core.isdecimal()):
        return False
    if core.isdecimal():
        before = bare(sentence[-2]).lower() if len(sentence) > 1 else ""
        return word not in MONTHS and (before not in _BEFORE_ORDINAL or word in STARTERS)
    if len(core) == 1:
        return _letter_before(core, sentence, word)
    if core.lower() in _HOURS:
        return word not in _ZONES and word not in _DAYS and word not in MONTHS
    if core in OFTEN_LAST or core in MONTHS or not ("." in core or _VOWEL.search(core) or core in CAPITALISED_FOLLOWS):
        return True
    return word in STARTERS


def _says(sentence: Sequence[str]) -> bool:
    """Return whether "no." is an answer although a number may follow: "Say no. 5 people did.", "Well, no." """
    before = sentence[-2] if len(sentence) > 1 else ","
    return before[-1] in ",;:—-" or bare(before).lower() in _BEFORE_ANSWER


_BEFORE_ANSWER = listed(
    "a an and answer answered answers be firm just oh or said say saying says simply the was yes",
)


def _letter_before(core: str, sentence: Sequence[str], word: str) -> bool:
    """Return whether a single letter ends a sentence: "plan B." and "you and I." do, an initial does not."""
    before = sentence[-2] if len(sentence) > 1 else ""
    if before.isdecimal():
        return True  # a unit: "14 h."
    if core == "I" or bare(before).lower() in _LETTERED:
        return before != "" and not before.endswith(".")
    return word in STARTERS and before[:1].islower()


# A German number with a full stop is an ordinal behind an article: "im 20. Jahrhundert".
_BEFORE_ORDINAL = listed("der das den dem des im am vom zum zur beim ins seinem ihrem seinen ihren jeder jeden")
_LETTERED = listed(
    "plan vitamin option part section type grade class group team letter hepatitis exhibit appendix",
    "figure point gate row line and or than as note key block level size drive",
)
