"""The GA form: every event in its place, with every name in it, and every request understood or refused by name."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from spoken import Spoken as Client
from spoken import kinds, one

from voicepipe.conversation import SILENCE, Conversation, Message
from voicepipe.events import (
    AudioReceived,
    Generation,
    InputCleared,
    InputCommitted,
    InputRejected,
    ItemCreated,
    ItemDeleted,
    ItemRequested,
    ItemTruncated,
    OutOfBandResponse,
    Overflowed,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyTextWritten,
    SessionOpened,
    SettingsChanged,
    SpeechEncoded,
    StageFailed,
    TextNotSpoken,
    TurnConfirmed,
    TurnEnded,
    TurnJudged,
    TurnStarted,
    TurnTaking,
    Warned,
    WordSpoken,
)
from voicepipe.realtime.ga.dialect import Ga

TALK = Conversation("Be brief.").user_said("Hi!")
TURN = (TurnStarted(0.4, "turn1"), TurnConfirmed(0.4), TurnEnded("Hi there.", 1.4, "turn1"))
REPLY = (
    ReplyStarted(TALK, "reply1"),
    SpeechEncoded(b"\x01\x02", 80),
    WordSpoken("Hello", 0.0, 0.2),
    SpeechEncoded(b"\x03\x04", 80),
    WordSpoken("you.", 0.2, 0.4),
)
SECOND_OF_SOUND = base64.b64encode(bytes(48_000)).decode()


@pytest.fixture
def client() -> Client:
    return Client()


def text(said: str, role: str = "user", kind: str = "input_text", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": said}], **fields}


# ---- what is told ---------------------------------------------------------------------------------------------------


def test_a_client_is_greeted_with_its_settings(client: Client):
    """All of them, by the name of the session."""
    (created,) = client.tell(SessionOpened("sess_x"))
    assert (created["type"], created["session"]["id"]) == ("session.created", "sess_x")
    assert created["session"]["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert created["session"]["model"] == "gpt-any"


def test_a_turn_of_the_user(client: Client):
    """Speech, then the item, then its words."""
    told = client.tell(*TURN)
    assert kinds(told) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
    ]
    assert len({message["event_id"] for message in told}) == len(told)
    started, stopped, committed, added, _, _, completed = told
    assert (started["audio_start_ms"], stopped["audio_end_ms"]) == (400, 1400)
    item_id = started["item_id"]
    assert {message.get("item_id", item_id) for message in told} == {item_id}
    assert (added["item"]["id"], added["item"]["role"]) == (item_id, "user")
    assert (committed["previous_item_id"], added["previous_item_id"]) == (None, None)
    assert (completed["transcript"], completed["content_index"]) == ("Hi there.", 0)
    assert completed["usage"] == {"type": "duration", "seconds": 1.0}


def test_a_reply_of_the_bot(client: Client):
    """Response, item, part, sound and words, and the same backwards; every index and name is there."""
    client.tell(*TURN)
    told = client.tell(*REPLY, ReplyEnded("Hello you.", TALK))
    assert kinds(told) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    response_id = told[0]["response"]["id"]
    item_id = told[1]["item"]["id"]
    for message in told[3:11]:
        assert (message["response_id"], message["item_id"]) == (response_id, item_id)
        assert (message["output_index"], message["content_index"]) == (0, 0)
    assert (told[2]["previous_item_id"] or "").endswith("turn1")
    assert base64.b64decode(told[4]["delta"]) == b"\x01\x02"
    assert [told[5]["delta"], told[7]["delta"]] == ["Hello", " you."]
    assert (told[3]["part"], told[10]["part"]) == (
        {"type": "audio", "transcript": ""},
        {"type": "audio", "transcript": "Hello you."},
    )
    done = told[-1]["response"]
    assert (done["status"], done["id"], done["usage"]["total_tokens"]) == ("completed", response_id, 9)
    assert done["output"][0]["content"] == [{"type": "output_audio", "transcript": "Hello you."}]
    assert (told[1]["item"]["status"], done["output"][0]["status"]) == ("in_progress", "completed")


def test_an_interruption_is_reported_first(client: Client):
    """The speech, on which the client stops its playback; then what becomes of the response."""
    client.tell(*REPLY)
    assert client.tell(TurnStarted(5.0, "turn2")) == []
    told = client.tell(ReplyInterrupted("Hello you.", TALK))
    assert kinds(told)[0] == "input_audio_buffer.speech_started"
    done = told[-1]["response"]
    assert (done["status"], done["status_details"]) == ("cancelled", {"type": "cancelled", "reason": "turn_detected"})
    assert done["output"][0]["status"] == "incomplete"
    assert kinds(client.tell(TurnConfirmed(5.0))) == []


def test_a_voice_over_a_response_is_told_of_when_it_interrupts(client: Client):
    """It may be a cough, and its words may be an echo of the bot's: neither may stop the playback."""
    client.tell(*REPLY)
    assert client.tell(TurnStarted(5.0, "turn2"), TurnEnded("", 5.1, "turn2")) == []
    assert client.tell(TurnStarted(6.0, "turn3")) == []
    assert client.tell(TurnConfirmed(6.0)) == []
    assert kinds(client.tell(ReplyInterrupted("Hello", TALK)))[0] == "input_audio_buffer.speech_started"


