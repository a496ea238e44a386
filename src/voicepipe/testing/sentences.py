"""Sentences that people write and programs read: a template is both the grammar and the way to print.

A template is the sentence itself, with three signs in it::

    The LLM answers {asked:quote} with {answer:quote}[ after {after_s:time}]
    the bot (has said|says) {text:quote}

``{name:kind}`` is a value, ``[…]`` may be left out, of ``(…|…)`` one is said (printed is the first). Small and large
letters, the width of spaces and a full stop at the end do not count.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from functools import cache
from typing import Any, ClassVar, TypeAlias, TypeVar

__all__ = ["ScenarioError", "Sentence", "bare", "called", "nearest", "read", "read_as", "show_time"]


class ScenarioError(ValueError):
    """A text is no scenario; the message names the line, shows it, and says what may have been meant."""


class Sentence:
    """A frozen dataclass with a `template`: `str()` of it is the sentence, `read` finds it in a text."""

    template: ClassVar[str]

    def __str__(self) -> str:
        return self.told_as(self.template)

    def told_as(self, template: str) -> str:
        """The sentence in other words."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # pyright: ignore
        return "".join(_printed(_parsed(template), values))


S = TypeVar("S", bound=Sentence)


def read(text: str, kinds: Iterable[type[S]]) -> S | None:
    """The first of the kinds of sentence that `text` is; None if it is none of them."""
    return next((found for kind in kinds if (found := read_as(text, kind, kind.template)) is not None), None)


def read_as(text: str, kind: type[S], template: str) -> S | None:
    """`text` as one kind of sentence, said as `template` says it."""
    match = _pattern(template).fullmatch(text.strip().rstrip("."))
    return None if match is None else kind(**_values(template, match))


def nearest(text: str, templates: Sequence[str]) -> str:
    """The template that looks most like `text`, with examples for its values."""
    bones = bare(text)

    def likeness(example: str) -> float:
        short = re.sub(r"\[[^]]*\]", "", example)
        return max(SequenceMatcher(None, bones, bare(text)).ratio() for text in (short, re.sub(r"[\[\]]", "", example)))

    return max(map(_example, templates), key=likeness)


def bare(text: str) -> str:
    """The sentence without what is particular to it: quotes are empty, numbers are 0, letters are small."""
    text = re.sub(r"[\"“][^\"”]*[\"”]", '""', text.lower())
    return re.sub(rf"\d+(?:\.\d+)?\s*(?:{_UNITS})\b", "0 s", text)


def show_time(seconds: float) -> str:
    """``200 ms`` or ``2.5 s``."""
    return f"{round(seconds * 1000, 3):g} ms" if 0 < abs(seconds) < 1 else f"{round(seconds, 6):g} s"


# ---- values ----------------------------------------------------------------------------------------------------------

_UNITS = "ms|milliseconds?|s|seconds?|min|minutes?"


@dataclass(frozen=True)
class _Kind:
    pattern: str
    example: str

    def value(self, text: str) -> Any:
        raise NotImplementedError

    def shown(self, value: Any) -> str:
        return str(value)


class _Time(_Kind):
    def value(self, text: str) -> float:
        number, unit = re.fullmatch(rf"([\d.]+)\s*({_UNITS})", text, re.IGNORECASE).groups()  # pyright: ignore
        seconds = 0.001 if unit.startswith("m") and not unit.startswith("min") else 1
        return round(float(number) * (60 if unit.startswith("min") else seconds), 6)

    def shown(self, value: float) -> str:
        return show_time(value)


class _Quote(_Kind):
    def value(self, text: str) -> str:
        return " ".join(text[1:-1].split())

    def shown(self, value: str) -> str:
        return f"“{value}”" if '"' in value else f'"{value}"'


class _Call(_Kind):
    def value(self, text: str) -> str:
        text = text.replace("“", '"').replace("”", '"')
        called(text)
        return text


def called(text: str) -> tuple[str, dict[str, Any]]:
    """A function and its arguments, by name, as Python writes them. Raises ScenarioError.

    >>> called('book(at="18:30", people=2)')
    ('book', {'at': '18:30', 'people': 2})
    """
    try:
        match ast.parse(text, mode="eval").body:
            case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords):
                return name, {str(one.arg): ast.literal_eval(one.value) for one in keywords}
            case _:
                pass
    except (SyntaxError, ValueError):
        pass
    raise ScenarioError(f'a function is called with its arguments by name, as look(at="the door") is: not {text}')


