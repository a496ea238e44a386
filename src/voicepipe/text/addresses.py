"""Read addresses and names of the net and of code: URLs, e-mail, files, paths, versions, snake_case."""

from __future__ import annotations

import re

from voicepipe.text.abbreviations import PAIRS
from voicepipe.text.lexicon import Lexicon
from voicepipe.text.numbers import cardinal, digits
from voicepipe.text.words import listed

__all__ = ["read_addresses"]

_TOP = (
    "com|org|net|io|ai|dev|app|edu|gov|mil|int|info|biz|me|tv|co|uk|us|ca|au|nz|ie|de|at|ch|fr|es|it|nl|be|pl|pt|se|no|dk"
    "|fi|eu|jp|cn|in|br|ru|kr|mx|example|test|local|xyz|tech|cloud|page|site|online"
)
_HOST = rf"(?:[\w-]+\.)+(?:{_TOP})"
_EMAIL = re.compile(r"(?:mailto:)?([\w.+-]+)@((?:[\w-]+\.)+[A-Za-z]{2,})")
_URL = re.compile(
    rf"(?:https?|ftp|wss?)://([^\s/?#\"'<>)]+)([^\s\"'<>]*)|(?<![\w@.])({_HOST}|localhost)(:\d+)?(/[^\s\"'<>]*)?(?![\w@])"
)
_IP = re.compile(r"(?<![\w.])(\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?)(?:/(\d{1,2}))?(?![\w.]*\d)")
_VERSION = re.compile(r"(?<![\w.])([vV])?(\d+(?:\.\d+)+)((?:-?(?:alpha|beta|rc|dev|b|a)\.?\d*)?)(?![\w,]|\.\d)")
_FILE = re.compile(
    r"(?<![\w.])([\w-]+(?:\.[\w-]+)*)\.(txt|py|js|ts|jsx|tsx|md|pdf|html?|css|csv|tsv|xml|json|ya?ml|toml|ini|cfg|log|jpe?g|png"
    r"|gif|svg|mp3|mp4|wav|ogg|zip|gz|tar|exe|sh|bat|rs|go|java|c|cpp|h|rb|php|sql|docx?|xlsx?|pptx?|env|lock|gguf|onnx)\b",
)
_NO_FILES = frozenset(pair.replace(" ", "").rstrip(".") for pair in PAIRS)  # "d.h" is no header of C
_PATH = re.compile(r"(?<![\w/.])((?:~|\.{1,2})?(?:/[\w.@+-]+)+/?)(?![\w/])")
_HANDLE = re.compile(r"(?<![\w.])@(?=\w)")
_SNAKE = re.compile(r"\b[^\W\d_]\w*?_\w*\w\b")
_CAMEL = re.compile(r"\b[a-z]{2,}(?:[A-Z][a-z]+)+\b")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SPELLED = listed(
    "txt py js ts jsx tsx md pdf html htm css csv tsv xml ini cfg jpg png svg mp3 mp4 gz exe rs cpp",
    "rb php sql uk us tv xlsx docx pptx gguf https http www io ai eu de fr jp cn nz dk",
)  # fmt: skip
_EITHER = re.compile(r"[^\W\d_]{2,}(?:/[^\W\d_]{2,})+")
_SHORT = re.compile(r"(?<![\w/])(?:[wW]/o|[wW]/|[cC]/o|[nN]/[aA]|b/c)(?!\w)")
_IN_FULL = {"w/o": "without", "w/": "with", "c/o": "care of", "n/a": "not applicable", "b/c": "because"}