def test_a_turn_over_a_response_has_the_words_that_count(client: Client):
    """The words are the user's; an echo leaves no item. Where no stage judges turns it is whole with the next one."""
    client.tell(*REPLY)
    assert client.tell(TurnStarted(5.0, "turn2"), TurnConfirmed(5.0), TurnEnded("Hello you", 6.0, "turn2")) == []
    assert client.tell(TurnJudged("turn2", counts=False)) == []
    client.tell(TurnStarted(7.0, "turn3"), TurnEnded("you Stop", 8.0, "turn3"))
    told = client.tell(TurnJudged("turn3", counts=True, text="Stop"))
    assert [message["transcript"] for message in told if "transcript" in message] == ["Stop"]
    client.tell(TurnStarted(9.0, "turn4"), TurnEnded("And so", 9.5, "turn4"))
    told = client.tell(TurnStarted(10.0, "turn5"))
    assert [message["transcript"] for message in told if "transcript" in message] == ["And so"]


def test_a_voice_that_outlasts_the_reply_is_told_of_after_it(client: Client):
    """From then on it speaks into silence."""
    client.tell(*REPLY, TurnStarted(5.0, "turn2"))
    told = kinds(client.tell(ReplyEnded("Hello you.", TALK)))
    assert told[-2:] == ["response.done", "input_audio_buffer.speech_started"]


def test_a_cough_leaves_no_item(client: Client):
    """It began and it stopped."""
    told = client.tell(TurnStarted(0.4, "turn1"), TurnEnded("", 0.6, "turn1"))
    assert kinds(told) == ["input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"]


def test_a_reply_without_a_sound_has_no_item(client: Client):
    """Interrupted before it began."""
    told = client.tell(ReplyStarted(TALK, "reply1"), ReplyInterrupted("", TALK))
    assert kinds(told) == ["response.created", "response.done"]
    assert told[-1]["response"]["output"] == []


def test_a_failed_reply_says_so(client: Client):
    """In an error event, and at its end."""
    told = client.tell(ReplyStarted(TALK, "reply1"), StageFailed("LLM", TimeoutError()), ReplyEnded("", TALK))
    assert kinds(told) == ["response.created", "response.done"]
    done = told[-1]["response"]
    assert (done["status"], done["status_details"]["error"]["code"]) == ("failed", "stage_failed")
    assert "error" not in kinds(told)


def test_warnings_are_not_told(client: Client):
    """OpenAI's protocol has no weaker word than an error, which ends a Node program that does not expect one."""
    assert client.tell(Warned("Mind."), Overflowed("STT", 80)) == []


def test_a_lost_service_is_told_at_once(client: Client):
    """Also while a response is on, which goes on."""
    lost = Warned("The speech recognition (STT) has fallen silent.", service_lost=True)
    told = client.tell(ReplyStarted(TALK, "reply1"), lost, ReplyEnded("", TALK))
    assert kinds(told) == ["response.created", "error", "response.done"]
    assert (told[1]["error"]["type"], told[1]["error"]["code"]) == ("server_error", "service_lost")
    assert told[-1]["response"]["status"] == "completed"


def test_text_that_was_not_spoken_is_told_with_the_response(client: Client):
    """In its details: the response is incomplete, and its transcript has the words, as they were written."""
    words = (WordSpoken("今日は。", 0.0, 0.0), WordSpoken("元気。", 0.0, 0.0, glued=True), WordSpoken("Yes.", 0.0, 0.0))
    told = client.tell(ReplyStarted(TALK, "reply1"), TextNotSpoken.of("今日は。"), *words, ReplyEnded("", TALK))
    done = told[-1]["response"]
    assert (done["status"], done["status_details"]["type"]) == ("incomplete", "incomplete")
    message = "The voice cannot say “今日は。”: it is shown, and not spoken."
    assert done["status_details"]["error"] == {"type": "text_not_spoken", "code": "text_not_spoken", "message": message}
    assert done["output"][0]["content"][0]["transcript"] == "今日は。元気。 Yes."
    assert not [one for one in told if one["type"] == "error"]


