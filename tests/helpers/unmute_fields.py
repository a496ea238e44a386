"""The exact fields of every event that an Unmute client is told, as the protocol has them; nothing of ours is used.

A shape is a type, a set of the values that there are, a list of one shape, a dict (these keys and no others), a tuple
of shapes of which one must fit, or a function that says what is wrong with a value ("" for nothing).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["EVENTS", "wrong_fields"]


def _event_id(value: Any) -> str:
    fits = isinstance(value, str) and re.fullmatch(r"event_[A-Za-z0-9]{21}", value)
    return "" if fits else "is not event_ and 21 letters or digits"


def _word(value: Any) -> str:
    fits = isinstance(value, str) and value and not re.search(r"\s", value)
    return "" if fits else "is not one word without a space"


def _written_word(value: Any) -> str:
    """The first of a reply comes bare, each other one behind its space."""
    return _word(value.removeprefix(" ") if isinstance(value, str) else value)


def _time(value: Any) -> str:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return "" if fits else "is not a time"


def _base64(value: Any) -> str:
    fits = isinstance(value, str) and value and re.fullmatch(r"(?:[A-Za-z0-9+/]{4})*(?:[\w+/]{2}==|[\w+/]{3}=)?", value)
    return "" if fits else "is not base64"


def _parts(value: Any) -> str:
    """Milliseconds by name."""
    fits = isinstance(value, dict) and value and not any(map(_time, value.values()))
    return "" if fits else "is not a time for each part"


NONE = type(None)
MESSAGE = {"role": {"system", "user", "assistant"}, "content": str}

EVENTS: dict[str, dict[str, Any]] = {
    "session.updated": {"session": dict},
    "conversation.item.input_audio_transcription.delta": {"delta": _word, "start_time": _time},
    "input_audio_buffer.speech_started": {},
    "input_audio_buffer.speech_stopped": {},
    "response.created": {
        "response": {
            "object": {"realtime.response"},
            "status": {"in_progress"},
            "voice": str,
            "chat_history": [MESSAGE],
        }
    },
    "unmute.response.text.delta.ready": {"delta": _written_word},
    "response.text.delta": {"delta": _word},
    "response.text.done": {"text": str},
    "response.audio.delta": {"delta": _base64},
    "response.audio.done": {},
    "unmute.interrupted_by_vad": {},
    "unmute.additional_outputs": {
        "args": {"chat_history": [MESSAGE], "debug_dict": ({}, {"total_ms": _time, "parts_ms": _parts})}
    },
    "error": {
        "error": {
            "type": {"warning", "error", "fatal", "invalid_request_error"},
            "message": str,
            "code": str,
            "param": (str, NONE),
            "event_id": (str, NONE),
        }
    },
}
"""Beside `type` and `event_id`, which all have."""


def wrong_fields(event: Any) -> Iterator[str]:
    """The faults in the fields of an event: missing, unknown, or of another shape."""
    kind = event.get("type") if isinstance(event, dict) else None
    if not isinstance(kind, str) or kind not in EVENTS:
        yield f"there is no event {kind!r}"
    else:
        yield from _wrong("", event, {"type": {kind}, "event_id": _event_id, **EVENTS[kind]})


def _wrong(path: str, value: Any, shape: Any) -> Iterator[str]:
    match shape:
        case dict():
            yield from _wrong_keys(path, value, shape)
        case [item]:
            yield from _wrong_items(path, value, item)
        case tuple():
            if all(any(_wrong(path, value, one)) for one in shape):
                yield f"{path}: {value!r} fits none of what it may be"
        case set():
            if not isinstance(value, str) or value not in shape:
                yield f"{path}: {value!r} is none of {sorted(shape)}"
        case type():
            if not isinstance(value, shape):
                yield f"{path}: {value!r} is no {shape.__name__}"
        case _:
            check: Callable[[Any], str] = shape
            if why := check(value):
                yield f"{path}: {value!r} {why}"


def _wrong_keys(path: str, value: Any, shape: dict[str, Any]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no object"
        return
    if value.keys() != shape.keys():
        yield f"{path}: missing {sorted(shape.keys() - value.keys())}, unknown {sorted(value.keys() - shape.keys())}"
    for key in value.keys() & shape.keys():
        yield from _wrong(f"{path}.{key}" if path else key, value[key], shape[key])


def _wrong_items(path: str, value: Any, shape: Any) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: {value!r} is no list"
        return
    for at, item in enumerate(value):
        yield from _wrong(f"{path}[{at}]", item, shape)
