"""Server events as a strict client in another language reads them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from needs import require
from published import check_published
from spoken import Spoken

from voicepipe.conversation import Conversation
from voicepipe.events import (
    FunctionCall,
    FunctionCalled,
    FunctionCallWritten,
    MaxTokensReached,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    ReplyTextWritten,
    SessionOpened,
    SpeechEncoded,
    StageFailed,
    TurnConfirmed,
    TurnEnded,
    TurnStarted,
    WordSpoken,
)

TALK = Conversation("Be brief.").user_said("Hi!")
CALL = FunctionCall("call_1", "look_up", '{"word": "ditch"}')
FLOATS = {"silence_duration_ms": 500.0, "prefix_padding_ms": 300.0, "idle_timeout_ms": 6000.0}
TURN = (TurnStarted(0.4004, "turn1"), TurnConfirmed(0.4), TurnEnded("Hi there.", 1.4006, "turn1"))
SPOKEN = (
    ReplyText("Hello"),
    SpeechEncoded(b"\x01\x02", 80),
    WordSpoken("Hello", 0.0, 0.2),
    WordSpoken("you.", 0.2, 0.4),
)


def conversation(*, beta: bool) -> list[dict[str, Any]]:
    """All that one client is told, with what clients write as floats."""
    client = Spoken(beta=beta)
    detection = {"type": "server_vad", "threshold": 1, **FLOATS}
    flat = {"turn_detection": detection, "max_response_output_tokens": 100.0, "temperature": 1}
    nested = {"audio": {"input": {"turn_detection": detection}}, "max_output_tokens": 100.0}
    tools = [{"type": "function", "name": "look_up", "parameters": {"type": "object"}}]
    told = client.tell(SessionOpened("sess_1"))
    told += client.say("session.update", session={**(flat if beta else nested), "tools": tools})
    told += client.tell(*TURN, ReplyStarted(TALK, "reply1"), *SPOKEN, FunctionCallWritten("call_1", "look_up", "{"))
    told += client.tell(FunctionCalled(CALL), ReplyEnded("Hello you.", TALK))
    told += client.tell(ReplyStarted(TALK, "reply2"), *SPOKEN, ReplyInterrupted("Hello", TALK))
    told += client.tell(
        ReplyStarted(TALK, "reply3"), ReplyTextWritten("Hi."), MaxTokensReached(), ReplyEnded("Hi.", TALK)
    )
    told += client.tell(ReplyStarted(TALK, "reply4"), StageFailed("TTS", TimeoutError()), ReplyEnded("", TALK))
    told += client.tell(StageFailed("STT", ConnectionError()))
    item = next(event["item"]["id"] for event in told if event.get("item", {}).get("role") == "assistant")
    told += client.say("conversation.item.truncate", item_id=item, content_index=0.0, audio_end_ms=123.4)
    told += client.say("conversation.item.retrieve", item_id=item)
    told += client.say("conversation.item.delete", item_id=item)
    told += client.say("input_audio_buffer.clear")
    told += client.tell(client.decode("response.cancel", event_id="mine"))
    return client.told


@pytest.mark.programs
@pytest.mark.parametrize("beta", [False, True], ids=["ga", "beta"])
def test_a_strict_decoder_in_go_reads_every_event(beta: bool, tmp_path: Path) -> None:
    """Its integers are integers, and no field is of another type."""
    go = require("go")
    environment = os.environ | {
        "GOCACHE": str(tmp_path / "cache"),
        "GOPATH": str(tmp_path / "go"),
        "GOFLAGS": "-mod=mod",
    }
    events = conversation(beta=beta)
    done = subprocess.run(
        [go, "run", str(Path(__file__).parent / "events.go")],
        input="".join(json.dumps(event) + "\n" for event in events),
        capture_output=True,
        text=True,
        env=environment,
        timeout=180,
        check=False,
    )
    assert done.stdout.splitlines() == [str(len(events))], done.stdout + done.stderr


def test_the_decoder_of_published_types_is_strict() -> None:
    """A float for an integer, and a field that is absent, are refused."""
    good = {"type": "input_audio_buffer.speech_started", "event_id": "e", "audio_start_ms": 500, "item_id": "i"}
    check_published("ga", good)
    for bad in ({**good, "audio_start_ms": 500.0}, {key: good[key] for key in ("type", "event_id", "item_id")}):
        with pytest.raises(AssertionError, match="not of the published type"):
            check_published("ga", bad)


@pytest.mark.parametrize("written", [500, 500.0])
def test_integers_are_repeated_as_integers(written: float) -> None:
    """However the client writes them."""
    client = Spoken()
    detection = {"type": "server_vad", "silence_duration_ms": written, "prefix_padding_ms": written}
    (updated,) = client.say("session.update", session={"audio": {"input": {"turn_detection": detection}}})
    told = json.dumps(updated["session"]["audio"]["input"]["turn_detection"])
    assert '"silence_duration_ms": 500, "' in told.replace("}", ', "')
    assert "500.0" not in told
