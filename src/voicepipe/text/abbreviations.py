"""Abbreviations: which may end a sentence, what follows them, and how they are read.

Upper and lower case count: "Sat." is a day, "sat." ends a sentence.
"""

from __future__ import annotations

import re
from functools import cache

from voicepipe.text.words import listed

__all__ = [
    "ANSWERS",
    "CAPITALISED_FOLLOWS",
    "MONTHS",
    "NEVER_LAST",
    "NUMBER_FOLLOWS",
    "OFTEN_LAST",
    "PAIRS",
    "READINGS",
    "STARTERS",
    "UNITS_WITH_DOT",
    "is_abbreviation",
    "read_abbreviations",
]

NEVER_LAST = listed(
    "Mr Mrs Ms Messrs Dr Drs Prof Gen Sen Rep Rev Hon Capt Lt Col Sgt Cpl Maj Adm Cmdr Gov Pres Supt Msgr",
    "Fr Mt Ft mr mrs ms dr prof Hr Mme Mlle Sra Srta Dra Ud Uds Nr Bd Bros e.g i.e eg ie cf viz vs approx",
    "ca Ca env Env c.f z.B d.h u.a p.ej med resp bzw ggf evtl inkl ex",
)
"""No sentence ends with one of these."""

ANSWERS = frozenset({"no", "No", "nos", "Nos"})
"""Read as "number" before a number, and otherwise as they are written."""

NUMBER_FOLLOWS = listed(
    "p pp P fig figs Fig Figs ch Ch vol Vol vols Vols sec Sec art Art eq Eq ed Ed eds par para ver",
    "Ver Bd S Abb Art Tel tel ext Ext",
)
"""Abbreviations only before a number: otherwise a sentence may end with them ("the fig.", "art.")."""

CAPITALISED_FOLLOWS = listed(
    "St Ste Ave Blvd Rd Ln Hwy Pkwy Apt Bldg Sq Inc Ltd Co Corp Dept Univ Assn Govt Jr Sr Sra est al",
    "incl misc dept univ govt assn gov Gov co inc ltd corp ave blvd rd min max avg temp usw bspw Str",
    "str m.E av bd",
)
"""A sentence ends with one of these only if the next word often begins a sentence."""

OFTEN_LAST = frozenset(["etc", "Etc", "Esq"])
"""A sentence ends with one of these before any capital letter."""

UNITS_WITH_DOT = listed(
    "in ft lb lbs oz mi yd hr hrs min mins sec secs sq cm mm km kg",
)
"""Units only after a number: "in." and "sec." are words otherwise."""

_NAMES = (
    "January February March April May June July August September October November December"
    " Januar Februar März Mai Juni Juli Oktober Dezember Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
)

MONTHS: dict[str, str] = {
    **{name: name for name in listed(_NAMES)},
    **{"Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Jun": "June", "Jul": "July"},
    **{"Aug": "August", "Sep": "September", "Sept": "September", "Oct": "October", "Nov": "November"},
    **{"Dec": "December", "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday"},
    **{"Thu": "Thursday", "Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday"},
}
"""Months and days, by their names and abbreviations."""

STARTERS = listed(
    "A After All Also Although Always An And Another Any Are As Ask At Be Because Before Both But By",
    "Bye Call Can Could Did Do Does Each Even Every Everyone Few Finally Fine First For From Go Good",
    "Has Have He Her Here Hers His How However I I'd I'll I'm I've If In Instead Is It It's Its Just",
    "Later Let Let's Many Maybe Me Meanwhile More Most My Next No None Nor Not Nothing Now Of",
    "Often Oh On Once One Only Or Our Perhaps Please Really She She's Should Since So Some Someone",
    "Sometimes Soon Still Stop Such Take Thank Thanks That That's The Their Them Then There There's",
    "These They They're This Those Though Through Thus To Today Together Tomorrow Try Under Until",
    "Very Was We We'll We're Well Were What When Where Which While Why Will With Would Yes",
    "Yesterday Yet You You're Your Aber Das Der Die Ein Eine Er Es Ich Ist Sie Und Dann Wir Il Elle Je Le",
    "La Les On Nous Vous Et Mais El Los Las Yo Pero",
)
"""Words that often begin a sentence, and seldom follow an abbreviation."""