def read_addresses(text: str, words: Lexicon) -> str:
    """Return a text with addresses, files, paths, versions and names of code in words.

    >>> from voicepipe.text.lexicon import lexicon
    >>> read_addresses("me@example.com, see www.example.com/a_b", lexicon("en"))
    'me at example dot com, see w w w dot example dot com slash a b'
    """
    if "@" in text:
        text = _EMAIL.sub(lambda one: f"{_name(one[1], words)} {words.signs['@']} {_name(one[2], words)}", text)
    if "." in text or "://" in text or "localhost" in text:
        text = _URL.sub(lambda one: _url(one, words), text)
        text = _IP.sub(lambda one: _ip(one, words), text)
        text = _VERSION.sub(lambda one: _version(one, words), text)
        text = _FILE.sub(lambda one: one[0] if one[0] in _NO_FILES else _name(one[0], words), text)
    if "/" in text:
        text = _PATH.sub(lambda one: _path(one[1], words), text)
        if words.language == "en":
            text = _SHORT.sub(lambda one: _IN_FULL[one[0].lower()], text)
        text = _EITHER.sub(lambda one: one[0] if one[0] in words.units else one[0].replace("/", " "), text)
    text = _HANDLE.sub(f"{words.signs['@']} ", text)
    if "_" in text:
        text = _SNAKE.sub(lambda one: one[0].replace("_", " "), text)
    return _CAMEL.sub(lambda one: one[0] if one[0] in words.units else _HUMP.sub(" ", one[0]).lower(), text)


def _url(one: re.Match[str], words: Lexicon) -> str:
    """Return host and path in words; a query is not read."""
    host, path = (one[1], one[2]) if one[1] else (one[3], one[5] or "")
    if one[4]:
        host += one[4]
    path, stop = re.fullmatch(r"(.*?)([.,;:!?)]*)", re.split(r"[?#]", path)[0] + _stop_of(path), re.DOTALL).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return _name(host, words) + (f" {_path(path, words)}" if path.strip("/") else "") + stop


def _stop_of(path: str) -> str:
    """Return the punctuation behind a query, which belongs to the sentence."""
    query = re.search(r"[?#].*?([.,;:!?)]*)$", path)
    return query[1] if query else ""


def _path(path: str, words: Lexicon) -> str:
    stop = path[len(path.rstrip(".")) :]
    parts = [_name(part, words) for part in path.rstrip("./").split("/") if part and part != "~"]
    said = f" {words.signs['slash']} ".join(parts)
    return (f"{words.signs['slash']} {said}" if path.startswith("/") else said) + stop


_READ_AS = {"usr": "user", "etc": "et cetera", "src": "source", "tmp": "temp", "lib": "lib", "bin": "bin"}


def _name(name: str, words: Lexicon) -> str:
    """Return a name of dots, dashes and underscores in words; what is not a word is spelled."""
    said: list[str] = []
    for part in re.findall(r"[^\W\d_]+|\d+|[.:+@-]|_", name):
        if part in ".:":
            said.append(words.signs["."] if part == "." else "")
        elif part in "-_":
            said.append(words.signs["dash"] if part == "-" else "")
        elif part == "+":
            said.append(words.signs["+"])
        elif part.isdecimal():
            said.append(cardinal(int(part), words.language) if len(part) < 3 else digits(part, words.language))
        else:
            said.append(" ".join(part) if part.lower() in _SPELLED else _READ_AS.get(part) or part)
    return " ".join(filter(None, said))


def _ip(one: re.Match[str], words: Lexicon) -> str:
    prefix = f" {words.signs['slash']} {cardinal(int(one[2]), words.language)}" if one[2] else ""
    return _dotted(one[1], words, each=True) + prefix


def _dotted(numbers: str, words: Lexicon, *, each: bool) -> str:
    parts = [part for part in re.split(r"[.:]", numbers) if part]
    said = [digits(part, words.language) if each else cardinal(int(part), words.language) for part in parts]
    return f" {words.signs['.']} ".join(said)


def _version(one: re.Match[str], words: Lexicon) -> str:
    """Return a version in words; a decimal number is none."""
    letter, numbers, tail = one.groups()
    if not letter and re.fullmatch(r"\d{1,2}\.\d{1,2}\.(?:19|20)\d\d", numbers):
        return one[0]  # a date
    if not letter and numbers.count(".") == 1 and not tail:
        return one[0]
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+", numbers) and not letter:
        return one[0]  # thousands, as in German
    point = "point" if words.language == "en" else words.signs["."]
    said = f" {point} ".join(cardinal(int(part), words.language) for part in numbers.split("."))
    return (
        (f"{words.signs['version']} " if letter else "")
        + said
        + (f" {tail.strip('-').replace('.', ' ')}" if tail else "")
    )