def test_a_failure_of_no_response_is_an_error(client: Client):
    """As is one after which there will be none."""
    for fatal, reply in ((False, []), (True, REPLY)):
        told = client.tell(*reply, StageFailed("STT", TimeoutError(), fatal=fatal))
        assert one(told, "error")["error"]["type"] == "server_error"


def test_a_model_that_cannot_call_functions_is_offered_none():
    """And the client is told so, as it is told of all that holds."""
    ga = Ga(functions=False)
    tools = [{"type": "function", "name": "look"}]
    session = {"tools": tools, "tool_choice": {"type": "function", "name": "look"}}
    message = ga.decode(json.dumps({"type": "session.update", "session": session}))
    assert isinstance(message, SettingsChanged)
    assert message.generation == Generation()
    (told,) = ga.encode(message)
    assert (told["session"]["tools"], told["session"]["tool_choice"]) == ([], "auto")


def test_a_written_reply(client: Client):
    """Text in place of sound."""
    client.say("session.update", session={"output_modalities": ["text"]})
    talk = replace(TALK, aloud=False)
    told = client.tell(
        ReplyStarted(talk, "reply1"), ReplyTextWritten("Hel"), ReplyTextWritten("lo."), ReplyEnded("Hello.", talk)
    )
    assert kinds(told)[3:8] == [
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
    ]
    assert one(told, "response.output_text.done")["text"] == "Hello."
    assert told[-1]["response"]["output"][0]["content"] == [{"type": "output_text", "text": "Hello."}]


def test_sound_of_a_pipeline_without_replies_has_names_too(client: Client):
    """An echo is a response that never ends."""
    told = client.tell(SpeechEncoded(b"\x01\x02", 80), SpeechEncoded(b"\x01\x02", 80))
    assert kinds(told)[0] == "response.created"
    assert kinds(told)[-2:] == ["response.output_audio.delta"] * 2


def test_without_transcription_the_words_stay_here(client: Client):
    """As the client has set it; the item has them all the same."""
    client.say("session.update", session={"audio": {"input": {"transcription": None}}})
    told = client.tell(*TURN)
    assert kinds(told)[-1] == "conversation.item.done"
    item_id = told[0]["item_id"]
    assert (
        client.say("conversation.item.retrieve", item_id=item_id)[0]["item"]["content"][0]["transcript"] == "Hi there."
    )


def test_a_silence_that_the_bot_breaks(client: Client):
    """After `idle_timeout_ms`: an empty turn of the user, with the span of the silence."""
    detection = {"type": "server_vad", "idle_timeout_ms": 6000}
    client.say("session.update", session={"audio": {"input": {"turn_detection": detection}}})
    for _ in range(10):
        client.decode("input_audio_buffer.append", audio=SECOND_OF_SOUND)
    talk = Conversation("", (Message("user", SILENCE, "silence1"),))
    told = client.tell(ReplyStarted(talk, "reply1"))
    assert kinds(told) == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert (told[0]["audio_start_ms"], told[0]["audio_end_ms"]) == (4000, 10_000)


# ---- settings -------------------------------------------------------------------------------------------------------


def test_settings_are_merged_and_repeated_whole(client: Client):
    """A part changes its own fields; unknown ones are kept."""
    law = {"type": "audio/pcmu"}
    client.say(
        "session.update", session={"type": "realtime", "instructions": "A", "audio": {"output": {"format": law}}}
    )
    (told,) = client.say(
        "session.update", session={"type": "realtime", "tracing": "auto", "audio": {"output": {"voice": "v"}}}
    )
    session = told["session"]
    assert (session["instructions"], session["tracing"]) == ("A", "auto")
    assert (session["audio"]["output"]["format"], session["audio"]["output"]["voice"]) == (law, "v")


def test_a_client_that_has_chosen_no_voice_gets_the_synthesisers_own(client: Client):
    """Also where it sends back the name that the server gives to it: a service has no voice of that name."""
    (created,) = client.tell(SessionOpened("sess_x"))
    voice = created["session"]["audio"]["output"]["voice"]
    own: list[Any] = [{}, {"audio": {"output": {"voice": voice}}}, {"audio": {"output": {"voice": {"id": voice}}}}]
    for session in own:
        settings = client.decode("session.update", session={"type": "realtime", **session})
        assert settings.voice is None
    for response in own:
        request = client.decode("response.create", response=response)
        assert request.voice is None
        client.tell(ReplyStarted(TALK, request.item), ReplyEnded("", TALK))


