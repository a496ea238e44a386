r"""Function calls that a model writes as text: its server has no parser for the model's form, or does not use it.

The forms are those of chat templates:

- Hermes, Qwen: `<tool_call>{"name": "f", "arguments": {}}</tool_call>`; Qwen-Coder:
  `<tool_call><function=f><parameter=city>Paris</parameter></function></tool_call>`
- Llama: `<|python_tag|>{"name": "f", "parameters": {}}<|eom_id|>`, `<function=f>{}</function>`, or the bare object
- Mistral: `[TOOL_CALLS][{"name": "f", "arguments": {}}]`, `[TOOL_CALLS]f[ARGS]{}`
- Phi, Granite: `<|tool_call|>[{"name": "f", "arguments": {}}]<|/tool_call|>`
- gpt-oss (harmony): a channel `commentary to=functions.f`, its message is the arguments
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

__all__ = ["CALL_MARKERS", "CALL_OPENERS", "NotACall", "WrittenCall", "bare_call", "harmony_call", "written_calls"]


class NotACall(Exception):
    """A text that should be a function call, or a piece of one, is none."""


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call as the model wrote it: `arguments` is JSON."""

    name: str
    arguments: str


_ENDS_OF_LLAMA = frozenset({"<|eom_id|>", "<|eot_id|>"})

CALL_OPENERS: Final[Mapping[str, frozenset[str]]] = {
    "<tool_call>": frozenset({"</tool_call>"}),
    "<|tool_call|>": frozenset({"<|/tool_call|>", "</tool_call>", "<|end|>", "<|end_of_text|>"}),
    "<|python_tag|>": _ENDS_OF_LLAMA,
    "<function=": frozenset({"</function>"}) | _ENDS_OF_LLAMA,
    "[tool_calls]": frozenset({"</s>", "[/tool_calls]"}),
}
"""The end markers of a written call by its start marker. The end of the answer ends it, too."""

CALL_MARKERS: Final = frozenset[str](CALL_OPENERS).union(*CALL_OPENERS.values())

_NAMED = re.compile(r"\s*(?:functions\.)?([\w.-]+)\s*(?:\[call_id\][\w-]*\s*)?(?:\[args\]|(?=\{))", re.IGNORECASE)
_XML = re.compile(r"\s*<function=([\w.-]+)>(.*?)(?:</function>|$)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([\w.-]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_BETWEEN = " \t\r\n;,"
_HARMONY = re.compile(r"\bto=(?:functions\.)?([\w.-]+)")


def written_calls(body: str) -> Iterator[WrittenCall]:
    """Yield the calls between two markers.

    Raises:
        NotACall: The text has no known form.
    """
    rest = body.strip(_BETWEEN)
    if not rest:
        raise NotACall
    while rest:
        if xml := _XML.match(rest):
            yield _of_xml(xml[1], xml[2])
            rest = rest[xml.end() :].strip(_BETWEEN)
            continue
        name, rest = _name(rest)
        value, rest = _json(rest)
        if name:
            yield WrittenCall(name, _arguments(value))
        else:
            yield from _of_json(value)


def bare_call(text: str, names: Collection[str] | None) -> list[WrittenCall] | None:
    """Return the calls that a whole JSON text is; None where it is something else, or not whole.

    Without a marker only a function that was offered (`names`) counts; None: any.
    """
    try:
        calls = list(written_calls(text))
    except NotACall:
        return None
    return calls if (names is None or all(call.name in names for call in calls)) else None


def harmony_call(header: str, body: str) -> WrittenCall | None:
    """Return the call of a harmony message, if its header names a function."""
    named = _HARMONY.search(header)
    return WrittenCall(named[1], body.strip() or "{}") if named else None


def _name(text: str) -> tuple[str, str]:
    """Return the name that stands before the arguments, and the rest."""
    named = _NAMED.match(text)
    return (named[1], text[named.end() :].lstrip()) if named else ("", text)


def _json(text: str) -> tuple[Any, str]:
    """Return the value at the beginning of a text, and the rest."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        raise NotACall from None
    return value, text[end:].strip(_BETWEEN)


def _of_json(value: Any) -> Iterator[WrittenCall]:
    """Yield the calls of an object, or of a list of them."""
    for one in cast("list[Any]", value) if isinstance(value, list) else [value]:
        inner = one.get("function") if isinstance(one, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        call = cast("dict[str, Any]", inner if isinstance(inner, dict) else one)
        named = call.get("name", inner) if isinstance(call, dict) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        given = next((call[key] for key in ("arguments", "parameters", "args") if key in call), None) if named else None
        if not isinstance(named, str) or not named or given is None:
            raise NotACall
        yield WrittenCall(named.removeprefix("functions."), _arguments(given))


def _arguments(given: Any) -> str:
    if isinstance(given, str):
        return given or "{}"
    if not isinstance(given, dict):
        raise NotACall
    return json.dumps(given, ensure_ascii=False)


def _of_xml(name: str, body: str) -> WrittenCall:
    """Return the call of `<function=…>`: its body is JSON, or a list of parameters."""
    if body.strip().startswith("{"):
        return WrittenCall(name, _arguments(_json(body.strip())[0]))
    return WrittenCall(name, _arguments({key: _value(text) for key, text in _PARAMETER.findall(body)}))


def _value(text: str) -> Any:
    """Return a parameter's value: JSON where it is, otherwise the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
