"""Read identifiers digit by digit: cards, ISBN, postal codes, numbers that are dialled, addresses of hardware."""

from __future__ import annotations

import re

from voicepipe.text.lexicon import Lexicon
from voicepipe.text.numbers import digits

__all__ = ["read_identifiers"]

# Three groups or more, one of them longer than a score or a day: an ISBN, a social security number.
_ROW = re.compile(r"(?<![\w.-])(?=[\d-]*\d{3})\d+(?:-\d+){2,}(?![\w.-]*\w)")
_CARD = re.compile(r"(?<![\w.-])\d{4}(?:[ -]\d{4}){2,}(?:[ -]\d{1,3})?(?![\w-]*\d)")
_DIALLED = re.compile(r"(?<![\w.,:-])0\d{1,5}(?:[ /-]\d{2,8})+(?![\w-]*\w)")
_POSTAL = re.compile(r"(?<![\w.-])\d{5}-\d{4}(?![\w-])")
_HARDWARE = re.compile(r"(?<![\w:])[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}(?![\w:])")
_HEXADECIMAL = re.compile(r"(?<!\w)0[xX]([0-9A-Fa-f]+)(?!\w)")
_VANITY = re.compile(r"(?<![\w-])1-8(\d)\1-([A-Z]{3,}(?:-[A-Z]+)*)(?![\w-])")
_NUMBERED = re.compile(r"(?<![\w.])#(?=[A-Z-]*\d)")


def read_identifiers(text: str, words: Lexicon) -> str:
    """Return a text with identifiers digit by digit, a pause between their groups.

    French says the pairs of a telephone number as numbers.

    >>> from voicepipe.text.lexicon import lexicon
    >>> read_identifiers("ISBN 978-3-16", lexicon("en")), read_identifiers("0x1F", lexicon("en"))
    ('ISBN nine seven eight, three, one six', 'zero x one F')
    """
    if not _MARK.search(text):
        return text

    def groups(one: re.Match[str]) -> str:
        return ", ".join(digits(group, words.language) for group in re.split(r"[ /-]", one[0]))

    for pattern in (_CARD, _POSTAL, _ROW, *(() if words.language == "fr" else (_DIALLED,))):
        text = pattern.sub(groups, text)
    text = _HARDWARE.sub(lambda one: ", ".join(_spelled(pair, words) for pair in one[0].split(":")), text)
    text = _HEXADECIMAL.sub(lambda one: f"{digits('0', words.language)} x {_spelled(one[1], words)}", text)
    if words.language == "en":
        text = _VANITY.sub(lambda one: f"one, eight {_HUNDREDS[one[1]]}, {one[2].lower().replace('-', ' ')}", text)
    return _NUMBERED.sub(f"{words.signs['number']} ", text)


_MARK = re.compile(r"\d[ :/-]|0[xX]|#")
_HUNDREDS = {"0": "hundred", **{digit: f"{name} {name}" for digit, name in zip("345678", (
    "three", "four", "five", "six", "seven", "eight"), strict=True)}}  # fmt: skip


def _spelled(text: str, words: Lexicon) -> str:
    """Return digits and letters one by one."""
    return " ".join(digits(letter, words.language) if letter.isdecimal() else letter.upper() for letter in text)
