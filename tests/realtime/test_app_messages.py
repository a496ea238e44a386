"""An application's events on the wire: the same in every dialect, checked by field."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pytest

from voicepipe.events import Event, InputRejected, ReplyText, SettingsChanged, app_event
from voicepipe.realtime import DialectNegotiation
from voicepipe.realtime.app_messages import decode_app_event, encode_app_event


@dataclass(frozen=True, slots=True)
class Dish:
    name: str
    hot: bool = True


@app_event("test.order")
@dataclass(frozen=True, slots=True)
class Order(Event):
    dishes: tuple[Dish, ...]
    day: date
    size: Literal["small", "large"] = "large"
    table: int | None = None


ORDER = Order((Dish("soup"), Dish("salad", hot=False)), date(2026, 11, 27), table=3)
WRITTEN = {
    "type": "app.test.order",
    "dishes": [{"name": "soup", "hot": True}, {"name": "salad", "hot": False}],
    "day": "2026-11-27",
    "size": "large",
    "table": 3,
}
KINDS: Any = ["ga", "beta", "unmute?"]


def wire_of(kind: Any) -> DialectNegotiation:
    return DialectNegotiation(kind, "sess_x", name=lambda what: f"{what}1")


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_client_sends_is_an_event(kind: Any) -> None:
    """Fields that the class does not have are ignored, and defaults hold."""
    sent = {**WRITTEN, "event_id": "e1", "other": [1]}
    del sent["size"]
    assert wire_of(kind).decode(json.dumps(sent)) == [ORDER]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_pipeline_emits_is_a_message(kind: Any) -> None:
    """With an id, as each has one."""
    assert wire_of(kind).encode(ORDER) == [{**WRITTEN, "event_id": "event1"}]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "code", "param", "what"),
    [
        ({"day": None}, "invalid_type", "day", "Invalid value for 'day'"),
        ({"day": "yesterday"}, "invalid_value", "day", "Invalid value for 'day'"),
        ({"size": "huge"}, "invalid_value", "size", "'small' or 'large'"),
        ({"table": "3"}, "invalid_type", "table", "should be a valid integer"),
        ({"dishes": [{"hot": True}]}, "missing_required_parameter", "dishes.0.name", "dishes.0.name"),
        ({"type": "app.test.absent"}, "invalid_value", "type", "no application event 'app.test.absent'"),
        ({"type": "app.test.ordr"}, "invalid_value", "type", "'app.test.ordr' here. Did you mean 'app.test.order'?"),
    ],
)
def test_what_is_not_of_its_type_is_rejected_by_field(
    kind: Any, change: dict[str, Any], code: str, param: str, what: str
) -> None:
    """With the id of the message."""
    (rejected,) = wire_of(kind).decode(json.dumps({**WRITTEN, "event_id": "e7", **change}))
    assert isinstance(rejected, InputRejected)
    assert (rejected.code, rejected.param, rejected.message_id) == (code, param, "e7")
    assert what in rejected.message


def test_a_missing_field_is_named() -> None:
    """As in the messages of the dialects."""
    (rejected,) = wire_of("ga").decode('{"type": "app.test.order", "dishes": []}')
    assert rejected == InputRejected("missing_required_parameter", "Missing required parameter: 'day'.", "day")


def test_a_message_that_only_mentions_one_is_the_dialects() -> None:
    """Its type tells."""
    session = {"type": "realtime", "instructions": "app.test.order"}
    update = json.dumps({"type": "session.update", "session": session})
    assert any(isinstance(one, SettingsChanged) for one in wire_of("ga").decode(update))


@pytest.mark.parametrize("text", ['{"type": "app.test.order"', '["app.test.order"]', '{"type": "app.", "a": 1e999}'])
def test_what_is_no_message_is_told_as_always(text: str) -> None:
    """By the dialect."""
    (rejected,) = wire_of("ga").decode(text)
    assert isinstance(rejected, InputRejected)
    assert rejected.code == "invalid_json"


def test_an_undecided_client_stays_undecided() -> None:
    """The application's events are the same in all dialects, so that they do not tell one."""
    wire = wire_of("unmute?")
    wire.decode(json.dumps(WRITTEN))
    assert wire.name == "unmute?"
    assert wire.waited()


def test_other_events_are_encoded_as_before() -> None:
    """By the dialect."""
    assert wire_of("unmute?").encode(ReplyText("hi"))[0]["type"] == "unmute.response.text.delta.ready"


@app_event("test.range")
@dataclass(frozen=True, slots=True)
class Range(Event):
    """An event that checks itself, and is wrong about one case."""

    low: float
    high: float = 0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")
        [1][int(self.low < 0)]


def test_an_event_that_refuses_its_fields_together_says_why() -> None:
    told = decode_app_event('{"type": "app.test.range", "low": 2, "event_id": "e"}')
    assert told == InputRejected("invalid_value", "Invalid message: low is above high.", None, "e")


def test_a_client_cannot_end_the_session_with_an_event_that_fails_at_its_own_check() -> None:
    """The failure is in the log, with the place in the application."""
    told = decode_app_event('{"type": "app.test.range", "low": -2, "event_id": "e"}')
    assert told == InputRejected("invalid_value", "The event 'app.test.range' cannot be read.", None, "e")


def test_what_json_does_not_have_is_null() -> None:
    """A browser could not read NaN."""
    message = encode_app_event(Range(0, math.inf), lambda _: "e")
    assert message == {"type": "app.test.range", "event_id": "e", "low": 0, "high": None}
