"""Read money, percentages, units, fractions, ordinal numbers and the numbers that are left."""

from __future__ import annotations

import re

from voicepipe.text.lexicon import Lexicon
from voicepipe.text.numbers import agreeing, cardinal, digits, number, ordinal, to_plain, year
from voicepipe.text.words import listed

__all__ = ["NUMBER", "read_amounts", "read_numbers"]

NUMBER = r"\d+(?:[.,'’]\d{3}(?!\d))*(?:[.,]\d+)?"
"""A number with thousands' marks and decimals, as any language writes it."""

_TIMES = (
    r"(?:\s?(k|K|M|m|bn|B|b|T)\b|\s(hundred|thousand|million|billion|trillion|Mio\.?|Mrd\.?|Millionen|Milliarden|Tausend"
    r"|millions?|milliards?|millón|millones|mil)\b)?"
)
_SIGN = r"[$€£¥₹₩]"
_CODE = r"(?:USD|EUR|GBP|JPY|INR|CHF)"
_MONEY_FIRST = re.compile(rf"(?:US)?(-|−)?({_SIGN}|{_CODE}\s)\s?({NUMBER}|\.\d+){_TIMES}(?![\w%])")
_MONEY_LAST = re.compile(rf"(?<![\w.,])({NUMBER}){_TIMES}\s?({_SIGN}|¢|{_CODE}\b)(?!\w)")
_PERCENT = re.compile(rf"({NUMBER}|\.\d+)\s?([%‰])")
_FEET = re.compile(r"(?<![\w.])(\d{1,2})['’′]\s?(\d{1,2})(?:[\"”″]|''|’’|\b)")
_INCHES = re.compile(r"(?<![\w.\"])(\d{1,3})[\"″](?=\s|$|[.,!?])")
_ORDINAL = re.compile(r"(?<![\w.])(\d{1,3}(?:,\d{3})*|\d+)(st|nd|rd|th|er|re|e|ème|\.?º|\.?ª|°(?=\s[a-z]))(?![\w])")
_FRACTION = re.compile(r"(?<![\w./])(?:(\d+)\s)?(\d{1,3})/(\d{1,3})(?![\w/])(?!\.\d)")
_SCORE = re.compile(r"(?<![\w./])(\d{1,3}[.,]\d{1,2})/(?=\d{1,3}(?![\w/.]*\w))")
_LISTED = re.compile(r"(?<![\w.,])\d{1,2}(?:,\d{1,2}){2,}(?![\w,.]*\d)")
_MIXED = re.compile(r"(\d+)?\s?([½¼¾⅓⅔⅛⅜⅝⅞])")
_SPACED = re.compile(r"(?<![\w.,+)-])(\d{1,3})((?: \d{3})+)(?![\d-])")
# A range before a sign or a unit: "5-10%", "$10-$20".
_BEFORE_SIGN = re.compile(rf"(?<=[\dkKMBb])\s?[-–]\s?(?=[$€£¥₹]\d)|(?<=\d)[-–](?={NUMBER}\s?(?:[%‰°€£$¥]|[A-Za-zµμ]))")
_PER = re.compile(r"(?<=[a-z])/(?=[a-z])")
_COUNT = re.compile(r"(?<![\w.])#\s?(?=\d)|(?<!\w)№\s?(?=\d)")
_NUMERO = re.compile(r"(?<!\w)[nN](?:°|\.?º)")
_SCALED = re.compile(rf"(?<![\w.])({NUMBER})(k|M|bn)\b")
_EXPONENT = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)[eE]([+-]?)(\d{1,2})(?!\w)")
_ALONE = re.compile(rf"(?<![\w])({NUMBER}|\.\d+)")
_POINT_FIRST = re.compile(r"(?<![\w.])\.(\d+)")
_LETTERS_DIGITS = re.compile(r"(?<=[^\W\d_])[-–]?(?=\d)|(?<=\d)[-–]?(?=[^\W\d_])")
_YEAR = re.compile(r"1[1-9]\d\d|20[1-9]\d|200[1-9]")
_EARLY_YEAR = re.compile(r"10[1-9]\d")

_PARTS = {
    "½": (1, 2),
    "¼": (1, 4),
    "¾": (3, 4),
    "⅓": (1, 3),
    "⅔": (2, 3),
    "⅛": (1, 8),
    "⅜": (3, 8),
    "⅝": (5, 8),
    "⅞": (7, 8),
}