def test_what_cannot_be_had_is_not_repeated(client: Client):
    """The answer says what holds: the voice has one speed, and the microphone is heard as it is."""
    wanted = {"input": {"noise_reduction": {"type": "near_field"}}, "output": {"speed": 1.2}}
    (told,) = client.say("session.update", session={"audio": wanted})
    audio = told["session"]["audio"]
    assert (audio["input"]["noise_reduction"], audio["output"]["speed"]) == (None, 1.0)


def test_turn_detection_is_repeated_with_its_defaults(client: Client):
    """A client decides by `interrupt_response` whether it must cancel by itself."""
    for kind in ("server_vad", "semantic_vad"):
        (told,) = client.say("session.update", session={"audio": {"input": {"turn_detection": {"type": kind}}}})
        detection = told["session"]["audio"]["input"]["turn_detection"]
        assert (detection["create_response"], detection["interrupt_response"]) == (True, True)
        assert ("threshold" in detection) == (kind == "server_vad")


@pytest.mark.parametrize(
    ("detection", "turns"),
    [
        (None, TurnTaking("client", answers=False, interrupts=False)),
        ({"type": "semantic_vad"}, TurnTaking("meaning")),
        ({"type": "semantic_vad", "eagerness": "low"}, TurnTaking("meaning", patience=2.0)),
        ({"type": "semantic_vad", "eagerness": "high"}, TurnTaking("meaning", patience=0.5)),
        ({"type": "server_vad"}, TurnTaking("voice", 0.5, 500)),
        (
            {"type": "server_vad", "threshold": 0.7, "silence_duration_ms": 900, "idle_timeout_ms": 6000},
            TurnTaking("voice", 0.7, 900, idle_s=6.0),
        ),
        (
            {"type": "server_vad", "create_response": False, "interrupt_response": False},
            TurnTaking("voice", 0.5, 500, answers=False, interrupts=False),
        ),
    ],
)
def test_how_turns_are_taken(client: Client, detection: Any, turns: TurnTaking):
    """As the pipeline understands it."""
    changed = client.decode("session.update", session={"audio": {"input": {"turn_detection": detection}}})
    assert changed.turns == turns


def test_a_client_leads_from_the_beginning(client: Client):
    """The bot neither opens nor nudges nor hangs up by itself; instructions are ours until the client has some."""
    assert client.settings.turns == TurnTaking("meaning")
    assert client.settings.system_prompt
    assert not client.tell(client.settings)
    changed = client.decode("session.update", session={"instructions": "Be brief.", "output_modalities": ["text"]})
    assert (changed.system_prompt, changed.aloud) == ("Be brief.", False)
    assert (
        client.decode("session.update", session={"instructions": None}).system_prompt == client.settings.system_prompt
    )


@pytest.mark.parametrize("kind", ["audio/pcm", "audio/pcmu", "audio/pcma", "audio/opus"])
def test_formats_each_way(client: Client, kind: str):
    """Input and output are set independently: each packet has the input's, the settings have the output's."""

    def formats(**audio: str) -> tuple[str, str]:
        parts = {side: {"format": {"type": kind}} for side, kind in audio.items()}
        changed = client.decode("session.update", session={"audio": parts})
        return client.decode("input_audio_buffer.append", audio="AAE=").audio_format, changed.output_format

    assert formats(output=kind) == ("audio/pcm", kind)
    assert formats(input=kind, output="audio/pcm") == (kind, "audio/pcm")


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"type": "sing"}, "session.type"),
        ({"instructions": 3}, "session.instructions"),
        ({"output_modalities": ["smell"]}, "session.output_modalities.0"),
        ({"audio": {"input": {"format": {"type": "audio/mp3"}}}}, "session.audio.input.format.type"),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}}}}, "session.audio.input.format.rate"),
        ({"audio": {"input": {"turn_detection": {"type": "none"}}}}, "session.audio.input.turn_detection.type"),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}},
            "session.audio.input.turn_detection.threshold",
        ),
    ],
)
def test_wrong_settings_change_nothing(client: Client, session: dict[str, Any], param: str):
    """The field is named, and what was set stays."""
    assert client.rejected("session.update", session=session)[1] == param
    assert client.decode("session.update", session={}).turns == TurnTaking("meaning")


# ---- the client's sound ---------------------------------------------------------------------------------------------


