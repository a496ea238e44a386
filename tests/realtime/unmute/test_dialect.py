"""The Unmute dialect: what its frontend sends and reads."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from voicepipe.audio import OggOpus, codec_of
from voicepipe.conversation import Conversation
from voicepipe.events import (
    AudioReceived,
    ConversationEnded,
    Event,
    FlushRequested,
    FunctionCall,
    FunctionCalled,
    FunctionDelayed,
    FunctionReturned,
    InputRejected,
    Overflowed,
    Pause,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SettingsChanged,
    SpeechEncoded,
    SpeechProbability,
    SpeechStarted,
    SpeechStopped,
    StageFailed,
    SynthesisEnded,
    SynthesisStarted,
    Transcribed,
    TurnConfirmed,
    TurnEnded,
    TurnMeasured,
    TurnStarted,
    Warned,
    WordRecognised,
    WordSpoken,
)
from voicepipe.realtime import Encode, Unmute

TALK = Conversation("Be brief.").user_said("Hi!").bot_said("Hello").bot_said("there.")
HISTORY = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi!"},
    {"role": "assistant", "content": "Hello there."},
]


def decode(**message: Any) -> Any:
    return Unmute().decode(json.dumps(message))


def update(**session: Any) -> Any:
    return decode(type="session.update", session={"allow_recording": False, **session})


# ---- in -------------------------------------------------------------------------------------------------------------


def test_audio_arrives_as_bytes():
    """With the id of its message, so that a complaint about it can name it."""
    received = decode(type="input_audio_buffer.append", event_id="e1", audio="T2dnUw==")
    assert received == AudioReceived(b"OggS", "e1", "audio/opus")


def test_a_constant_character_becomes_the_system_prompt():
    """Voice and recording are passed on."""
    settings = decode(
        type="session.update",
        session={
            "instructions": {"type": "constant", "text": "You are a pirate.", "language": "en"},
            "voice": "bob",
            "allow_recording": True,
        },
    )
    assert settings.system_prompt.startswith("You are a pirate.")
    assert settings.system_prompt.endswith("Speak English.")
    assert (settings.voice, settings.allow_recording) == ("bob", True)


@pytest.mark.parametrize("kind", ["smalltalk", "guess_animal", "quiz_show", "news", "unmute_explanation"])
def test_a_character_of_ours_needs_only_its_name(kind: str):
    """Each has its own prompt; the language is optional."""
    assert 'end your answer with "Bye!"' in update(instructions={"type": kind}).system_prompt
    assert update(instructions={"type": kind, "language": "fr"}).system_prompt.endswith("Speak French.")


def test_null_instructions_leave_the_character_to_us():
    """The bot gets a default prompt, and so opens the conversation."""
    assert "companion" in update(instructions=None).system_prompt


def test_no_instructions_change_no_character():
    """A client that only picks another voice keeps the conversation that it has."""
    assert update(voice="bob") == SettingsChanged(None, "bob", False, output_format="audio/opus")


def test_unknown_keys_are_tolerated():
    """Clients are newer than servers, at times."""
    assert update(voice=None, theme="dark", instructions={"type": "news", "mood": 3}).system_prompt


def test_a_bad_message_is_named_not_raised():
    """Field by field in test_parse."""
    rejected = update(instructions={"type": "pirate"})
    assert isinstance(rejected, InputRejected)
    assert rejected.param == "session.instructions.type"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries(
    {"type": st.sampled_from(["session.update", "input_audio_buffer.append"]) | JSON},
    optional={
        "event_id": JSON,
        "audio": st.text() | JSON,
        "session": st.fixed_dictionaries(
            {},
            optional={
                "allow_recording": st.booleans() | JSON,
                "voice": st.text() | JSON,
                "instructions": JSON
                | st.fixed_dictionaries(
                    {"type": st.sampled_from(["constant", "news"]) | JSON}, optional={"text": JSON, "language": JSON}
                ),
            },
        )
        | JSON,
    },
)


@settings(max_examples=examples(300))
@given(st.text() | JSON.map(json.dumps) | NEARLY.map(json.dumps))
def test_no_text_whatever_raises(text: str):
    """And what comes out can be told to the client, as JSON that every parser reads."""
    message = Unmute().decode(text)
    assert isinstance(message, AudioReceived | SettingsChanged | InputRejected)
    if isinstance(message, InputRejected):
        assert message.message
        assert len(message.message) < 1000
    for told in Unmute().encoder()(message):
        json.dumps(told, allow_nan=False).encode()


# ---- out ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def encode() -> Encode:
    numbers = itertools.count(1)
    never_due = float("-inf")
    return Unmute(event_id=lambda: f"event_{next(numbers)}", clock=lambda: never_due).encoder()


def fields(encode: Encode, event: Event) -> list[tuple[str, dict[str, Any]]]:
    """Each message's type and what else is in it."""
    messages = encode(event)
    return [(m["type"], {k: v for k, v in m.items() if k not in ("type", "event_id")}) for m in messages]


