"""The words with which signs, units and money are read, by language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["LANGUAGES", "Lexicon", "lexicon"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """The reading of signs in one language.

    Args:
        language: its code, as num2words has it
        signs: mathematical and other signs
        money: by sign or code: the unit in singular and plural, and its hundredth in singular and plural
        units: by abbreviation: singular and plural
        scales: letters and words behind amounts of money
        months: their twelve names
        joint: the word between a whole and its hundredths ("and")
        clock: a template of the hour and the minute
        full_hour: a template of the hour alone
    """

    language: str
    signs: Mapping[str, str]
    money: Mapping[str, tuple[str, str, str, str]]
    units: Mapping[str, tuple[str, str]]
    scales: Mapping[str, str]
    months: tuple[str, ...]
    joint: str
    clock: str
    full_hour: str


def _units(*rows: str) -> dict[str, tuple[str, str]]:
    """Return a table of rows "abbreviation… = singular, plural"."""
    table: dict[str, tuple[str, str]] = {}
    for row in rows:
        names, _, words = row.partition(" = ")
        one, _, many = words.partition(", ")
        table.update(dict.fromkeys(names.split(), (one, many or one)))
    return table


_EN = Lexicon(
    language="en",
    signs={
        "+": "plus", "-": "minus", "−": "minus", "*": "times", "×": "times", "·": "times", "÷": "divided by",
        "/": "divided by", "=": "equals", "==": "equals", "≠": "is not equal to", "!=": "is not equal to",
        "<": "less than", ">": "greater than", "<=": "less than or equal to", "≤": "less than or equal to",
        ">=": "greater than or equal to", "≥": "greater than or equal to", "≈": "about", "~": "about",
        "±": "plus or minus", "^": "to the power of", "²": "squared", "³": "cubed", "√": "square root of",
        "%": "percent", "‰": "per mille", "&": "and", "@": "at", ".": "dot", "slash": "slash", "_": "underscore",
        "dash": "dash", "#": "hashtag", "number": "number", "to": "to", "version": "version", "degree": "degree",
        "degrees": "degrees", "C": "Celsius", "F": "Fahrenheit", "§": "section", "©": "copyright", "π": "pi",
        "°": "degrees", "∞": "infinity", "→": "to", "⇒": "to", "euro": "euros",
        "half": "one half", "by": "by", "of": "out of", "per": "per",
    },
    money={
        "$": ("dollar", "dollars", "cent", "cents"), "USD": ("dollar", "dollars", "cent", "cents"),
        "€": ("euro", "euros", "cent", "cents"), "EUR": ("euro", "euros", "cent", "cents"),
        "£": ("pound", "pounds", "penny", "pence"), "GBP": ("pound", "pounds", "penny", "pence"),
        "¥": ("yen", "yen", "sen", "sen"), "JPY": ("yen", "yen", "sen", "sen"),
        "₹": ("rupee", "rupees", "paisa", "paise"), "INR": ("rupee", "rupees", "paisa", "paise"),
        "₩": ("won", "won", "jeon", "jeon"), "CHF": ("franc", "francs", "centime", "centimes"),
        "¢": ("cent", "cents", "", ""),
    },
    units=_units(
        "km = kilometer, kilometers", "cm = centimeter, centimeters", "mm = millimeter, millimeters",
        "m = meter, meters", "nm = nanometer, nanometers", "µm μm = micrometer, micrometers",
        "kg = kilogram, kilograms", "g = gram, grams", "mg = milligram, milligrams", "µg = microgram, micrograms",
        "t = ton, tons", "lb lb. = pound, pounds", "lbs lbs. = pounds, pounds", "oz oz. = ounce, ounces",
        "ft ft. = foot, feet", "in. = inch, inches", "yd yd. = yard, yards", "mi mi. = mile, miles",
        "l L = liter, liters", "ml mL = milliliter, milliliters", "km/h kph = kilometer per hour, kilometers per hour",
        "m/s = meter per second, meters per second", "mph = mile per hour, miles per hour", "Hz = hertz",
        "kHz = kilohertz", "MHz = megahertz", "GHz = gigahertz", "kB KB = kilobyte, kilobytes",
        "MB = megabyte, megabytes", "GB = gigabyte, gigabytes", "TB = terabyte, terabytes",
        "Mbps Mbit/s = megabit per second, megabits per second", "Gbps = gigabit per second, gigabits per second",
        "h hr hr. = hour, hours", "hrs hrs. = hours, hours", "min min. = minute, minutes",
        "mins mins. = minutes, minutes", "s sec sec. = second, seconds", "secs secs. = seconds, seconds",
        "ms = millisecond, milliseconds", "µs = microsecond, microseconds", "V = volt, volts", "W = watt, watts",
        "kW = kilowatt, kilowatts", "kWh = kilowatt hour, kilowatt hours", "A = ampere, amperes",
        "mAh = milliampere hour, milliampere hours", "dB = decibel, decibels", "kcal = kilocalorie, kilocalories",
        "km² km2 = square kilometer, square kilometers", "m² m2 = square meter, square meters",
        "m³ m3 = cubic meter, cubic meters", "cm³ cm3 = cubic centimeter, cubic centimeters",
        "mmHg = millimeter of mercury, millimeters of mercury", "hPa = hectopascal, hectopascals",
        "kPa = kilopascal, kilopascals", "psi = pound per square inch, pounds per square inch",
        "kJ = kilojoule, kilojoules",
        "mg/dL = milligram per deciliter, milligrams per deciliter", "g/L = gram per liter, grams per liter",
        "mg/L = milligram per liter, milligrams per liter", "mmol/L = millimole per liter, millimoles per liter",
        "bpm = beat per minute, beats per minute", "rpm = revolution per minute, revolutions per minute",
        "ppm = part per million, parts per million", "ha = hectare, hectares", "gal gal. = gallon, gallons",
        "yr yr. = year, years", "yrs yrs. = years, years", "wk wk. = week, weeks", "wks wks. = weeks, weeks",
        "Ω = ohm, ohms", "kΩ = kiloohm, kiloohms", "px = pixel, pixels",
        "fps = frame per second, frames per second", "°C = degree Celsius, degrees Celsius",
        "°F = degree Fahrenheit, degrees Fahrenheit", "° = degree, degrees", "tbsp = tablespoon, tablespoons",
        "tsp = teaspoon, teaspoons",
    ),
    scales={"k": "thousand", "K": "thousand", "M": "million", "m": "million", "B": "billion", "b": "billion",
            "bn": "billion", "T": "trillion", "thousand": "thousand", "million": "million", "billion": "billion",
            "trillion": "trillion", "hundred": "hundred"},
    months=("January", "February", "March", "April", "May", "June",
            "July", "August", "September", "October", "November", "December"),
    joint="and",
    clock="{hour} {minute}",
    full_hour="{hour} o'clock",
)  # fmt: skip

_DE = Lexicon(
    language="de",
    signs={
        "+": "plus", "-": "minus", "−": "minus", "*": "mal", "×": "mal", "·": "mal", "÷": "geteilt durch",
        "/": "geteilt durch", ":": "geteilt durch", "=": "gleich", "==": "gleich", "≠": "ungleich", "!=": "ungleich",
        "<": "kleiner als", ">": "größer als", "<=": "kleiner oder gleich", "≤": "kleiner oder gleich",
        ">=": "größer oder gleich", "≥": "größer oder gleich", "≈": "ungefähr", "~": "ungefähr",
        "±": "plus minus", "^": "hoch", "²": "Quadrat", "³": "hoch drei", "√": "Wurzel aus", "%": "Prozent",
        "‰": "Promille", "&": "und", "@": "at", ".": "Punkt", "slash": "Schrägstrich", "_": "Unterstrich",
        "dash": "Strich", "#": "Hashtag", "number": "Nummer", "to": "bis", "version": "Version", "degree": "Grad",
        "degrees": "Grad", "C": "Celsius", "F": "Fahrenheit", "§": "Paragraf", "©": "Copyright", "π": "Pi",
        "°": "Grad", "∞": "unendlich", "→": "nach", "⇒": "nach",
        "half": "ein halb", "by": "mal", "of": "von", "per": "pro",
    },
    money={"€": ("Euro", "Euro", "Cent", "Cent"), "EUR": ("Euro", "Euro", "Cent", "Cent"),
           "$": ("Dollar", "Dollar", "Cent", "Cent"), "USD": ("Dollar", "Dollar", "Cent", "Cent"),
           "£": ("Pfund", "Pfund", "Penny", "Pence"), "¥": ("Yen", "Yen", "Sen", "Sen"),
           "CHF": ("Franken", "Franken", "Rappen", "Rappen")},
    units=_units(
        "km = Kilometer", "cm = Zentimeter", "mm = Millimeter", "m = Meter", "kg = Kilogramm", "g = Gramm",
        "mg = Milligramm", "t = Tonne, Tonnen", "l L = Liter", "ml = Milliliter", "km/h = Kilometer pro Stunde",
        "h Std. = Stunde, Stunden", "min Min. = Minute, Minuten", "s Sek. = Sekunde, Sekunden",
        "ms = Millisekunde, Millisekunden", "GB = Gigabyte", "MB = Megabyte", "kB KB = Kilobyte", "Hz = Hertz",
        "kHz = Kilohertz", "MHz = Megahertz", "GHz = Gigahertz", "kWh = Kilowattstunde, Kilowattstunden",
        "kW = Kilowatt",
        "W = Watt", "V = Volt", "°C = Grad Celsius", "°F = Grad Fahrenheit", "° = Grad",
        "m² m2 = Quadratmeter", "km² = Quadratkilometer", "Uhr = Uhr",
    ),
    scales={"Mio": "Millionen", "Mio.": "Millionen", "Mrd": "Milliarden", "Mrd.": "Milliarden",
            "Millionen": "Millionen", "Milliarden": "Milliarden", "Tausend": "tausend"},
    months=("Januar", "Februar", "März", "April", "Mai", "Juni",
            "Juli", "August", "September", "Oktober", "November", "Dezember"),
    joint="und",
    clock="{hour} Uhr {minute}",
    full_hour="{hour} Uhr",
)  # fmt: skip

_FR = Lexicon(
    language="fr",
    signs={
        "+": "plus", "-": "moins", "−": "moins", "*": "fois", "×": "fois", "·": "fois", "÷": "divisé par",
        "/": "divisé par", "=": "égale", "==": "égale", "≠": "différent de", "!=": "différent de",
        "<": "inférieur à", ">": "supérieur à", "<=": "inférieur ou égal à", "≤": "inférieur ou égal à",
        ">=": "supérieur ou égal à", "≥": "supérieur ou égal à", "≈": "environ", "~": "environ",
        "±": "plus ou moins", "^": "puissance", "²": "au carré", "³": "au cube", "√": "racine carrée de",
        "%": "pour cent", "‰": "pour mille", "&": "et", "@": "arobase", ".": "point", "slash": "barre oblique",
        "_": "tiret bas", "dash": "tiret", "#": "hashtag", "number": "numéro", "to": "à", "version": "version",
        "degree": "degré", "degrees": "degrés", "C": "Celsius", "F": "Fahrenheit", "§": "paragraphe",
        "©": "copyright", "π": "pi", "°": "degrés", "∞": "infini", "→": "vers", "⇒": "vers",
        "half": "un demi", "by": "sur", "of": "sur", "per": "par",
    },
    money={"€": ("euro", "euros", "centime", "centimes"), "EUR": ("euro", "euros", "centime", "centimes"),
           "$": ("dollar", "dollars", "cent", "cents"), "USD": ("dollar", "dollars", "cent", "cents"),
           "£": ("livre", "livres", "penny", "pence"), "¥": ("yen", "yens", "sen", "sen"),
           "CHF": ("franc", "francs", "centime", "centimes")},
    units=_units(
        "km = kilomètre, kilomètres", "cm = centimètre, centimètres", "mm = millimètre, millimètres",
        "m = mètre, mètres", "kg = kilogramme, kilogrammes", "g = gramme, grammes",
        "mg = milligramme, milligrammes", "t = tonne, tonnes", "l L = litre, litres", "ml = millilitre, millilitres",
        "km/h = kilomètre par heure, kilomètres par heure", "h = heure, heures", "min = minute, minutes",
        "s = seconde, secondes", "ms = milliseconde, millisecondes", "Go = gigaoctet, gigaoctets",
        "Mo = mégaoctet, mégaoctets", "Hz = hertz", "kHz = kilohertz", "MHz = mégahertz", "GHz = gigahertz",
        "kWh = kilowattheure, kilowattheures", "W = watt, watts", "V = volt, volts",
        "°C = degré Celsius, degrés Celsius", "° = degré, degrés", "m² m2 = mètre carré, mètres carrés",
    ),
    scales={"millions": "millions d'", "milliards": "milliards d'", "million": "million d'", "k": "mille"},
    months=("janvier", "février", "mars", "avril", "mai", "juin",
            "juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    joint="et",
    clock="{hour} {minute}",
    full_hour="{hour}",
)  # fmt: skip

_ES = Lexicon(
    language="es",
    signs={
        "+": "más", "-": "menos", "−": "menos", "*": "por", "×": "por", "·": "por", "÷": "dividido por",
        "/": "dividido por", "=": "es igual a", "==": "es igual a", "≠": "no es igual a", "!=": "no es igual a",
        "<": "menor que", ">": "mayor que", "<=": "menor o igual que", "≤": "menor o igual que",
        ">=": "mayor o igual que", "≥": "mayor o igual que", "≈": "aproximadamente", "~": "aproximadamente",
        "±": "más menos", "^": "elevado a", "²": "al cuadrado", "³": "al cubo", "√": "raíz cuadrada de",
        "%": "por ciento", "‰": "por mil", "&": "y", "@": "arroba", ".": "punto", "slash": "barra",
        "_": "guion bajo", "dash": "guion", "#": "hashtag", "number": "número", "to": "a", "version": "versión",
        "degree": "grado", "degrees": "grados", "C": "Celsius", "F": "Fahrenheit", "§": "sección",
        "©": "copyright", "π": "pi", "°": "grados", "∞": "infinito", "→": "a", "⇒": "a",
        "half": "un medio", "by": "por", "of": "de", "per": "por",
    },
    money={"€": ("euro", "euros", "céntimo", "céntimos"), "EUR": ("euro", "euros", "céntimo", "céntimos"),
           "$": ("dólar", "dólares", "centavo", "centavos"), "USD": ("dólar", "dólares", "centavo", "centavos"),
           "£": ("libra", "libras", "penique", "peniques"), "¥": ("yen", "yenes", "sen", "sen")},
    units=_units(
        "km = kilómetro, kilómetros", "cm = centímetro, centímetros", "mm = milímetro, milímetros",
        "m = metro, metros", "kg = kilogramo, kilogramos", "g = gramo, gramos", "mg = miligramo, miligramos",
        "t = tonelada, toneladas", "l L = litro, litros", "ml = mililitro, mililitros",
        "km/h = kilómetro por hora, kilómetros por hora", "h = hora, horas", "min = minuto, minutos",
        "s = segundo, segundos", "ms = milisegundo, milisegundos", "GB = gigabyte, gigabytes",
        "MB = megabyte, megabytes", "Hz = hercio, hercios", "kWh = kilovatio hora, kilovatios hora",
        "W = vatio, vatios", "V = voltio, voltios", "°C = grado Celsius, grados Celsius", "° = grado, grados",
        "m² m2 = metro cuadrado, metros cuadrados",
    ),
    scales={"millones": "millones de", "millón": "millón de", "mil": "mil"},
    months=("enero", "febrero", "marzo", "abril", "mayo", "junio",
            "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"),
    joint="con",
    clock="{hour} y {minute}",
    full_hour="{hour} en punto",
)  # fmt: skip

_TABLES = {table.language: table for table in (_EN, _DE, _FR, _ES)}

LANGUAGES = tuple(_TABLES)
"""The languages that have words for signs."""


def lexicon(language: str) -> Lexicon:
    """Return the words of a language, by a code such as "en" or "de-AT"; English for one that has none.

    >>> lexicon("de-AT").language, lexicon("en").signs["%"]
    ('de', 'percent')
    """
    return _TABLES.get(language.lower().partition("-")[0], _EN)