def manual(client: Client) -> Client:
    client.say("session.update", session={"audio": {"input": {"turn_detection": None}}})
    return client


def test_sound(client: Client):
    """As bytes, by the name of the message."""
    assert client.decode("input_audio_buffer.append", event_id="e1", audio="AAE=") == AudioReceived(
        b"\x00\x01", "e1", "audio/pcm"
    )
    assert client.rejected("input_audio_buffer.append", audio="?") == ("invalid_audio", "audio")


def test_a_commit_becomes_an_item_at_once_and_words_later(client: Client):
    """The answer names the item that the transcript is of."""
    manual(client).decode("input_audio_buffer.append", audio=SECOND_OF_SOUND)
    commit = client.decode("input_audio_buffer.commit")
    assert isinstance(commit, InputCommitted)
    told = client.tell(commit)
    assert kinds(told) == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    words = client.tell(TurnEnded("Hi there.", 1.0, commit.item, committed=True))
    assert kinds(words)[-1] == "conversation.item.input_audio_transcription.completed"
    assert words[-1]["item_id"] == told[0]["item_id"]
    assert words[-1]["usage"]["seconds"] == 1.0


def test_too_little_sound_cannot_be_committed(client: Client):
    """None, less than 100 ms, and what has been cleared."""
    code = "input_audio_buffer_commit_empty"
    manual(client)
    assert client.rejected("input_audio_buffer.commit")[0] == code
    client.decode("input_audio_buffer.append", audio=base64.b64encode(bytes(4_000)).decode())
    assert client.rejected("input_audio_buffer.commit")[0] == code
    client.decode("input_audio_buffer.append", audio=SECOND_OF_SOUND)
    assert kinds(client.say("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert client.rejected("input_audio_buffer.commit")[0] == code
    assert client.decode("input_audio_buffer.clear") == InputCleared()


def test_a_commit_ends_the_turn_that_was_detected(client: Client):
    """Which has an item already; while nobody speaks there is none to be ended."""
    client.decode("input_audio_buffer.append", audio=SECOND_OF_SOUND)
    assert client.rejected("input_audio_buffer.commit")[0] == "input_audio_buffer_commit_empty"
    client.tell(TurnStarted(0.4, "turn1"))
    commit = client.decode("input_audio_buffer.commit")
    assert commit == InputCommitted("")
    assert client.tell(commit) == []


# ---- items ----------------------------------------------------------------------------------------------------------


def test_an_item_is_created_where_the_client_wants_it(client: Client):
    """At the end, at the beginning, behind another one; by its own name or ours."""
    added, done = client.say("conversation.item.create", item=text("one", id="a"))
    assert (added["type"], done["type"]) == ("conversation.item.added", "conversation.item.done")
    assert added["item"]["content"] == [{"type": "input_text", "text": "one"}]
    root = client.decode("conversation.item.create", item=text("zero", role="system", id="z"), previous_item_id="root")
    assert (root.role, root.text, root.after) == ("system", "zero", "")
    assert client.tell(root)[0]["previous_item_id"] is None
    behind = client.decode(
        "conversation.item.create", item=text("so", "assistant", "output_text"), previous_item_id="a"
    )
    assert isinstance(behind, ItemCreated)
    assert client.tell(behind)[0]["previous_item_id"] == "a"
    first, second = (
        client.decode("conversation.item.retrieve", item_id="z"),
        client.decode("conversation.item.retrieve", item_id="a"),
    )
    assert (first, second) == (ItemRequested("=z"), ItemRequested("=a"))
    assert behind.after == "=a"


def test_an_item_of_the_pipeline_is_known_by_the_name_that_the_client_was_told(client: Client):
    """It is retrieved, truncated to the words that were heard, and deleted."""
    told = client.tell(*REPLY, ReplyInterrupted("Hello you.", TALK))
    item_id = one(told, "response.output_item.added")["item"]["id"]
    truncate = client.decode("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=150)
    assert truncate == ItemTruncated("reply1", 150)
    (truncated,) = client.tell(truncate)
    assert (truncated["item_id"], truncated["audio_end_ms"], truncated["content_index"]) == (item_id, 150, 0)
    (retrieved,) = client.say("conversation.item.retrieve", item_id=item_id)
    assert retrieved["item"]["content"] == [{"type": "output_audio", "transcript": "Hello"}]
    delete = client.decode("conversation.item.delete", item_id=item_id)
    assert delete == ItemDeleted("reply1")
    assert client.tell(delete)[0]["item_id"] == item_id
    assert client.rejected("conversation.item.retrieve", item_id=item_id)[0] == "item_retrieve_invalid_item_id"


def test_transcripts_of_sound_can_be_written_into_the_history(client: Client):
    """As agents do that restore one."""
    heard = {"type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": "Hi."}]}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "Ho."}]}
    assert [client.decode("conversation.item.create", item=item).text for item in (heard, said)] == ["Hi.", "Ho."]


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        (
            {"item": {"type": "function_call_output", "call_id": "c", "output": ""}},
            "invalid_tool_call_id",
            "item.call_id",
        ),
        ({"item": text("x"), "previous_item_id": "gone"}, "item_not_found", "previous_item_id"),
        ({"item": text("x", id="here")}, "item_exists", "item.id"),
        ({"item": text("x", kind="output_text")}, "invalid_value", "item.content.0.type"),
        ({"item": {**text("x"), "role": "cat"}}, "invalid_value", "item.role"),
        (
            {"item": {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AAA="}]}},
            "unsupported_content",
            "item.content.0.transcript",
        ),
        (
            {"item": {"type": "message", "role": "user", "content": [{"type": "input_image"}]}},
            "invalid_value",
            "item.content.0.type",
        ),
    ],
)
def test_what_cannot_be_an_item(client: Client, fields: dict[str, Any], code: str, param: str):
    """Named, and nothing is created."""
    client.say("conversation.item.create", item=text("x", id="here"))
    assert client.rejected("conversation.item.create", **fields) == (code, param)