READINGS: dict[str, str] = {
    "Mr": "Mister", "mr": "mister", "Mrs": "Missus", "mrs": "missus", "Ms": "Miz", "ms": "miz", "Messrs": "Messieurs",
    "Dr": "Doctor", "dr": "doctor", "Drs": "Doctors", "Prof": "Professor", "prof": "professor", "Gen": "General",
    "Sen": "Senator", "Rep": "Representative", "Rev": "Reverend", "Hon": "Honorable", "Capt": "Captain",
    "Lt": "Lieutenant", "Col": "Colonel", "Sgt": "Sergeant", "Cpl": "Corporal", "Maj": "Major", "Adm": "Admiral",
    "Cmdr": "Commander", "Gov": "Governor", "Pres": "President", "Supt": "Superintendent", "Msgr": "Monsignor",
    "Fr": "Father", "Mt": "Mount", "Ft": "Fort", "Jr": "Junior", "Sr": "Senior", "Ave": "Avenue", "ave": "avenue",
    "Blvd": "Boulevard", "blvd": "boulevard", "Rd": "Road", "rd": "road",
    "Ln": "Lane", "Hwy": "Highway", "Pkwy": "Parkway",
    "Ste": "Suite", "Apt": "Apartment", "Bldg": "Building", "Sq": "Square", "Inc": "Incorporated",
    "inc": "incorporated",
    "Ltd": "Limited", "ltd": "limited", "Corp": "Corporation", "corp": "corporation", "Co": "Company", "co": "company",
    "Bros": "Brothers", "Dept": "Department", "dept": "department", "Univ": "University", "univ": "university",
    "Assn": "Association", "assn": "association", "Govt": "Government", "govt": "government", "gov": "governor",
    "approx": "approximately", "est": "established", "vs": "versus", "etc": "etcetera", "Etc": "Etcetera",
    "e.g": "for example", "eg": "for example", "i.e": "that is", "ie": "that is", "cf": "compare", "viz": "namely",
    "ca": "about", "al": "al", "incl": "including", "misc": "miscellaneous", "Esq": "Esquire", "max": "maximum",
    "avg": "average", "temp": "temperature", "appt": "appointment", "ext": "extension",
}  # fmt: skip
"""Readings of abbreviations with a full stop, in English."""

READINGS_ELSEWHERE: dict[str, dict[str, str]] = {
    "de": {
        "z.B.": "zum Beispiel", "z. B.": "zum Beispiel", "d.h.": "das heißt", "d. h.": "das heißt",
        "u.a.": "unter anderem", "u. a.": "unter anderem", "usw.": "und so weiter", "bzw.": "beziehungsweise",
        "ca.": "circa", "Ca.": "Circa", "evtl.": "eventuell", "ggf.": "gegebenenfalls", "inkl.": "inklusive",
        "exkl.": "exklusive", "vgl.": "vergleiche", "bspw.": "beispielsweise", "max.": "maximal", "min.": "minimal",
        "Dr.": "Doktor", "Prof.": "Professor", "Hr.": "Herr", "Fr.": "Frau", "Nr.": "Nummer", "Tel.": "Telefon",
        "Str.": "Straße", "Jh.": "Jahrhundert", "Abb.": "Abbildung", "Kap.": "Kapitel",
        "St.": "Sankt", "Art.": "Artikel", "Abs.": "Absatz",
    },
    "fr": {
        "M.": "Monsieur", "MM.": "Messieurs", "p.": "page", "p. ex.": "par exemple",
        "Mme": "Madame", "Mmes": "Mesdames", "Mlle": "Mademoiselle", "env.": "environ", "Env.": "Environ",
        "etc.": "et cetera", "c.-à-d.": "c'est-à-dire", "av.": "avenue", "bd.": "boulevard", "tél.": "téléphone",
        "Tél.": "Téléphone", "min.": "minimum", "max.": "maximum", "vol.": "volume", "chap.": "chapitre",
    },
    "es": {
        "Sr.": "señor", "Sra.": "señora", "Srta.": "señorita", "Dr.": "doctor", "Dra.": "doctora", "Ud.": "usted",
        "Uds.": "ustedes", "p.": "página", "p.ej.": "por ejemplo", "p. ej.": "por ejemplo", "etc.": "etcétera",
        "aprox.": "aproximadamente", "núm.": "número", "tel.": "teléfono", "Tel.": "Teléfono",
        "EE. UU.": "Estados Unidos",
        "EE.UU.": "Estados Unidos", "Av.": "avenida", "máx.": "máximo", "mín.": "mínimo", "pág.": "página",
        "vol.": "volumen",
    },
}  # fmt: skip
"""Readings in other languages, by the word, or the two words, as they are written."""

PAIRS = frozenset(written for table in READINGS_ELSEWHERE.values() for written in table if " " in written)
"""Abbreviations of two words."""

