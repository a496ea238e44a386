"""The expected answer to a message, by the types that the server publishes and by the state of its client."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any, cast

from protocol_checker import ProtocolChecker
from pydantic import TypeAdapter, ValidationError

from voicepipe.realtime.beta.dialect import BETA_EVENTS
from voicepipe.realtime.ga.client_events import GA_EVENTS
from voicepipe.realtime.unmute.client_events import UNMUTE_EVENTS

__all__ = ["EVENTS", "KINDS", "ExpectedAnswer", "expected_answer"]

EVENTS: dict[str, TypeAdapter[Any]] = {"ga": GA_EVENTS, "beta": BETA_EVENTS, "unmute": UNMUTE_EVENTS}
KINDS = {dialect: set(events.json_schema()["discriminator"]["mapping"]) for dialect, events in EVENTS.items()}
"""The types of a client's events, by dialect."""
ANSWERS = {
    "session.update": "session.updated",
    "input_audio_buffer.clear": "input_audio_buffer.cleared",
    "conversation.item.create": "conversation.item.added",
    "conversation.item.retrieve": "conversation.item.retrieved",
    "conversation.item.delete": "conversation.item.deleted",
    "conversation.item.truncate": "conversation.item.truncated",
}
"""The answer that follows an event at once, unless an error does."""
LEVELS = 64
"""Of nesting, at most."""


@dataclass(frozen=True, slots=True)
class ExpectedAnswer:
    """`refused`: whether the answer must be an error; None: it may be. `told`: the answer if it is no error.

    `event_id` is what the error names.
    """

    refused: bool | None
    event_id: str | None = None
    told: str | None = None
    event: dict[str, Any] = field(default_factory=dict[str, Any])


def expected_answer(text: str, checker: ProtocolChecker, *, alone: bool) -> ExpectedAnswer:
    """By the dialect that is spoken now. Not `alone`: what came with it may have changed what its client knows."""
    try:
        value: Any = _DECODER.decode(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return ExpectedAnswer(refused=True)
    event = cast("dict[str, Any]", value)
    event_id: Any = event.get("event_id")
    named = event_id if isinstance(event_id, str) and _is_text(event_id) else None
    if "\\ud" in text.lower() and not _is_text(json.dumps(event, ensure_ascii=False)):
        return ExpectedAnswer(refused=True, event_id=named)
    if any(opening * LEVELS in text for opening in ("[", '{"a":')):
        return ExpectedAnswer(refused=True, event_id=named)
    try:
        EVENTS[checker.dialect].validate_python(event)
    except ValidationError:
        return ExpectedAnswer(refused=True, event_id=named)
    refused = _refused(event, checker) if alone else None
    return ExpectedAnswer(refused, named, _told(event, checker, refused), event)


def _told(event: dict[str, Any], checker: ProtocolChecker, refused: bool | None) -> str | None:
    match event["type"]:
        case "input_audio_buffer.commit" if checker.is_manual:
            return "input_audio_buffer.committed"
        case "response.cancel" if refused is False:
            return "response.done"
        case kind:
            return ANSWERS.get(kind)


def _finite(number: str) -> float:
    """Python reads more than JSON has."""
    if not math.isfinite(value := float(number)):
        raise ValueError(number)
    return value


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def _is_text(text: str) -> bool:
    """Not, if it holds half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refused(event: dict[str, Any], checker: ProtocolChecker) -> bool | None:
    """Of an event that is well formed: None where only the server can know."""
    items = checker.items
    match event:
        case {"type": "input_audio_buffer.append", "audio": audio}:
            return _bad_sound(audio, checker)
        case {"type": "session.update"} if checker.dialect == "unmute":
            return False
        case {"type": "input_audio_buffer.clear"}:
            return False
        case {"type": "output_audio_buffer.clear"}:
            return False
        case {"type": "conversation.item.retrieve" | "conversation.item.delete", "item_id": item_id}:
            return item_id not in items
        case {"type": "conversation.item.truncate", "item_id": item_id}:
            return True if items.get(item_id, {}).get("role") != "assistant" else None
        case {"type": "conversation.item.create", "item": item} if item.get("id") in items:
            return True
        case {"type": "conversation.item.create", "previous_item_id": str(after)} if after not in items:
            return None if after == "root" else True
        case {"type": "response.cancel"} if event.get("response_id") is None:
            return None if checker.active is None else False
        case {"type": "response.cancel", "response_id": response_id}:
            return response_id not in checker.on
        case _:
            return None


def _bad_sound(audio: str, checker: ProtocolChecker) -> bool | None:
    plain = re.sub(r"\s", "", audio).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return True
    return None if checker.dialect == "unmute" or checker.format == "audio/opus" else False
