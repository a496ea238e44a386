"""Read dates, times of day, decades and telephone numbers."""

from __future__ import annotations

import re

from voicepipe.text.lexicon import Lexicon
from voicepipe.text.numbers import agreeing, cardinal, digits, ordinal, year

__all__ = ["MONTH_NAMES", "german_day", "read_dates"]

_DAY_NAMES = {
    "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday", "Thur": "Thursday",
    "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday",
}  # fmt: skip
_DAY = "|".join(_DAY_NAMES)
_DAYS_OF_WEEK = re.compile(rf"\b({_DAY})\.?\s?[-–]\s?({_DAY})\b\.?")
_SHORT = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
MONTH_NAMES = (
    "(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?)"
)
"""English names of months, and their abbreviations."""

_TIME = re.compile(
    r"(?<![\d:.,/-])(\d{1,2})(?::(\d{2})(?::(\d{2}))?)?(?:\s?([AaPp])(?:\.[Mm]\.?|[Mm]\b)|(?<=:\d\d)(?!\d|:))(?![\d:])"
)
_TIMES = re.compile(
    r"(?<![\w:.,/-])(\d{1,2}(?::\d{2})?(?:\s?[AaPp]\.?[Mm]\.?)?)\s?[-–]\s?(?=\d{1,2}(?::\d{2}|\s?[AaPp]\.?[Mm]))"
)
_CLOCK = re.compile(r"(?<![\d:.,/-])(\d{1,2})(?::(\d{2})|h(\d{2})?)(?:\s?(?:Uhr|h)\b)?(?![\d:])")
_ISO = re.compile(r"(?<![\w/-])(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:T\d{2}:\d{2}\S*)?(?![\w-])")
_SLASHES = re.compile(r"(?<![\w/])(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?![\w/])")
_DOTS = re.compile(r"(?<![\w.])(\d{1,2})\.(\d{1,2})\.(\d{4}|\d{2})(?![\w.]\w)")
_DAY_DOTS = re.compile(r"(?<![\w.])(\d{1,2})\.(\d{1,2})\.(?!\d)")
_MONTH_DAY = re.compile(rf"\b({MONTH_NAMES}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?![\d:%])(,? (\d{{4}})\b)?")
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({MONTH_NAMES})\b\.?(,? (\d{{4}})\b)?")
_MONTH_DAYS = re.compile(rf"\b({MONTH_NAMES}) (\d{{1,2}})\s?[-–]\s?(\d{{1,2}})\b")
_DAYS_MONTH = re.compile(
    rf"(?<![\w.])(\d{{1,2}})(?:st|nd|rd|th)?\s?[-–]\s?(\d{{1,2}})(?:st|nd|rd|th)? ({MONTH_NAMES})\b"
)
_MONTH_YEAR = re.compile(rf"\b({MONTH_NAMES}) (\d{{4}})\b")
_DECADE = re.compile(r"(?<!\w)(\d{2})?(\d0)['’]?s\b")
_SHORT_DECADE = re.compile(r"['’](\d0)['’]?s\b")
_YEARS = re.compile(r"(?<![\w.,-])(1[1-9]\d\d|20\d\d)\s?[-–]\s?(1[1-9]\d\d|20\d\d|\d\d)(?![\w.-]*\w)")
_ERA = re.compile(r"\b(\d{1,4})\s(BC|BCE|AD|CE)\b|\bAD\s(\d{1,4})\b")
_PHONE = re.compile(
    r"(?<![\w.])(?<!\d-)(?:\+\d{1,3}[\s.-]?)?(?:\(\d{2,5}\)[\s.-]?\d{2,4}(?:[\s.-]\d{2,5})+|\(\d{2,5}\)\s?\d{5,8}"
    r"|\d{1}[-.]\d{3}[-.]\d{3}[-.]\d{4}|\d{3}[-.\s]\d{3}[-.\s]\d{4}|\d{3}-\d{4})(?![\w-])(?!\.\d)"
    r"|(?<![\w.])\+\d{1,3}[\s.-]?\d{2,5}(?:[\s.-]?\d{2,5})+(?![\w-])"
)