def test_only_the_sound_of_the_bot_can_be_truncated(client: Client):
    """And only where it is."""
    client.say("conversation.item.create", item=text("x", id="here"))
    assert client.rejected("conversation.item.truncate", item_id="here", audio_end_ms=0)[1] == "content_index"
    assert client.rejected("conversation.item.truncate", item_id="gone", audio_end_ms=0)[1] == "item_id"
    assert client.rejected("conversation.item.truncate", item_id="here", audio_end_ms=-1)[1] == "audio_end_ms"
    assert client.rejected("conversation.item.delete", item_id="gone")[0] == "item_delete_invalid_item_id"


# ---- responses ------------------------------------------------------------------------------------------------------


def test_a_response_is_asked_for_with_wishes(client: Client):
    """Which hold for it alone, and are repeated."""
    client.say("conversation.item.create", item=text("Before.", id="a"))
    request = client.decode(
        "response.create",
        response={
            "instructions": "Sing.",
            "output_modalities": ["text"],
            "conversation": "none",
            "metadata": {"k": "v"},
            "max_output_tokens": 9,
            "input": [{"type": "item_reference", "id": "a"}, text("And?")],
        },
    )
    asked = (ItemCreated("", "user", "Before."), ItemCreated("", "user", "And?"))
    wanted = Generation(max_tokens=9)
    assert request == ReplyRequested(request.item, "Sing.", asked, False, False, wanted, None, "audio/pcm")
    talk = Conversation("Sing.", aloud=False)
    said = (ReplyStarted(talk, request.item), ReplyTextWritten("La."), ReplyEnded("La.", talk))
    told = client.tell(*(OutOfBandResponse(request.item, event) for event in said))
    response = told[0]["response"]
    assert (response["metadata"], response["max_output_tokens"], response["conversation_id"]) == ({"k": "v"}, 9, None)
    assert response["output_modalities"] == ["text"]
    assert not [kind for kind in kinds(told) if kind.startswith("conversation.")]


SOUND = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AAAA"}]}


@pytest.mark.parametrize(
    ("before", "fields", "code", "param"),
    [
        ([], {"item": {**SOUND, "id": "a"}}, "item_exists", "item.id"),
        ([], {"item": SOUND, "previous_item_id": "root"}, "unsupported_content", "item.content.0.transcript"),
        (["AAAA"], {"item": SOUND}, "input_audio_buffer_not_empty", None),
        (
            [],
            {"item": {**SOUND, "content": [{"type": "input_audio", "audio": "?"}]}},
            "invalid_audio",
            "item.content.0.audio",
        ),
    ],
)
def test_sound_that_cannot_be_a_message(
    client: Client, before: list[str], fields: dict[str, Any], code: str, param: str | None
):
    """It would be heard as part of something else; nothing is created."""
    client.say("session.update", session={"audio": {"input": {"turn_detection": None}}})
    client.say("conversation.item.create", item=text("One.", id="a"))
    for audio in before:
        client.decode("input_audio_buffer.append", audio=audio)
    assert client.rejected("conversation.item.create", **fields) == (code, param)


ASIDE = {"conversation": "none", "output_modalities": ["text"]}