def read_amounts(text: str, words: Lexicon, before: str = "") -> str:
    """Return a text with money, percentages, units, fractions and ordinal numbers in words; `before`: the word before.

    >>> from voicepipe.text.lexicon import lexicon
    >>> read_amounts("$5.99 for 5 km, 50%, the 22nd", lexicon("en"))
    'five dollars and ninety-nine cents for five kilometers, fifty percent, the twenty-second'
    """
    if words.language in ("fr", "es"):
        text = _NUMERO.sub(words.signs["number"], text)
    text = _LISTED.sub(lambda one: one[0].replace(",", ", "), text)
    text = _SPACED.sub(lambda one: one[1] + one[2].replace(" ", ""), text)
    text = _BEFORE_SIGN.sub(f" {words.signs['to']} ", text)
    text = _MONEY_FIRST.sub(lambda one: _money(one[1], one[3], one[4] or one[5], one[2].strip(), words), text)
    text = _MONEY_LAST.sub(lambda one: _money(None, one[1], one[2] or one[3], one[4], words), text)
    text = _PERCENT.sub(lambda one: f"{_said(one[1], words)} {words.signs[one[2]]}", text)
    text = _units(text, words, before)
    text = _PER.sub(f" {words.signs['per']} ", text)
    text = _ORDINAL.sub(lambda one: _ordinal(one, words), text)
    text = _EXPONENT.sub(lambda one: _exponent(one, words), text)
    if words.language == "en":
        text = _FEET.sub(lambda one: f"{cardinal(int(one[1]), 'en')} feet {_counted(one[2], 'inch', 'inches')}", text)
        text = _INCHES.sub(lambda one: _counted(one[1], "inch", "inches"), text)
        text = _SCALED.sub(lambda one: f"{_said(one[1], words)} {words.scales[one[2]]}", text)
    text = _SCORE.sub(rf"\1 {words.signs['of']} ", text)
    text = _FRACTION.sub(lambda one: _fraction(one, words), text)
    text = _MIXED.sub(lambda one: _mixed(one, words), text)
    return _COUNT.sub(f"{words.signs['number']} ", text)


def _said(text: str, words: Lexicon) -> str:
    return number(text, words.language)


def _counted(count: str, one: str, many: str) -> str:
    return f"{cardinal(int(count), 'en')} {one if int(count) == 1 else many}"


def _money(minus: str | None, amount: str, scale: str | None, sign: str, words: Lexicon) -> str:
    """Return an amount of money: with a scale ("$3 million") in whole units, else with hundredths."""
    before = f"{words.signs['-']} " if minus else ""
    names = words.money.get(sign)
    if names is None:
        return f"{before}{_said(amount, words)} {sign}"
    one, many, cent, cents = names
    if scale:
        return f"{before}{_said(amount, words)} {_joined(words.scales.get(scale, scale), many)}"
    whole, _, part = to_plain(amount, words.language).partition(".")
    if len(part) > 2 or not cent:
        return f"{before}{_said(amount, words)} {one if amount == '1' else many}"
    units, hundredths = int(whole or 0), int((part or "0").ljust(2, "0"))
    said = [_agreed(units, one, many, words)] if units or not hundredths else []
    if hundredths:
        said.append(_agreed(hundredths, cent, cents, words))
    return before + f" {words.joint} ".join(said)


def _joined(scale: str, many: str) -> str:
    """Return a scale and a unit: French elides "millions d'euros", and says "millions de dollars"."""
    if not scale.endswith("'"):
        return f"{scale} {many}"
    return f"{scale}{many}" if many[0] in "aeiou" else f"{scale[:-1]}e {many}"


def _agreed(value: int, one: str, many: str, words: Lexicon) -> str:
    noun = one if value == 1 else many
    return f"{agreeing(cardinal(value, words.language), noun, words.language)} {noun}"


