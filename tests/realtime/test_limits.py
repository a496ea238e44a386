"""What one message and one client may cost: beyond it they are told so, and nothing is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.audio import Formats
from voicepipe.events import InputRejected, ItemCreated, SettingsChanged
from voicepipe.realtime.beta.dialect import Beta
from voicepipe.realtime.ga.dialect import Ga
from voicepipe.realtime.unmute.dialect import Unmute


def padded(head: str, unit: str, tail: str, size: int = 990_000) -> str:
    """A message of that size, of equal values."""
    return head + ",".join([unit] * ((size - len(head) - len(tail)) // (len(unit) + 1))) + tail


ITEM = '{"type":"conversation.item.create","item":{"type":"message","role":"user","content":['
SESSION = '{"type":"session.update","session":{"type":"realtime",'
TEXT = '{"type":"input_text","text":"a"}'
TOOL = '{"type":"function","name":"f","parameters":{}}'
LONG = {
    "numbers for content": padded(ITEM, "1", "]}}"),
    "numbers for modalities": padded(SESSION + '"output_modalities":[', "1", "]}}"),
    "numbers for the input": padded(
        '{"type":"response.create","response":{"conversation":"none","input":[', "1", "]}}"
    ),
    "tools": padded(SESSION + '"tools":[', TOOL, "]}}"),
    "unknown keys": SESSION + ",".join(f'"k{number}":{{}}' for number in range(75_000)) + "}}",
    "parts of content": padded(ITEM, TEXT, "]}}"),
    "floats": padded('{"type":"x","a":[', "0.1234567890123456789", "]}"),
    "numbers beside sound": padded('{"type":"input_audio_buffer.append","audio":"","a":[', "1", "]}"),
    "text": json.dumps({"type": "conversation.item.create", "item": {"text": "x" * 900_000}}),
}
MANY = {
    "parts of content": padded(ITEM, TEXT, "]}}", 199_000),
    "tools": padded(SESSION + '"tools":[', TOOL, "]}}", 199_000),
    "numbers for content": padded(ITEM, "1", "]}}", 199_000),
}


@pytest.mark.parametrize("dialect", ["ga", "beta", "unmute"])
@pytest.mark.parametrize("name", LONG)
def test_a_long_message_without_sound_is_not_even_read(dialect: str, name: str) -> None:
    """Its size and its separators are counted, which takes less than a millisecond."""
    assert told(dialect, LONG[name]).code == "message_too_long"


@pytest.mark.parametrize("dialect", ["ga", "beta", "unmute"])
@pytest.mark.parametrize("name", MANY)
def test_a_message_of_many_values_is_not_validated(dialect: str, name: str) -> None:
    """Its values are counted; pydantic would make an error of each."""
    assert told(dialect, MANY[name]).code == "message_too_complex"


@given(
    st.integers(0, 2_500),
    st.sampled_from(["1", TEXT, "[]", "null", '"x"', TOOL]),
    st.sampled_from(["content", "tools", "output_modalities", "input"]),
)
def test_validation_stops_at_the_first_error(count: int, unit: str, field: str) -> None:
    """Whatever the list: the answer names its first wrong element, or its length."""
    heads = {"content": ITEM, "tools": SESSION + '"tools":[', "output_modalities": SESSION + '"output_modalities":['}
    head = heads.get(field, '{"type":"response.create","response":{"conversation":"none","input":[')
    message = Ga(Formats()).decode(head + ",".join([unit] * count) + "]}}")
    if isinstance(message, InputRejected):
        assert message.param is None or field in message.param


def test_sound_may_be_long() -> None:
    """A second of it at once is no attack."""
    message = json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA" * 240_000})
    assert not isinstance(Ga(Formats()).decode(message), InputRejected)


def test_a_sessions_settings_have_a_size() -> None:
    """Unknown keys are kept and repeated up to 64 kB in all; what is too much changes nothing."""
    ga = Ga(Formats())
    assert isinstance(ga.decode(update(first="x" * 30_000)), SettingsChanged)
    rejected = ga.decode(update(second="x" * 40_000, instructions="Be loud."))
    assert isinstance(rejected, InputRejected)
    assert (rejected.code, rejected.param) == ("invalid_value", "session")
    kept = ga.decode(update(third="x"))
    assert isinstance(kept, SettingsChanged)
    assert {"first", "third"} <= kept.written.keys()
    assert "second" not in kept.written
    assert kept.system_prompt != "Be loud."


def test_a_conversation_has_a_size() -> None:
    """A client adds a million characters, or two thousand items, and can then delete some."""
    ga = Ga(Formats())
    for number in range(100):
        assert isinstance(ga.decode(item(f"long{number}", "x" * 9_900)), ItemCreated)
    assert rejection(ga, item("more", "x" * 15_000)).code == "too_many_items"
    ga.decode(json.dumps({"type": "conversation.item.delete", "item_id": "long0"}))
    few = Ga(Formats())
    for number in range(2_000):
        few.decode(item(f"short{number}", "x"))
    assert "2000 items" in rejection(few, item("more", "x")).message


def item(item_id: str, text: str) -> str:
    content = [{"type": "input_text", "text": text}]
    return json.dumps(
        {
            "type": "conversation.item.create",
            "item": {"type": "message", "id": item_id, "role": "user", "content": content},
        }
    )


def update(**session: Any) -> str:
    return json.dumps({"type": "session.update", "session": {"type": "realtime", **session}})


def told(dialect: str, text: str) -> InputRejected:
    ga = Ga(Formats())
    return rejection({"ga": ga, "beta": Beta(ga), "unmute": Unmute(write=lambda *_, **__: "")}[dialect], text)


def rejection(dialect: Any, text: str) -> InputRejected:
    message = dialect.decode(text)
    assert isinstance(message, InputRejected)
    return message
