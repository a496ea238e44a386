"""Abbreviations: which may end a sentence, what follows them, and how they are read.

Upper and lower case count: "Sat." is a day, "sat." ends a sentence.
"""

from __future__ import annotations

from voicepipe.text.words import listed

__all__ = [
    "ANSWERS",
    "CAPITALISED_FOLLOWS",
    "MONTHS",
    "NEVER_LAST",
    "NUMBER_FOLLOWS",
    "OFTEN_LAST",
    "READINGS",
    "STARTERS",
    "UNITS_WITH_DOT",
]

NEVER_LAST = listed(
    "Mr Mrs Ms Messrs Dr Drs Prof Gen Sen Rep Rev Hon Capt Lt Col Sgt Cpl Maj Adm Cmdr Gov Pres Supt Msgr",
    "Fr Mt Ft mr mrs ms dr prof Hr Mme Mlle Sra Srta Dra Ud Uds Nr Bd Bros e.g i.e eg ie cf viz vs approx",
    "ca c.f z.B d.h u.a p.ej med resp bzw ggf evtl inkl ex",
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
    "Yesterday Yet You You're Your Aber Das Der Die Ein Eine Er Es Ich Ist Sie Und Wir Il Elle Je Le",
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
    "avg": "average", "temp": "temperature",
}  # fmt: skip
"""Readings of abbreviations with a full stop, in English."""

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
