"""Limits of one message and of one client: beyond them the client is told so, and nothing is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.events import InputRejected, ItemCreated, ItemDeleted, ReplyRequested, SettingsChanged
from voicepipe.realtime.beta.dialect import Beta
from voicepipe.realtime.ga.dialect import Ga
from voicepipe.realtime.limits import RequestLimits
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
    message = Ga().decode(head + ",".join([unit] * count) + "]}}")
    if isinstance(message, InputRejected):
        assert message.param is None or field in message.param


def test_sound_may_be_long() -> None:
    """A second of it at once is no attack."""
    message = json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA" * 240_000})
    assert not isinstance(Ga().decode(message), InputRejected)


def test_a_sessions_settings_have_a_size() -> None:
    """Unknown keys are kept and repeated up to 64 kB in all; what is too much changes nothing."""
    ga = Ga()
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
    ga = Ga()
    for number in range(58):
        assert isinstance(ga.decode(item(f"long{number}", "x" * 17_000)), ItemCreated)
    assert rejection(ga, item("more", "x" * 17_000)).code == "too_many_items"
    ga.decode(json.dumps({"type": "conversation.item.delete", "item_id": "long0"}))
    few = Ga()
    for number in range(2_000):
        few.decode(item(f"short{number}", "x"))
    assert "2000 items" in rejection(few, item("more", "x")).message


def update(**session: Any) -> str:
    return json.dumps({"type": "session.update", "session": {"type": "realtime", **session}})


# ---- what a prompt and a minute may cost ----------------------------------------------------------------------------

# Some 100 tokens each.
WORDS = "word " * 60
LIMITS = RequestLimits(prompt_tokens=300, tools=3, responses_per_minute=4)


def limited(clock: Callable[[], float] = lambda: 0.0) -> Ga:
    """A session with few instructions of the server's own."""
    return Ga(limits=LIMITS, clock=clock, write=lambda *_, **__: "Be brief.")


def tool(number: int, description: str = "") -> dict[str, Any]:
    return {"type": "function", "name": f"f{number}", "description": description, "parameters": {}}


def respond(**response: Any) -> str:
    return json.dumps({"type": "response.create", "response": response})


def said(text: str, role: str = "user") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


def created(text: str, role: str = "user") -> str:
    return json.dumps({"type": "conversation.item.create", "item": said(text, role)})


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (update(instructions=WORDS * 4), "session.instructions"),
        (update(tools=[tool(1, WORDS * 4)]), "session.tools"),
        (update(tools=[tool(number) for number in range(4)]), "session.tools"),
        (created(WORDS * 4), "item.content"),
        (created(WORDS * 4, "system"), "item.content"),
        (respond(instructions=WORDS * 4), "response.instructions"),
        (respond(tools=[tool(1, WORDS * 4)]), "response.tools"),
        (respond(input=[said(WORDS)] * 4), "response.input.2"),
    ],
)
def test_what_a_prompt_may_cost_is_limited(message: str, field: str) -> None:
    """The field is named, and nothing has changed."""
    ga = limited()
    refused = rejection(ga, message)
    assert (refused.code, refused.param) == ("invalid_value", field)
    kept = ga.decode(update())
    assert isinstance(kept, SettingsChanged)
    assert (kept.system_prompt, kept.generation.functions) == ("Be brief.", ())


def test_system_messages_count_with_instructions_and_functions() -> None:
    """Each fits by itself; what is deleted does not count any more."""
    ga = limited()
    assert isinstance(ga.decode(update(instructions=WORDS)), SettingsChanged)
    first = ga.decode(created(WORDS, "system"))
    assert isinstance(first, ItemCreated)
    assert rejection(ga, created(WORDS, "system")).param == "item.content"
    assert rejection(ga, update(tools=[tool(1, WORDS)])).param == "session.tools"
    assert isinstance(ga.decode(created(WORDS)), ItemCreated)
    item_id = json.loads(json.dumps(ga.encode(first)))[0]["item"]["id"]
    deleted = ga.decode(json.dumps({"type": "conversation.item.delete", "item_id": item_id}))
    assert isinstance(deleted, ItemDeleted)
    ga.encode(deleted)
    assert isinstance(ga.decode(update(tools=[tool(1, WORDS)])), SettingsChanged)


def test_responses_in_a_minute_are_limited() -> None:
    """Each a fourth of a minute; what is refused does not count."""
    now = [0.0]
    ga = limited(lambda: now[0])
    aside = respond(conversation="none", output_modalities=["text"])
    for _ in range(4):
        assert isinstance(ga.decode(aside), ReplyRequested)
    assert rejection(ga, aside).code == "rate_limit_exceeded"
    now[0] = 15.1
    assert isinstance(ga.decode(aside), ReplyRequested)
    assert rejection(ga, aside).code == "rate_limit_exceeded"


def test_the_character_of_an_unmute_client_has_a_length() -> None:
    """As instructions have."""
    instructions = {"type": "constant", "text": "word " * 300}
    session = {"instructions": instructions, "allow_recording": False}
    unmute = Unmute(write=lambda *_, **__: "", limits=LIMITS)
    refused = rejection(unmute, json.dumps({"type": "session.update", "session": session}))
    assert (refused.code, refused.param) == ("invalid_value", "session.instructions.text")


# ---- voices ----------------------------------------------------------------------------------------------------------

NAMES = [
    "alloy",
    "expresso/ex03-ex01_happy_001_channel1_334s.wav",
    "vctk/p226_023.wav",
    "custom:5f3",
    "Élodie (fr)",
    "",
]
BAD_NAMES = [
    "../../etc/passwd",
    "/etc/passwd",
    "a//b",
    "http://other/x?y",
    "a\nb",
    "a&b=c",
    "x" * 129,
    "{}",
    "%2e%2e",
    " a",
]


def with_voice(dialect: str, voice: Any) -> str:
    session: dict[str, Any] = {"audio": {"output": {"voice": voice}}, "type": "realtime"}
    session = {"voice": voice, "allow_recording": False} if dialect == "unmute" else session
    return json.dumps({"type": "session.update", "session": {"voice": voice} if dialect == "beta" else session})


@pytest.mark.parametrize("dialect", ["ga", "beta", "unmute"])
def test_the_name_of_a_voice_is_checked(dialect: str) -> None:
    """It goes to the synthesiser, in an address: letters, digits and a few signs, and no way to another folder."""
    for name in NAMES:
        assert speaks(dialect).decode(with_voice(dialect, name)).voice == name
    for name in BAD_NAMES:
        refused = told(dialect, with_voice(dialect, name))
        assert (refused.code, (refused.param or "").endswith("voice")) == ("invalid_value", True), name


def test_the_voice_of_a_response_is_checked() -> None:
    """Also as an object."""
    for voice in ("../x", {"id": "../x"}):
        assert "voice" in (told("ga", respond(audio={"output": {"voice": voice}})).param or "")


def speaks(dialect: str) -> Any:
    ga = Ga()
    return {"ga": ga, "beta": Beta(ga), "unmute": Unmute(write=lambda *_, **__: "")}[dialect]


def item(item_id: str, text: str) -> str:
    content = [{"type": "input_text", "text": text}]
    return json.dumps(
        {
            "type": "conversation.item.create",
            "item": {"type": "message", "id": item_id, "role": "user", "content": content},
        }
    )


def told(dialect: str, text: str) -> InputRejected:
    return rejection(speaks(dialect), text)


def rejection(dialect: Any, text: str) -> InputRejected:
    message = dialect.decode(text)
    assert isinstance(message, InputRejected)
    return message