_BEFORE_NUMBER = {
    "p": "page", "P": "Page", "pp": "pages", "fig": "figure", "Fig": "Figure", "figs": "figures", "Figs": "Figures",
    "ch": "chapter", "Ch": "Chapter", "vol": "volume", "Vol": "Volume", "vols": "volumes", "Vols": "Volumes",
    "sec": "section", "Sec": "Section", "art": "article", "Art": "Article", "eq": "equation", "Eq": "Equation",
    "ed": "edition", "par": "paragraph", "para": "paragraph", "ver": "version", "Ver": "Version", "ext": "extension",
    "Ext": "Extension", "tel": "telephone", "Tel": "Telephone", "no": "number", "No": "Number", "nos": "numbers",
    "Nos": "Numbers",
}  # fmt: skip


def before_number(core: str) -> str | None:
    """Return how an abbreviation is read before a number, if it is one.

    >>> before_number("No"), before_number("fig"), before_number("yes")
    ('Number', 'figure', None)
    """
    return _BEFORE_NUMBER.get(core)


# ---- reading ---------------------------------------------------------------------------------------------------------

_ABBREVIATED = re.compile(r"(?<![\w.@/])([^\W\d_]+(?:\.[^\W\d_]+)*)\.(?=$|[\s,;:!?\"')])")
_DOTTED = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")
_REFERENCE = re.compile(r"(?<![\w.])([A-Za-z]{1,4})(?:\.\s?|\s)(?=\d|[IVXLC]+\b)")


_SHORT_NAMES = frozenset(name for name, full in MONTHS.items() if name != full)


def read_abbreviations(text: str, before: str, language: str, *, ended: bool) -> str:
    """Return a text with abbreviations in full; the full stop stays where a sentence ends.

    >>> read_abbreviations("Dr. No", "", "en", ended=True), read_abbreviations("z. B.", "", "de", ended=False)
    ('Doctor No', 'zum Beispiel')

    Args:
        text: what is read together
        before: the word before it
        language: of the abbreviations
        ended: whether a sentence ends with the text
    """
    if language != "en":
        return _elsewhere(text, language, ended=ended)
    if "." not in text:
        return text
    text = _REFERENCE.sub(
        lambda one: f"{before_number(one[1])} " if "." in one[0] and before_number(one[1]) else one[0], text
    )

    def read(one: re.Match[str]) -> str:
        core = one[1]
        said = (
            _saint(one, before)
            if core == "St"
            else READINGS.get(core) or (MONTHS.get(core) if core in _SHORT_NAMES else None)
        )
        if said is None and (_DOTTED.fullmatch(core) or (len(core) == 1 and core.isupper())):
            said = " ".join(re.sub(r"\.", "", core)) if len(core) > 1 else core
        if said is None:
            return one[0]
        return f"{said}." if ended and _is_last(one) else said

    return _ABBREVIATED.sub(read, text)


def _is_last(one: re.Match[str]) -> bool:
    """Return whether nothing follows in the text, other than what closes a quotation or a bracket."""
    return not one.string[one.end() :].strip("\"')")


def is_abbreviation(core: str, *, dotted: bool) -> bool:
    """Return whether a word may be read otherwise than it is written, in any language; `dotted`: a full stop follows.

    >>> is_abbreviation("Dr", dotted=True), is_abbreviation("usw", dotted=True), is_abbreviation("so", dotted=True)
    (True, True, False)
    """
    if core in _ELSEWHERE:
        return True
    return dotted and (core in READINGS or core in _SHORT_NAMES or core == "St" or len(core) == 1)


_ELSEWHERE = frozenset(written.rstrip(".") for table in READINGS_ELSEWHERE.values() for written in table)


def _elsewhere(text: str, language: str, *, ended: bool) -> str:
    """Return a text of another language with its abbreviations in full."""

    def read(one: re.Match[str]) -> str:
        said = READINGS_ELSEWHERE[language][one[0]]
        return f"{said}." if ended and one[0].endswith(".") and _is_last(one) else said

    return _abbreviated_in(language).sub(read, text)


@cache
def _abbreviated_in(language: str) -> re.Pattern[str]:
    longest_first = sorted(READINGS_ELSEWHERE[language], key=len, reverse=True)
    return re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, longest_first))})(?=$|[\s,;:!?\"')])")


def _saint(one: re.Match[str], before: str) -> str:
    """Return how "St." is said: "Street" behind a name, "Saint" before one."""
    follows = re.match(r"\s+([A-Z])", one.string[one.end() :])
    name = before[:1].isupper() and before[-1:].isalnum() and before not in _NO_STREET
    return "Saint" if follows and not name else "Street"


_NO_STREET = listed(
    "Visit See In The At On To From Near And Mount Fort Port Is Was Are Of By My Our Saint Go Ask",
)
