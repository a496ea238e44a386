"""From text to a checked message, for all dialects: errors are one sentence with the path of the field."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from voicepipe.events import InputRejected
from voicepipe.services.finite_json import FINITE_JSON

__all__ = ["ClientEvent", "Rejected", "audio_bytes", "explain", "parse", "parse_object"]

M = TypeVar("M", bound="ClientEvent")

# The most characters of the client's own text that an error message repeats.
_SHOWN = 80
# Only sound is long: other messages have fewer characters, so that reading one takes a few milliseconds.
_LONG = 200_000
# The two characters of base64 that have another form in URLs.
_URL_SAFE = str.maketrans("-_", "+/")
# How many JSON values a message may have. pydantic takes up to 6 µs for each that is wrong: 20 ms for so many.
_VALUES = 3_000
# The limit of nested JSON: merging and repeating recurse, and the stack's depth depends on Python's version.
_LEVELS = 64


class ClientEvent(BaseModel):
    """The fields of every client message. Unknown keys are tolerated, wrong types are not."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    type: str
    event_id: str | None = None


class Rejected(Exception):
    """A message is invalid; `why` is the event for the client."""

    def __init__(self, why: InputRejected) -> None:
        super().__init__(why.message)
        self.why = why


def parse(text: str, events: TypeAdapter[M]) -> M:
    """Return the checked event. Raises `Rejected`."""
    value = parse_object(text)
    try:
        return events.validate_python(value)
    except ValidationError as error:
        raise Rejected(explain(error, value)) from None


def parse_object(text: str) -> dict[str, Any]:
    """Return a message that is a JSON object of a bearable size. Raises `Rejected`."""
    separators = text.count(",") + text.count(":") + text.count("[")  # as many as values, at least
    _check_size(text, separators)
    return _json_object(text, separators)


def audio_bytes(text: str, param: str, message_id: str | None) -> bytes:
    """Decode base64, in lines or in one, padded or not, with `+/` or `-_` (RFC 4648). Raises `Rejected`."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        pass  # the fast path: few clients write it otherwise
    plain = "".join(text.split()).rstrip("=").translate(_URL_SAFE)
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        what = f"Invalid '{param}': not base64 ({_lower(str(error))})."
        raise Rejected(InputRejected("invalid_audio", what, param, message_id)) from None


def _check_size(text: str, separators: int) -> None:
    """Reject a message that would take long to read, before it is read. Base64 has no separators."""
    if len(text) > _LONG and (separators > _VALUES or "audio" not in text):
        what = f"The message has {len(text)} characters; only one with sound may have more than {_LONG}."
        raise Rejected(InputRejected("message_too_long", what))


def _json_object(text: str, separators: int) -> dict[str, Any]:
    value = _json(text, separators)
    if not isinstance(value, dict):
        raise Rejected(InputRejected("invalid_json", f"The message must be a JSON object, not {_kind(value)}."))
    return cast(dict[str, Any], value)


def _json(text: str, separators: int) -> object:
    try:
        value = FINITE_JSON.decode(text)
    except json.JSONDecodeError as error:
        what = f"The message is not JSON: {_lower(error.msg)} at character {error.pos}."
        raise Rejected(InputRejected("invalid_json", what)) from None
    except (ValueError, RecursionError):
        what = "The message is not JSON that can be read: a number is too large, or it is nested too deeply."
        raise Rejected(InputRejected("invalid_json", what)) from None
    if text.count("{") + text.count("[") > _LEVELS and _levels(value) > _LEVELS:
        what = f"The message is nested too deeply: more than {_LEVELS} levels."
        raise Rejected(InputRejected("invalid_json", what, message_id=_readable_id(value)))
    if separators > _VALUES and _values(value) > _VALUES:
        what = f"The message has more than {_VALUES} values."
        raise Rejected(InputRejected("message_too_complex", what, message_id=_readable_id(value)))
    if "\\u" in text and not _is_unicode(value):
        what = "The message holds half of a surrogate pair, which is no text."
        raise Rejected(InputRejected("invalid_json", what, message_id=_readable_id(value)))
    return value


def _levels(value: Any) -> int:
    """Return the depth of nesting; without recursion, since the depth is not bounded yet."""
    levels, level = 0, [value]
    while level := [inside for one in level for inside in _inside(one)]:
        levels += 1
    return levels


def _values(value: Any) -> int:
    """Count the values in JSON, as far as the limit."""
    count, waiting = 0, [value]
    while waiting and count <= _VALUES:
        inside = list(_inside(waiting.pop()))
        count += len(inside)
        waiting += inside
    return count


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()  # pyright: ignore


def _readable_id(value: Any) -> str | None:
    event_id: object = cast("dict[str, Any]", value).get("event_id") if isinstance(value, dict) else None
    return event_id if isinstance(event_id, str) and _is_unicode(event_id) else None


def _is_unicode(value: Any) -> bool:
    """Reject halves of surrogate pairs, which JSON can contain and no encoding can write."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def explain(error: ValidationError, value: dict[str, Any]) -> InputRejected:
    """Return the first mistake. The paths of the others often follow from it."""
    first = error.errors(include_url=False)[0]
    kind, context = first["type"], first.get("ctx", {})
    path = _path(first["loc"], value, ends_in_missing=kind == "missing")
    event_id: object = value.get("event_id")
    told = event_id if isinstance(event_id, str) else None
    match kind:
        case "missing":
            return InputRejected("missing_required_parameter", f"Missing required parameter: '{path}'.", path, told)
        case "union_tag_not_found":
            param = _join(path, "type")
            return InputRejected("missing_required_parameter", f"Missing required parameter: '{param}'.", param, told)
        case "union_tag_invalid":
            param = _join(path, "type")
            what = f"Invalid value for '{param}': {_shown(str(context['tag']))}. Supported: {context['expected_tags']}."
            return InputRejected("invalid_value", what, param, told)
        case _:
            code = "invalid_type" if kind.endswith("_type") else "invalid_value"
            if not path:  # of several fields together
                return InputRejected(code, f"Invalid message: {_lower(_plain(first['msg']))}.", None, told)
            return InputRejected(code, f"Invalid value for '{path}': {_lower(_plain(first['msg']))}.", path, told)


def _path(loc: Sequence[str | int], value: Any, *, ends_in_missing: bool) -> str:
    """Return ``session.instructions.type``: pydantic's location without the tags of unions, which are internal."""
    keys: list[str] = []
    for key in loc[:-1] if ends_in_missing else loc:
        if (isinstance(value, dict) and key in value) or (isinstance(value, list) and isinstance(key, int)):
            keys.append(str(key))
            value = cast(Any, value[key])
    if ends_in_missing:
        keys.append(str(loc[-1]))
    return ".".join(keys)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _plain(message: str) -> str:
    """Translate pydantic's dictionaries and instances to JSON's terms."""
    return (
        "should be an object"
        if "dictionary" in message
        else message.removeprefix("Input ").removeprefix("Value error, ")
    )


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "a number"
