"""The beta form: the same under older names, and no name twice."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from spoken import Spoken as Client
from spoken import kinds, one

from voicepipe.conversation import Conversation
from voicepipe.events import (
    InputRejected,
    ReplyEnded,
    ReplyRequested,
    ReplyStarted,
    ReplyTextWritten,
    SessionOpened,
    SpeechEncoded,
    TurnConfirmed,
    TurnEnded,
    TurnStarted,
    TurnTaking,
    WordSpoken,
)
from voicepipe.realtime.beta.dialect import as_beta, ga_session

TALK = Conversation("Be brief.").user_said("Hi!")


@pytest.fixture
def client() -> Client:
    return Client(beta=True)


def test_a_conversation_in_order(client: Client):
    """`conversation.item.created` once for each item, before any part or delta that names it."""
    told = client.tell(
        TurnStarted(0.4, "turn1"),
        TurnConfirmed(0.4),
        TurnEnded("Hi.", 1.4, "turn1"),
        ReplyStarted(TALK, "reply1"),
        SpeechEncoded(b"\x01\x02", 80),
        WordSpoken("Hello.", 0.0, 0.2),
        ReplyEnded("Hello.", TALK),
    )
    assert kinds(told) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.created",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        "response.audio.delta",
        "response.audio_transcript.delta",
        "response.audio.done",
        "response.audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    assert one(told, "response.created")["response"]["output"] == []
    assert told[9]["part"] == {"type": "audio", "transcript": ""}
    assert told[-1]["response"]["output"][0]["content"] == [{"type": "audio", "transcript": "Hello."}]
    assert told[-1]["response"]["modalities"] == ["audio", "text"]


def test_a_written_reply(client: Client):
    """`response.text.*`, content `text`."""
    client.say("session.update", session={"modalities": ["text"]})
    talk = Conversation("", aloud=False)
    told = client.tell(ReplyStarted(talk, "reply1"), ReplyTextWritten("Hi."), ReplyEnded("Hi.", talk))
    assert [kind for kind in kinds(told) if "text" in kind] == ["response.text.delta", "response.text.done"]
    assert told[-1]["response"]["modalities"] == ["text"]
    assert told[-1]["response"]["output"][0]["content"] == [{"type": "text", "text": "Hi."}]


def test_the_session_is_flat(client: Client):
    """With all that holds."""
    (created,) = client.tell(SessionOpened("sess_x"))
    session = created["session"]
    assert (session["id"], session["modalities"], session["temperature"]) == ("sess_x", ["audio", "text"], 0.8)
    assert (session["input_audio_format"], session["output_audio_format"]) == ("pcm16", "pcm16")
    assert session["turn_detection"]["type"] == "semantic_vad"
    assert session["max_response_output_tokens"] == "inf"
    assert "audio" not in session


def test_settings_are_merged_and_understood(client: Client):
    """Part by part, and repeated under their flat names."""
    client.say("session.update", session={"voice": "v", "input_audio_format": "g711_ulaw", "tools": []})
    changed = client.decode(
        "session.update", session={"turn_detection": None, "modalities": ["text"], "max_response_output_tokens": 9}
    )
    assert (changed.turns, changed.aloud) == (TurnTaking("client", answers=False, interrupts=False), False)
    (updated,) = client.tell(changed)
    session = updated["session"]
    assert (session["voice"], session["input_audio_format"], session["output_audio_format"]) == (
        "v",
        "g711_ulaw",
        "pcm16",
    )
    assert (session["turn_detection"], session["max_response_output_tokens"]) == (None, 9)
    assert changed.output_format == "audio/pcm"
    assert client.decode("input_audio_buffer.append", audio="AAE=").audio_format == "audio/pcmu"


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"voice": 3}, "session.voice"),
        ({"input_audio_format": "mp3"}, "session.input_audio_format"),
        ({"turn_detection": {"type": "server_vad", "threshold": 7}}, "session.turn_detection.threshold"),
    ],
)
def test_what_is_wrong_is_named_as_the_client_wrote_it(client: Client, session: dict[str, Any], param: str):
    """Flat."""
    assert client.rejected("session.update", session=session)[1] == param


def test_settings_of_the_other_form_are_none(client: Client):
    """A nested session says nothing to a flat one, however it is filled."""
    (updated,) = client.say("session.update", session={"audio": 3, "output_modalities": "x", "type": 7})
    assert updated["session"]["modalities"] == ["audio", "text"]


def test_items_and_responses_in_its_words(client: Client):
    """`text` for what the bot wrote, `modalities` for what it shall do."""
    said = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "So."}], "id": "a"}
    (created,) = client.say("conversation.item.create", item=said)
    assert (created["type"], created["item"]["content"]) == (
        "conversation.item.created",
        [{"type": "text", "text": "So."}],
    )
    request = client.decode("response.create", response={"modalities": ["text"], "instructions": "Sing."})
    assert isinstance(request, ReplyRequested)
    assert (request.aloud, request.system_prompt) == (False, "Sing.")
    assert isinstance(client.decode("response.create"), InputRejected)
    assert isinstance(Client(beta=True).decode("response.create"), ReplyRequested)


def test_sound_comes_as_it_is(client: Client):
    """The same base64."""
    audio = base64.b64encode(b"\x00\x01").decode()
    assert client.decode("input_audio_buffer.append", audio=audio).data == b"\x00\x01"


def test_the_forms_are_functions_of_each_other():
    """Of messages, without a state."""
    assert ga_session({}) == {}
    assert as_beta({"type": "conversation.item.done", "event_id": "e"}) is None
    deleted = {"type": "conversation.item.deleted", "event_id": "e", "item_id": "i"}
    assert as_beta(deleted) == deleted