class _Number(_Kind):
    def value(self, text: str) -> int:
        return int(text)


class _Words(_Kind):
    def value(self, text: str) -> int:
        return int(text.split()[0])

    def shown(self, value: int) -> str:
        return f"{value} word{'' if value == 1 else 's'}"


class _Percent(_Kind):
    def value(self, text: str) -> float:
        return float(text.rstrip("% ")) / 100

    def shown(self, value: float) -> str:
        return f"{value * 100:g} %"


_KINDS: Mapping[str, _Kind] = {
    "time": _Time(rf"\d+(?:\.\d+)?\s*(?:{_UNITS})", "2 s"),
    "quote": _Quote(r"\"[^\"]*\"|“[^”]*”", '"…"'),
    "call": _Call(r"\w+\((?:[^()\"“”]|\"[^\"]*\"|“[^”]*”)*\)", 'look(at="the door")'),
    "number": _Number(r"\d+", "3"),
    "words": _Words(r"\d+ words?", "3 words"),
    "percent": _Percent(r"\d+(?:\.\d+)?\s*%", "90 %"),
}


# ---- templates -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Value:
    name: str
    kind: _Kind


@dataclass(frozen=True)
class _Optional:
    parts: list[_Part]


@dataclass(frozen=True)
class _Choice:
    texts: list[str]


_Part: TypeAlias = "str | _Value | _Optional | _Choice"
_TOKEN = re.compile(r"(\{\w+:\w+\}|\[|\]|\([^)]*\))")


@cache
def _parsed(template: str) -> list[_Part]:
    return _parts(iter(filter(None, _TOKEN.split(template))))


def _parts(tokens: Iterator[str]) -> list[_Part]:
    parts: list[_Part] = []
    for token in tokens:
        if token == "]":
            break
        if token == "[":
            parts.append(_Optional(_parts(tokens)))
        elif token[0] == "{":
            name, kind = token[1:-1].split(":")
            parts.append(_Value(name, _KINDS[kind]))
        else:
            parts.append(_Choice(token[1:-1].split("|")) if token[0] == "(" else token)
    return parts


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(_regex(_parsed(template)), re.IGNORECASE)


def _regex(parts: Sequence[_Part]) -> str:
    return "".join(map(_regex_of, parts))


def _regex_of(part: _Part) -> str:
    match part:
        case str():
            return _literal(part)
        case _Value(name, kind):
            return f"(?P<{name}>{kind.pattern})"
        case _Optional(parts):
            return f"(?:{_regex(parts)})?"
        case _Choice(texts):
            return f"(?:{'|'.join(map(_literal, texts))})"


def _literal(text: str) -> str:
    return re.sub(r"(?:\\ )+", r"\\s+", re.escape(text))


def _values(template: str, match: re.Match[str]) -> dict[str, Any]:
    """The values that the sentence has; what stands in a part that was left out keeps its default."""
    kinds = {value.name: value.kind for value in _all_values(_parsed(template))}
    return {name: kinds[name].value(text) for name, text in match.groupdict().items() if text is not None}


def _all_values(parts: Iterable[_Part]) -> Iterator[_Value]:
    for part in parts:
        if isinstance(part, _Value):
            yield part
        elif isinstance(part, _Optional):
            yield from _all_values(part.parts)


def _printed(parts: Iterable[_Part], values: Mapping[str, Any]) -> Iterator[str]:
    for part in parts:
        match part:
            case str():
                yield part
            case _Value(name, kind):
                yield kind.shown(values[name])
            case _Optional(inner):
                if all(values[value.name] is not None for value in _all_values(inner)):
                    yield from _printed(inner, values)
            case _Choice(texts):
                yield texts[0]


def _example(template: str) -> str:
    return "".join(_examples(_parsed(template)))


def _examples(parts: Iterable[_Part]) -> Iterator[str]:
    for part in parts:
        match part:
            case str():
                yield part
            case _Value(_, kind):
                yield kind.example
            case _Optional(inner):
                yield from ("[", *_examples(inner), "]")
            case _Choice(texts):
                yield texts[0]