def _units(text: str, words: Lexicon, before: str) -> str:
    def read(one: re.Match[str]) -> str:
        names = words.units.get(one[3]) or words.units.get(one[3].rstrip("."))
        if names is None or (len(one[3]) == 1 and _labels(one, before)):
            return one[0]
        if (part := _PARTS.get(one[2][-1])) and not one[2][:-1].strip():
            return f"{one[1] or ''}{one[2]} {_of_a(*part, names, words)}"
        if one[2][-1] in _PARTS:
            return f"{one[1] or ''}{one[2]} {names[1]}"
        if share := _SHARE.fullmatch(one[2]):
            return f"{one[1] or ''}{one[2]} {_of_a(int(share[1]), int(share[2]), names, words)}"
        singular = to_plain(one[2], words.language) == "1"
        minus = f"{words.signs['-']} " if one[1] else ""
        stop = "." if one[3].endswith(".") and one[3] not in words.units else ""
        noun = names[0] if singular else names[1]
        return f"{minus}{agreeing(_said(one[2], words), noun, words.language)} {noun}{stop}"

    text = _BY.sub(rf"\1 {words.signs['by']} ", text)
    return _MEASURED.sub(read, _TIMES_MEASURED.sub(f" {words.signs['×']} ", text))


def _of_a(above: int, below: int, names: tuple[str, str], words: Lexicon) -> str:
    """Return a unit behind a fraction: "one half mile", "three quarters of an hour", "120/80 millimeters"."""
    if above > below or (words.language != "en" and above > 1):
        return names[1]
    article = "" if above == 1 else f"of a{'n' if names[0].startswith(('a', 'e', 'i', 'o', 'hour')) else ''} "
    return article + names[0]


def _labels(one: re.Match[str], before: str) -> bool:
    """Return whether a number and a letter are a name, as of a seat: "12A" """
    prior = one.string[: one.start()].split()
    return (prior[-1] if prior else before).strip("\"'(").lower() in _LABELLED and one[0][-2].isdigit()


_LABELLED = listed(
    "seat seats row gate room apartment apt unit suite platform stop exhibit section table building floor appendix",
    "figure question part grade class group type level step page option flight track exit bus line model block",
    "sitz platz reihe gleis zimmer raum wohnung haus klasse gruppe tor linie",
)
_SHARE = re.compile(r"(\d{1,3})/(\d{1,3})")
_LENGTH = r"(?:[ckm]?m\b|in\b\.?|ft\b\.?|px\b|[\"″'′])"
_MEASURE = r"km/h|m/s|Mbit/s|[mµμ]?g/d?L|m?mol/L|[°µμ]?[A-Za-z]{1,4}[²³]|[km]m?[23]|°[CF]|°|k?Ω|[µμ]?[A-Za-z]{1,5}\.?"
_MEASURED = re.compile(
    rf"(?<![\w.,/])([-−])?(\d{{1,3}}/\d{{1,3}}|(?:\d+\s?)?[½¼¾⅓⅔⅛⅜⅝⅞]|{NUMBER}|\.\d+)[\s-]?({_MEASURE})(?![\w/²³])"
)
_BY = re.compile(rf"(?<![\w.,])({NUMBER}\s?{_LENGTH}?)\s?[xX×]\s?(?={NUMBER}\s?{_LENGTH})")
_TIMES_MEASURED = re.compile(rf"(?<=\d)\s[xX×]\s(?={NUMBER}\s?[A-Za-z])")


def _ordinal(one: re.Match[str], words: Lexicon) -> str:
    if one[2] in ("st", "nd", "rd", "th") and words.language != "en":
        return one[0]
    if one[2] not in ("st", "nd", "rd", "th") and words.language in ("en", "de"):
        return one[0]
    said = ordinal(int(one[1].replace(",", "")), words.language)
    match words.language, one[2].removeprefix("."):
        case "fr", "re":
            return said.replace("premier", "première")
        case "es", "ª":
            return re.sub(r"o\b", "a", said)
        case "es", "er":
            return re.sub(r"(primer|tercer)o$", r"\1", said)
        case _:
            return said


def _exponent(one: re.Match[str], words: Lexicon) -> str:
    value, sign, power = one.groups()
    if not sign and "." not in value and int(power) <= 12:
        return cardinal(int(value) * 10 ** int(power), words.language)
    minus = f"{words.signs['-']} " if sign == "-" else ""
    ten = cardinal(10, words.language)
    return f"{_said(value, words)} {words.signs['×']} {ten} {words.signs['^']} {minus}{_said(power, words)}"