@pytest.mark.parametrize(
    ("event", "kind", "rest"),
    [
        (TurnConfirmed(1.0), "input_audio_buffer.speech_started", {}),
        (TurnEnded("Hi!", 2.0), "input_audio_buffer.speech_stopped", {}),
        (
            WordRecognised("Hi!", 1.0, 1.4),
            "conversation.item.input_audio_transcription.delta",
            {"delta": "Hi!", "start_time": 1.0},
        ),
        (ReplyText(" there."), "unmute.response.text.delta.ready", {"delta": " there."}),
        (WordSpoken("there.", 0.2, 0.5), "response.text.delta", {"delta": "there."}),
        (SpeechEncoded(b"OggS", 20), "response.audio.delta", {"delta": "T2dnUw=="}),
    ],
)
def test_each_event_becomes_its_message(encode: Encode, event: Event, kind: str, rest: dict[str, Any]):
    """One for one."""
    assert fields(encode, event) == [(kind, rest)]


def test_a_reply_begins_with_what_it_answers(encode: Encode):
    """The chat so far, the system prompt first, and the voice that was asked for."""
    encode(SettingsChanged("Be brief.", "bob"))
    asked = Conversation("Be brief.").user_said("Hi!")
    response = {
        "object": "realtime.response",
        "status": "in_progress",
        "voice": "bob",
        "chat_history": HISTORY[1:2],
    }
    assert fields(encode, ReplyStarted(asked)) == [("response.created", {"response": response})]


def test_outputs_come_before_a_reply_once_a_second():
    """And always at its end: just before the last event of each."""
    now = [100.0]
    encode = Unmute(clock=lambda: now[0]).encoder()
    started, ended = ReplyStarted(Conversation("Be brief.").user_said("Hi!")), ReplyEnded("Hello there.", TALK)
    assert [kind for kind, _ in fields(encode, started)] == ["unmute.additional_outputs", "response.created"]
    now[0] += 0.4
    assert [kind for kind, _ in fields(encode, ended)][-2:] == ["unmute.additional_outputs", "response.audio.done"]
    now[0] += 0.9
    assert [kind for kind, _ in fields(encode, started)] == ["response.created"]
    now[0] += 0.1
    assert [kind for kind, _ in fields(encode, started)] == ["unmute.additional_outputs", "response.created"]


def test_functions_are_not_told_of(encode: Encode):
    """Nor are their calls in the chat, where a frontend knows what was said, and by whom."""
    call = FunctionCall("1", "look")
    for event in (FunctionCalled(call, server_side=True), FunctionDelayed(0.8), FunctionReturned("1", "Nobody.")):
        assert fields(encode, event) == []
    asked = Conversation("Be brief.").user_said("Hi!").bot_called(call, server_side=True).returned("1", "Nobody.")
    ((_, begun),) = fields(encode, ReplyStarted(asked))
    assert begun["response"]["chat_history"] == HISTORY[1:2]


def test_a_voice_that_was_not_requested_has_unmutes_name(encode: Encode):
    """A null is refused by Unmute's own clients."""
    ((_, fields_of_it),) = fields(encode, ReplyStarted(TALK))
    assert fields_of_it["response"]["voice"] == "missing"