def test_responses_beside_the_conversation_are_many(client: Client):
    """While another is spoken; each has a name, an end and an item of its own."""
    client.tell(*REPLY)
    first, second = (client.decode("response.create", response=ASIDE) for _ in range(2))
    begun = client.tell(*(OutOfBandResponse(one.item, ReplyStarted(TALK, one.item)) for one in (first, second)))
    assert kinds(begun) == ["response.created"] * 2
    names = [message["response"]["id"] for message in begun]
    told = client.tell(
        OutOfBandResponse(second.item, ReplyTextWritten("B")), OutOfBandResponse(first.item, ReplyTextWritten("A"))
    )
    assert [(one["response_id"], one["delta"]) for one in told if "delta" in one] == [(names[1], "B"), (names[0], "A")]
    cancel = client.decode("response.cancel", response_id=names[0])
    assert cancel == ReplyCancelled(first.item)
    client.tell(cancel)
    done = client.tell(
        OutOfBandResponse(first.item, ReplyInterrupted("A", TALK)),
        OutOfBandResponse(second.item, ReplyEnded("B", TALK)),
    )
    ends = [one["response"] for one in done if one["type"] == "response.done"]
    assert [(one["id"], one["status"], one["output"][0]["content"][0]["text"]) for one in ends] == [
        (names[0], "cancelled", "A"),
        (names[1], "completed", "B"),
    ]


def test_responses_beside_the_conversation_are_not_too_many(client: Client):
    """Each is a request to the language model; one that is over makes room."""
    requests = [client.decode("response.create", response=ASIDE) for _ in range(8)]
    assert client.rejected("response.create", response=ASIDE)[0] == "too_many_active_responses"
    client.tell(
        OutOfBandResponse(requests[0].item, ReplyStarted(TALK)),
        OutOfBandResponse(requests[0].item, ReplyEnded("", TALK)),
    )
    assert isinstance(client.decode("response.create", response=ASIDE), ReplyRequested)


def test_a_failure_beside_the_conversation_is_its_own(client: Client):
    """The response that it belongs to fails; the one that is spoken does not."""
    spoken = client.tell(*REPLY)[0]["response"]["id"]
    request = client.decode("response.create", response=ASIDE)
    failed = (ReplyStarted(TALK), StageFailed("LLM", TimeoutError()), ReplyEnded("", TALK))
    told = client.tell(*(OutOfBandResponse(request.item, event) for event in failed))
    assert kinds(told) == ["response.created", "response.done"]
    assert told[-1]["response"]["status"] == "failed"
    done = client.tell(ReplyEnded("Hello you.", TALK))[-1]["response"]
    assert (done["id"], done["status"]) == (spoken, "completed")


def test_one_response_at_a_time(client: Client):
    """While it is asked for, and while it is on."""
    code = "conversation_already_has_active_response"
    request = client.decode("response.create")
    assert client.rejected("response.create")[0] == code
    client.tell(ReplyStarted(TALK, request.item))
    assert client.rejected("response.create")[0] == code
    client.tell(ReplyEnded("", TALK))
    assert isinstance(client.decode("response.create"), ReplyRequested)


def test_a_response_is_cancelled(client: Client):
    """By its name or without; the reason is the client."""
    code = "response_cancel_not_active"
    assert client.rejected("response.cancel")[0] == code
    told = client.tell(*REPLY)
    assert client.rejected("response.cancel", response_id="other")[0] == code
    cancel = client.decode("response.cancel", response_id=told[0]["response"]["id"])
    assert cancel == ReplyCancelled()
    assert client.tell(cancel) == []
    done = client.tell(ReplyInterrupted("Hello you.", TALK))[-1]["response"]
    assert done["status_details"]["reason"] == "client_cancelled"
    again = client.tell(ReplyStarted(TALK, "reply2"), ReplyInterrupted("", TALK))
    assert again[-1]["response"]["status_details"]["reason"] == "turn_detected"


def test_a_response_that_has_not_begun_is_cancelled_in_silence(client: Client):
    """And another may be asked for."""
    client.say("response.create")
    client.say("response.cancel")
    assert isinstance(client.decode("response.create"), ReplyRequested)


def test_what_a_websocket_has_not(client: Client):
    """Events that nobody has."""
    assert client.rejected("sing") == ("invalid_value", "type")


