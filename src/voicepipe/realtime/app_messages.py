"""Events of an application's own on the wire, in every dialect: `{"type": "app.NAME", …}`."""

from __future__ import annotations

import json
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import structlog
from pydantic import ValidationError

from voicepipe.events import Event, InputRejected
from voicepipe.events.application import app_event_named, app_event_names, app_event_type
from voicepipe.realtime.dialect import ServerMessage
from voicepipe.realtime.parse import Rejected, explain, parse_object

__all__ = ["decode_app_event", "encode_app_event"]

log = structlog.get_logger()

_PREFIX = "app."


def decode_app_event(text: str) -> Event | InputRejected | None:
    """Return the event of a client's text frame; None for a message of a dialect, or for one that cannot be read.

    Fields that the class does not have are ignored, as in other messages.
    """
    if '"app.' not in text:  # as good as every frame: it is not read twice
        return None
    try:
        message = parse_object(text)
    except Rejected:
        return None  # the dialect says why
    kind = message.get("type")
    if not isinstance(kind, str) or not kind.startswith(_PREFIX):
        return None
    return _checked(message, kind.removeprefix(_PREFIX))


def _checked(message: dict[str, Any], name: str) -> Event | InputRejected:
    event_id = message.get("event_id")
    told = event_id if isinstance(event_id, str) else None
    if (registered := app_event_named(name)) is None:
        meant = "".join(f" Did you mean 'app.{one}'?" for one in get_close_matches(name[:80], app_event_names(), n=1))
        what = f"Invalid value for 'type': there is no application event 'app.{name[:80]}' here.{meant}"
        return InputRejected("invalid_value", what, "type", told)
    try:
        return registered.adapter.validate_json(json.dumps(message), strict=True)
    except ValidationError as error:
        return explain(error, message)
    except Exception as error:  # of the application's own class, which may check itself
        log.warning("app_event.check_failed", name=name, exc_info=error)
        return InputRejected("invalid_value", f"The event 'app.{name}' cannot be read.", None, told)


def encode_app_event(event: Event, new_name: Callable[[str], str]) -> ServerMessage | None:
    """Return the message of an event; None for one that does not travel as such.

    NaN and infinities, which JSON does not have, become null.
    """
    if (registered := app_event_type(event)) is None:
        return None
    fields = json.loads(registered.adapter.dump_json(event))
    return {"type": f"{_PREFIX}{registered.name}", "event_id": new_name("event"), **fields}