def read_dates(text: str, words: Lexicon, before: str = "", *, ended: bool = True) -> str:
    """Return a text with telephone numbers, dates and times in words.

    Args:
        text: what is read together
        words: those of the language
        before: the word before it
        ended: whether a sentence ends with it: the last full stop of "p.m." is its own then

    >>> from voicepipe.text.lexicon import lexicon
    >>> read_dates("10:05 on 2024-05-01, call 555-0199", lexicon("en"))
    'ten oh five on May first, twenty twenty-four, call five five five, zero one nine nine'
    """
    text = _PHONE.sub(lambda one: _phone(one[0], words), text)
    text = _ISO.sub(lambda one: _date(int(one[1]), int(one[2]), int(one[3]), words) or one[0], text)
    text = _DOTS.sub(lambda one: _dotted(one, words, before) or one[0], text)
    if words.language == "de":
        text = _DAY_DOTS.sub(lambda one: _day_in_german(one, words, before) or one[0], text)
    if words.language != "en":
        text = _SLASHES.sub(lambda one: _date(_full(one[3]), int(one[2]), int(one[1]), words) or one[0], text)
        return _CLOCK.sub(lambda one: _clock(one, words), text)
    text = _SLASHES.sub(lambda one: _american(one, words), text)
    text = _DAYS_OF_WEEK.sub(lambda one: f"{_DAY_NAMES[one[1]]} to {_DAY_NAMES[one[2]]}", text)
    text = _TIMES.sub(r"\1 to ", text)
    text = _TIME.sub(lambda one: _time(one, ended=ended), text)
    text = _DAYS_MONTH.sub(lambda one: f"the {_days(one[1], one[2])} of {_month(one[3], words)}", text)
    text = _MONTH_DAYS.sub(lambda one: f"{_month(one[1], words)} {_days(one[2], one[3])}", text)
    text = _MONTH_DAY.sub(lambda one: _written(one[1], one[2], one[4], words) or one[0], text)
    text = _DAY_MONTH.sub(lambda one: _british(one, words) or one[0], text)
    text = _MONTH_YEAR.sub(lambda one: f"{_month(one[1], words)} {year(int(one[2]), 'en')}", text)
    text = _YEARS.sub(lambda one: f"{year(int(one[1]), 'en')} to {year(int(one[2]), 'en')}", text)
    text = _SHORT_DECADE.sub(lambda one: _plural(cardinal(int(one[1]), "en")), text)
    text = _DECADE.sub(lambda one: _decade(one), text)
    return _ERA.sub(lambda one: _era(one), text)


# ---- dates -----------------------------------------------------------------------------------------------------------


def _date(of_year: int, month: int, day: int, words: Lexicon) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    name = words.months[month - 1]
    said_year = year(of_year, words.language)
    match words.language:
        case "en":
            return f"{name} {ordinal(day, 'en')}, {said_year}"
        case "de":
            return f"{ordinal(day, 'de')}r {name} {said_year}"
        case "es":
            return f"{cardinal(day, 'es')} de {name} de {said_year}"
        case _:
            return f"{'premier' if day == 1 else cardinal(day, words.language)} {name} {said_year}"


def _dotted(one: re.Match[str], words: Lexicon, before: str) -> str | None:
    if words.language == "de" and (day := _day_in_german(one, words, before)):
        return f"{day} {year(_full(one[3]), 'de')}"
    return _date(_full(one[3]), int(one[2]), int(one[1]), words)


def _day_in_german(one: re.Match[str], words: Lexicon, before: str) -> str | None:
    day, month = int(one[1]), int(one[2])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    prior = one.string[: one.start()].split()
    return f"{german_day(day, prior[-1] if prior else before)} {words.months[month - 1]}"


def german_day(day: int, before: str) -> str:
    """Return the ordinal number of a day as it is said behind the word `before`.

    >>> german_day(3, "am"), german_day(3, "der"), german_day(3, "")
    ('dritten', 'dritte', 'dritter')
    """
    word = before.lower()
    if word in ("am", "vom", "zum", "den", "dem", "im", "bis", "ab", "seit"):
        return f"{ordinal(day, 'de')}n"
    return ordinal(day, "de") if word in ("der", "die", "das") else f"{ordinal(day, 'de')}r"


def _full(text: str) -> int:
    """Return a year of two digits as one of four."""
    return int(text) if len(text) > 2 else int(text) + (1900 if int(text) > 40 else 2000)