def _fraction(one: re.Match[str], words: Lexicon) -> str:
    whole, above, below = one[1], int(one[2]), int(one[3])
    language = words.language
    before = f"{cardinal(int(whole), language)} {words.joint} " if whole else ""
    if 0 < above < below <= 10 or whole:
        return before + _part(above, below, words)
    if language == "en" and 1 <= above <= 12 and 12 < below <= 31:
        return f"{words.months[above - 1]} {ordinal(below, 'en')}"
    if below in (100, 1000) or (above < below and below % 10 == 0):
        return f"{before}{cardinal(above, language)} {words.signs['of']} {cardinal(below, language)}"
    if language == "en" and above > below > 31:
        return f"{cardinal(above, 'en')} over {cardinal(below, 'en')}"
    return f"{cardinal(above, language)} {cardinal(below, language)}"


def _part(above: int, below: int, words: Lexicon) -> str:
    """Return a fraction by its name, or as a division where it has none."""
    if words.language != "en":
        return _part_elsewhere(above, below, words)
    name = {2: "half", 4: "quarter"}.get(below) or ordinal(below, "en")
    many = "halves" if below == 2 else f"{name}s"
    return f"{cardinal(above, 'en')} {name if above == 1 else many}"


_NAMES = {
    "de": {3: "Drittel", 4: "Viertel", 5: "Fünftel", 8: "Achtel", 10: "Zehntel"},
    "fr": {3: "tiers", 4: "quart", 5: "cinquième", 8: "huitième", 10: "dixième"},
    "es": {3: "tercio", 4: "cuarto", 5: "quinto", 8: "octavo", 10: "décimo"},
}


def _part_elsewhere(above: int, below: int, words: Lexicon) -> str:
    language = words.language
    if (above, below) == (1, 2):
        return words.signs["half"]
    if (name := _NAMES.get(language, {}).get(below)) is None:
        return f"{cardinal(above, language)} {words.signs['/']} {cardinal(below, language)}"
    is_plural = above > 1 and language != "de" and not name.endswith("s")
    return f"{agreeing(cardinal(above, language), name, language)} {name}{'s' if is_plural else ''}"


def _mixed(one: re.Match[str], words: Lexicon) -> str:
    said = _part(*_PARTS[one[2]], words)
    return f"{cardinal(int(one[1]), words.language)} {words.joint} {said}" if one[1] else said


# ---- the numbers that are left ---------------------------------------------------------------------------------------

_BY_DIGIT = listed(
    "code pin zip call dial extension room flight gate bus route highway interstate channel area",
)


_BEFORE_YEAR = listed("in since year until till from by around circa before after")


def read_numbers(text: str, words: Lexicon, before: str = "") -> str:
    """Return a text with all numbers in words; `before` is the word before it.

    >>> from voicepipe.text.lexicon import lexicon
    >>> read_numbers("in 1984, 3.14 of 1,000", lexicon("en")), read_numbers("101", lexicon("en"), "room")
    ('in nineteen eighty-four, three point one four of one thousand', 'one oh one')
    """
    if not any(map(str.isdigit, text)):
        return text
    text = _POINT_FIRST.sub(lambda one: number(f".{one[1]}", words.language), text)
    text = _LETTERS_DIGITS.sub(" ", text)
    return _ALONE.sub(lambda one: _number(one, words, before), text)


def _number(one: re.Match[str], words: Lexicon, before: str) -> str:
    text = one[1]
    english = words.language == "en"
    prior = one.string[: one.start()].split()
    last = (prior[-1] if prior else before).strip("\"'(").lower()
    if english and text.isdecimal() and last in _BY_DIGIT:
        return digits(text, "en").replace("zero", "oh")
    if english and text in ("911", "411", "311"):
        return digits(text, "en")
    if english and last in _BEFORE_YEAR and _EARLY_YEAR.fullmatch(text):
        return year(int(text), "en")
    if _YEAR.fullmatch(text) and (english or _names_german_year(last, words)):
        return year(int(text), words.language)
    return number(text, words.language)


def _names_german_year(before: str, words: Lexicon) -> bool:
    """Return whether a number behind this word is a year: elsewhere it is a count, and read as one."""
    return words.language == "de" and (before in ("jahr", "jahre", "jahres", "anno") or before.title() in words.months)
