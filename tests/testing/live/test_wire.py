"""A client's side of the GA wire: what it sends is understood by our own server, what comes means the same events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from voicepipe.conversation import ItemId
from voicepipe.events import (
    ClientEvent,
    Event,
    Function,
    FunctionCalled,
    Generation,
    InputCleared,
    InputCommitted,
    InputRejected,
    ItemCreated,
    ItemDeleted,
    ItemRequested,
    ItemTruncated,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    SettingsChanged,
    StageFailed,
    TurnTaking,
    WordSpoken,
)
from voicepipe.realtime.ga.client_events import GA_EVENTS
from voicepipe.realtime.parse import parse
from voicepipe.testing.live.wire import NotOnTheWire, WireReader, to_wire

SENT: list[ClientEvent] = [
    SettingsChanged(
        "Be brief.", voice="alice", aloud=False, turns=TurnTaking(idle_s=7), generation=Generation((Function("look"),))
    ),
    SettingsChanged(turns=TurnTaking("client")),
    InputCommitted(),
    InputCleared(),
    ReplyRequested(),
    ReplyRequested(
        system_prompt="x", aloud=True, remembered=False, messages=(ItemCreated(ItemId("a"), "user", "hello"),)
    ),
    ReplyCancelled(),
    ReplyCancelled(clears=True),
    ItemCreated(ItemId("a"), "user", "hello", after=ItemId("")),
    ItemCreated(ItemId(""), "assistant", "hello", after=ItemId("b")),
    ItemDeleted(ItemId("a")),
    ItemRequested(ItemId("a")),
    ItemTruncated(ItemId("a"), 800.4),
]


@pytest.mark.parametrize("event", SENT, ids=lambda event: type(event).__name__)
def test_a_client_event_is_a_message_of_the_ga_form(event: ClientEvent) -> None:
    """Our own server's types check it."""
    assert parse(json.dumps(to_wire(event)), GA_EVENTS).type == to_wire(event)["type"]


def test_another_event_is_no_message() -> None:
    with pytest.raises(NotOnTheWire, match="TurnTaking has no message"):
        to_wire(TurnTaking())


def read(*messages: dict[str, Any]) -> list[Event]:
    reader = WireReader()
    return [event for message in messages for event in reader.read(message)]


def delta(text: str) -> dict[str, Any]:
    return {"type": "response.output_audio_transcript.delta", "delta": text}


def done(status: str, **more: Any) -> dict[str, Any]:
    return {"type": "response.done", "response": {"status": status, **more}}


CREATED = {"type": "response.created", "response": {}}


def test_a_reply_is_its_words_and_its_end() -> None:
    """A piece without a space continues the word before, unless it begins the reply."""
    started, *words, ended = read(CREATED, delta("Good"), delta(" mor"), delta("ning."), done("completed"))
    assert isinstance(started, ReplyStarted)
    assert [(word.word, word.glued) for word in words if isinstance(word, WordSpoken)] == [
        ("Good", False),
        ("mor", False),
        ("ning.", True),
    ]
    assert isinstance(ended, ReplyEnded)
    assert ended.text == "Good morning."
    assert [message.text for message in ended.conversation.messages] == ["Good morning."]


def test_the_other_ends_of_a_reply() -> None:
    """It was cut, or it failed."""
    assert isinstance(read(CREATED, delta("Good"), done("cancelled"))[-1], ReplyInterrupted)
    _, failed, ended = read(CREATED, done("failed", status_details={"error": {"message": "no model"}}))
    assert isinstance(failed, StageFailed)
    assert str(failed.error) == "no model"
    assert isinstance(ended, ReplyEnded)


def test_calls_and_errors() -> None:
    called, wrong = read(
        {"type": "response.function_call_arguments.done", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "error", "error": {"code": "invalid_value", "message": "no such item"}},
    )
    assert isinstance(called, FunctionCalled)
    assert called.call.name == "look"
    assert isinstance(wrong, InputRejected)
    assert wrong.message == "no such item"