# ---- whatever comes -------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ITEM_IDS = st.sampled_from(["a", "b", "item_gone", "root"])
CONTENT = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["input_text", "output_text", "input_audio", "text", "smell"])},
        optional={"text": st.text(max_size=3) | JSON, "transcript": st.text(max_size=3) | JSON},
    ),
    max_size=2,
)
ITEM = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["message", "function_call", "item_reference"]),
        "role": st.sampled_from(["user", "system"]),
    },
    optional={"id": ITEM_IDS, "content": CONTENT | JSON, "status": JSON},
)
DETECTION = st.none() | st.fixed_dictionaries(
    {"type": st.sampled_from(["server_vad", "semantic_vad", "none"])},
    optional={
        "threshold": st.floats(0, 2) | JSON,
        "eagerness": st.sampled_from(["low", "auto"]) | JSON,
        "idle_timeout_ms": JSON,
    },
)
FORMAT = st.fixed_dictionaries({"type": st.sampled_from(["audio/pcm", "audio/pcmu", "audio/opus", "audio/mp3"])})
SESSION = st.fixed_dictionaries(
    {},
    optional={
        "instructions": st.text(max_size=3) | JSON,
        "output_modalities": st.lists(st.sampled_from(["audio", "text"])) | JSON,
        "audio": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "input": JSON
                | st.fixed_dictionaries(
                    {}, optional={"turn_detection": DETECTION, "format": FORMAT, "transcription": JSON}
                ),
                "output": JSON | st.fixed_dictionaries({}, optional={"format": FORMAT | JSON, "voice": JSON}),
            },
        ),
        "tools": JSON,
        "max_output_tokens": JSON,
        "model": JSON,
    },
)
MESSAGE = st.one_of(
    st.fixed_dictionaries({"type": st.just("session.update"), "session": SESSION | JSON}),
    st.fixed_dictionaries({"type": st.just("input_audio_buffer.append"), "audio": st.just(SECOND_OF_SOUND) | JSON}),
    st.fixed_dictionaries({"type": st.sampled_from(["input_audio_buffer.commit", "input_audio_buffer.clear"])}),
    st.fixed_dictionaries(
        {"type": st.just("conversation.item.create"), "item": ITEM | JSON}, optional={"previous_item_id": ITEM_IDS}
    ),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["conversation.item.retrieve", "conversation.item.delete"]),
            "item_id": ITEM_IDS | JSON,
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("conversation.item.truncate"), "item_id": ITEM_IDS, "audio_end_ms": st.integers(-1, 9)}
    ),
    st.fixed_dictionaries(
        {"type": st.just("response.create")},
        optional={
            "response": st.fixed_dictionaries(
                {}, optional={"input": st.lists(ITEM, max_size=2) | JSON, "conversation": JSON, "metadata": JSON}
            )
        },
    ),
    st.fixed_dictionaries({"type": st.sampled_from(["response.cancel", "output_audio_buffer.clear", "nonsense"])}),
    JSON,
)
HAPPENS = st.sampled_from(
    [
        *TURN,
        *REPLY,
        ReplyEnded("x", TALK),
        ReplyInterrupted("x", TALK),
        ReplyTextWritten("x"),
        StageFailed("LLM", OSError()),
    ]
)


@settings(max_examples=examples(300))
@given(st.lists(MESSAGE.map(json.dumps) | st.text(max_size=9) | HAPPENS, max_size=12), st.booleans())
def test_whatever_is_said_and_happens_can_be_told(steps: list[Any], beta: bool):
    """No sequence raises, and every message is one that the protocol has, under a name of its own."""
    client = Client(beta=beta)
    told = client.tell(SessionOpened("sess_x"))
    for step in steps:
        event = client.wire.decode(step) if isinstance(step, str) else step
        told += client.tell(event)
        assert not isinstance(event, InputRejected) or event.message
    assert len({message["event_id"] for message in told}) == len(told)


@settings(max_examples=examples(200))
@given(st.lists(HAPPENS, max_size=20))
def test_every_response_is_opened_and_closed_once(happens: list[Any]):
    """Each item, part and response; and nothing is said of one outside of its life."""
    client = Client()
    told = client.tell(*happens, ReplyEnded("", TALK))
    created = [message["response"]["id"] for message in told if message["type"] == "response.created"]
    done = [message["response"]["id"] for message in told if message["type"] == "response.done"]
    assert created == done
    alive: set[str] = set()
    for message in told:
        if message["type"] == "response.created":
            alive.add(message["response"]["id"])
        elif message["type"] == "response.done":
            alive.remove(message["response"]["id"])
        elif "response_id" in message:
            assert message["response_id"] in alive


def test_settings_of_the_pipeline_are_not_repeated(client: Client):
    """Only what the client has written is."""
    assert client.tell(SettingsChanged("x")) == []