def _american(one: re.Match[str], words: Lexicon) -> str:
    first, second = int(one[1]), int(one[2])
    month, day = (first, second) if first <= 12 else (second, first)
    return _date(_full(one[3]), month, day, words) or one[0]


def _month(name: str, words: Lexicon) -> str:
    return words.months[_SHORT.index(name[:3])]


def _written(name: str, day: str, of_year: str | None, words: Lexicon) -> str | None:
    if not 1 <= int(day) <= 31:
        return None
    said = f"{_month(name, words)} {ordinal(int(day), 'en')}"
    return f"{said}, {year(int(of_year), 'en')}" if of_year else said


def _days(first: str, last: str) -> str:
    return f"{ordinal(int(first), 'en')} to {ordinal(int(last), 'en')}"


def _british(one: re.Match[str], words: Lexicon) -> str | None:
    day = int(one[1])
    if not 1 <= day <= 31:
        return None
    article = "" if re.search(r"\b[Tt]he $", one.string[: one.start()]) else "the "
    said = f"{article}{ordinal(day, 'en')} of {_month(one[2], words)}"
    return f"{said} {year(int(one[4]), 'en')}" if one[4] else said


def _decade(one: re.Match[str]) -> str:
    tens = int(one[2])
    if one[1] is None:
        return _plural(cardinal(tens, "en"))
    century = cardinal(int(one[1]), "en")
    if tens:
        return f"{century} {_plural(cardinal(tens, 'en'))}"
    return "two thousands" if one[1] == "20" else f"{century} hundreds"


def _plural(number: str) -> str:
    return number[:-1] + "ies" if number.endswith("y") else f"{number}s"


def _era(one: re.Match[str]) -> str:
    letters = " ".join(one[2] or "AD")
    return f"{_past(one[1])} {letters}" if one[1] else f"{letters} {_past(one[3])}"


def _past(number: str) -> str:
    value = int(number)
    return year(value, "en") if value > 1099 else cardinal(value, "en")


# ---- times -----------------------------------------------------------------------------------------------------------


def _time(one: re.Match[str], *, ended: bool) -> str:
    hour, minute, second, half = int(one[1]), one[2], one[3], one[4]
    if hour > 24 or (minute and int(minute) > 59) or (second and int(second) > 59) or (half and hour > 12):
        return one[0]
    said = [cardinal(hour, "en")]
    if minute and (int(minute) or second):
        said.append(_sixtieth(minute))
    elif minute and not half:
        said.append("hundred" if hour > 12 else "o'clock")
    if second:
        said.append(_sixtieth(second))
    if half:
        said.append(f"{half.lower()} m")
    is_last = ended and not one.string[one.end() :].strip("\"')")
    return " ".join(said) + ("." if is_last and one[0].endswith(".") and one[0].count(".") > 1 else "")


def _sixtieth(two_digits: str) -> str:
    value = int(two_digits)
    return cardinal(value, "en") if value > 9 else f"oh {cardinal(value, 'en')}"


def _clock(one: re.Match[str], words: Lexicon) -> str:
    hour, minute = int(one[1]), int(one[2] or one[3] or 0)
    if hour > 24 or minute > 59:
        return one[0]
    said = cardinal(hour, words.language)
    if words.language == "de" and hour == 1:
        said = "ein"
    if words.language == "es":
        said = agreeing(said, "hora", "es")
    if words.language == "fr":
        said = f"{agreeing(said, 'heure', 'fr')} heure{'s' if hour > 1 else ''}"
    template = words.clock if minute else words.full_hour
    return template.format(hour=said, minute=cardinal(minute, words.language))


# ---- telephones ------------------------------------------------------------------------------------------------------


def _phone(text: str, words: Lexicon) -> str:
    groups = re.findall(r"\d+", text)
    if text.startswith("+") and len(groups) == 2 and len(groups[1]) > 5:
        groups = [groups[0], *re.findall(r"\d{3,4}(?=\d{3}|$)|\d+", groups[1])]
    said = [_group(group, at, len(groups), words) for at, group in enumerate(groups)]
    return (f"{words.signs['+']} " if text.startswith("+") else "") + ", ".join(said)


def _group(group: str, at: int, groups: int, words: Lexicon) -> str:
    if group == "800" and at < groups - 1:
        return cardinal(800, words.language)
    return digits(group, words.language)
