"""Transcription sessions, in the GA and the beta form: what is said is written, and nothing is answered."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from spoken import Spoken, kinds, one

from voicepipe.events import (
    InputCommitted,
    SessionOpened,
    SettingsChanged,
    TokenLogprob,
    Transcribed,
    TurnConfirmed,
    TurnEnded,
    TurnStarted,
)
from voicepipe.realtime.ga.dialect import Ga

TURN = (TurnStarted(0.4, "turn1"), TurnConfirmed(0.4), TurnEnded("Hi there.", 1.4, "turn1"))
VAD = {"type": "server_vad", "threshold": 0.6, "prefix_padding_ms": 200, "silence_duration_ms": 700}
SOUND = base64.b64encode(bytes(9_600)).decode()


def transcribing(client: Spoken, *, beta: bool, detection: dict[str, Any] | None) -> SettingsChanged:
    """The settings of a client that asks for a transcription session."""
    include = ["item.input_audio_transcription.logprobs", "item.other"]
    if beta:
        flat = {"input_audio_transcription": {"model": "whisper-1", "language": "en"}, "turn_detection": detection}
        return client.decode("transcription_session.update", session={**flat, "include": include})
    sound = {"transcription": {"model": "gpt-4o-transcribe", "language": "en"}, "turn_detection": detection}
    return client.decode(
        "session.update", session={"type": "transcription", "audio": {"input": sound}, "include": include}
    )


@pytest.mark.parametrize("beta", [False, True], ids=["ga", "beta"])
def test_it_is_repeated_with_what_holds(beta: bool) -> None:
    """In its own form; a recogniser that gives no probabilities promises none."""
    client = Spoken(beta=beta)
    (updated,) = client.tell(transcribing(client, beta=beta, detection=VAD))
    assert updated["type"] == ("transcription_session.updated" if beta else "session.updated")
    session = updated["session"]
    assert (session["object"], session["include"]) == ("realtime.transcription_session", None)
    heard = session if beta else session["audio"]["input"]
    assert {**VAD, **heard["turn_detection"]} == heard["turn_detection"]
    assert heard["input_audio_transcription" if beta else "transcription"]["language"] == "en"


@pytest.mark.parametrize("beta", [False, True], ids=["ga", "beta"])
@pytest.mark.parametrize("detection", [VAD, {"type": "semantic_vad"}, {**VAD, "create_response": True}, None])
def test_nothing_is_answered(beta: bool, detection: dict[str, Any] | None) -> None:
    """Not even where the client asks for it."""
    client = Spoken(beta=beta)
    settings = transcribing(client, beta=beta, detection=detection)
    assert settings.turns is not None
    assert (settings.turns.answers, settings.turns.interrupts, settings.turns.idle_s) == (False, False, None)
    assert client.rejected("response.create") == ("unsupported_event", "type")


@pytest.mark.parametrize("beta", [False, True], ids=["ga", "beta"])
def test_a_turn_is_transcribed(beta: bool) -> None:
    """With one item from its voice to its text."""
    client = Spoken(beta=beta)
    client.tell(transcribing(client, beta=beta, detection=VAD))
    told = client.tell(*TURN)
    transcription = "conversation.item.input_audio_transcription"
    delta, completed = one(told, f"{transcription}.delta"), one(told, f"{transcription}.completed")
    assert (delta["delta"], completed["transcript"]) == ("Hi there.", "Hi there.")
    assert len({event["item_id"] for event in told if "item_id" in event}) == 1
    assert completed["usage"] == {"type": "duration", "seconds": 1.0 + 0.2}


@pytest.mark.parametrize("beta", [False, True], ids=["ga", "beta"])
def test_a_transcript_has_the_probabilities_of_its_tokens(beta: bool) -> None:
    """They come where the client wants them and the recogniser gives them; a turn without words has none."""
    client = Spoken(beta=beta, logprobs=True)
    (updated,) = client.tell(transcribing(client, beta=beta, detection=VAD))
    assert updated["session"]["include"] == ["item.input_audio_transcription.logprobs"]
    client.tell(
        TurnStarted(0.1, "turn0"), Transcribed(0.2, "", (TokenLogprob("Hm", -3.0),)), TurnEnded("", 0.2, "turn0")
    )
    heard = (
        Transcribed(0.8, "Hi", (TokenLogprob(" Hi", -0.5),)),
        Transcribed(1.4, "thé.", (TokenLogprob(" thé.", -2.0),)),
    )
    told = client.tell(*TURN[:2], *heard, TURN[2])
    scored = [
        {"token": " Hi", "logprob": -0.5, "bytes": [32, 72, 105]},
        {"token": " thé.", "logprob": -2.0, "bytes": [32, 116, 104, 195, 169, 46]},
    ]
    kind = "conversation.item.input_audio_transcription"
    assert [one(told, f"{kind}.{name}")["logprobs"] for name in ("delta", "completed")] == [scored, scored]
    assert one(client.tell(*TURN), f"{kind}.completed")["logprobs"] == []


@pytest.mark.parametrize("beta", [False, True], ids=["ga", "beta"])
def test_a_client_may_commit_itself(beta: bool) -> None:
    """It may where it has turned the turn detection off."""
    client = Spoken(beta=beta)
    client.tell(transcribing(client, beta=beta, detection=None))
    client.decode("input_audio_buffer.append", audio=SOUND)
    committed = client.decode("input_audio_buffer.commit")
    assert isinstance(committed, InputCommitted)
    assert kinds(client.tell(committed))[0] == "input_audio_buffer.committed"
    told = client.tell(TurnEnded("Hi there.", 0.2, committed.item, committed=True))
    assert kinds(told)[-1] == "conversation.item.input_audio_transcription.completed"


def test_the_handshake_may_ask_for_it() -> None:
    """The greeting says so, and an update without a type keeps it."""
    ga = Ga(transcribes=True)
    assert ga.opening().turns is not None
    (created,) = ga.encode(SessionOpened("sess_1"))
    assert created["session"]["type"] == "transcription"
    settings = ga.decode('{"type": "session.update", "session": {"audio": {"input": {"turn_detection": null}}}}')
    assert isinstance(settings, SettingsChanged)
    assert ga.encode(settings)[0]["session"]["type"] == "transcription"