def test_a_client_told_of_speech_is_told_of_its_end(encode: Encode):
    """Also when the recogniser has taken its words back; a turn without a word is told in neither way."""
    kinds = [
        kind
        for event in (TurnConfirmed(1.0), TurnEnded("", 2.0), TurnEnded("", 3.0))
        for kind, _ in fields(encode, event)
    ]
    assert kinds == ["input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"]


def test_a_reply_ends_with_text_sound_and_history(encode: Encode):
    """In this order, with where the time of the turn went."""
    encode(TurnMeasured(700.0, {"endpointing": 300.0, "tts": 400.0}))
    assert fields(encode, ReplyEnded("Hello there.", TALK)) == [
        ("response.text.done", {"text": "Hello there."}),
        (
            "unmute.additional_outputs",
            {
                "args": {
                    "chat_history": HISTORY[1:],
                    "debug_dict": {"total_ms": 700.0, "parts_ms": {"endpointing": 300.0, "tts": 400.0}},
                }
            },
        ),
        ("response.audio.done", {}),
    ]


def test_an_interrupted_reply_says_so_first(encode: Encode):
    """The history keeps the mark of the interruption."""
    interrupted, outputs, done = fields(encode, ReplyInterrupted("Hello", TALK.cut()))
    assert (interrupted, done) == (("unmute.interrupted_by_vad", {}), ("response.audio.done", {}))
    assert outputs[1]["args"]["chat_history"][-1]["content"] == "Hello there.—"


def test_measurements_belong_to_one_reply(encode: Encode):
    """One that nobody waited for has none."""
    encode(TurnMeasured(700.0, {}))
    encode(ReplyStarted(TALK))
    outputs, _ = fields(encode, ReplyEnded("", TALK))[-2:]
    assert outputs[1]["args"]["debug_dict"] == {}


def test_settings_are_acknowledged_as_the_client_wrote_them(encode: Encode):
    """Without what was not understood."""
    session = {"instructions": {"type": "news", "language": "fr"}, "voice": "bob", "allow_recording": True}
    assert fields(encode, update(**session, theme="dark")) == [("session.updated", {"session": session})]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (StageFailed("STT", RuntimeError()), "warning"),
        (StageFailed("LLM", RuntimeError(), silent=True), "error"),
        (StageFailed("STT", RuntimeError(), fatal=True), "fatal"),
        (Warned("Speak up."), "warning"),
        (Warned("It is lost.", service_lost=True), "warning"),
        (Overflowed("STT", 20), "warning"),
        (InputRejected("invalid_json", "No."), "invalid_request_error"),
    ],
)
def test_failures_become_errors(encode: Encode, event: Event, kind: str):
    """Of the type that says how bad it is."""
    ((name, rest),) = fields(encode, event)
    assert (name, rest["error"]["type"]) == ("error", kind)


@pytest.mark.parametrize(
    "event",
    [
        TurnStarted(0.0),
        TurnEnded("", 1.0),
        SpeechStarted(0.0, 0.1),
        SpeechStopped(0.0, 0.1),
        Pause(0.5, 0.1),
        SpeechProbability(0.5, 0.1),
        Transcribed(1.0),
        FlushRequested(1.0),
        SynthesisStarted("Hi"),
        SynthesisEnded(0.4),
        ConversationEnded("Bye!"),
        object(),
    ],
)
def test_what_the_frontend_does_not_know_is_not_sent(encode: Encode, event: Event):
    """A pipeline's own events included."""
    assert encode(event) == []


def test_every_message_has_a_new_id():
    """Of the shape that OpenAI gives them."""
    ids = [message["event_id"] for message in Unmute().encoder()(ReplyEnded("", TALK))]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"event_\w{21}", one) for one in ids)


def test_the_sound_is_ogg_opus():
    """At 24 kHz, as Unmute's browser decodes it."""
    assert update().output_format == "audio/opus"
    assert codec_of("audio/opus") == OggOpus(24_000)
