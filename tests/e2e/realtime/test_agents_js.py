"""@openai/agents-realtime on Node.js: a RealtimeSession over its WebSocket transport."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e realtime")]

SOUND = 4 * 0.2 * 24_000 * 2


@pytest.mark.parametrize("scene", ["speech", "defaults"])
def test_a_turn_is_heard_answered_and_spoken(node, server: str, scene: str) -> None:
    """With its own default settings (`semantic_vad`), too; the history is that of the application's."""
    seen = node("agents.mjs", server, scene)
    assert seen["errors"] == []
    assert seen["sound"] == SOUND
    assert seen["ends"] == ["Nice to meet you."]
    assert seen["history"] == [["user", "Hello there."], ["assistant", "Nice to meet you."]]
    assert seen["settings"]["instructions"] == "Be brief."
    assert seen["settings"]["audio"]["input"]["turn_detection"]["interrupt_response"] is True


def test_a_text_is_answered(node, server: str) -> None:
    """In speech."""
    seen = node("agents.mjs", server, "text")
    assert (seen["errors"], seen["sound"] > 0) == ([], True)
    assert seen["history"] == [["user", "What do you read?"], ["assistant", "I have read that."]]


@pytest.mark.parametrize(("interrupts", "reason"), [("yes", "turn_detected"), ("no", "client_cancelled")])
def test_speech_interrupts(node, server: str, interrupts: str, reason: str) -> None:
    """The client stops its playback and truncates; it cancels by itself where we do not interrupt."""
    seen = node("agents.mjs", server, "barge-in", interrupts)
    assert seen["errors"] == []
    assert seen["interrupted"] == 1
    assert (seen["done"]["status"], seen["done"]["status_details"]["reason"]) == ("cancelled", reason)
    assert 3000 < seen["truncated"]["audio_end_ms"] < 4200
    role, said = seen["history"][1]
    assert role == "assistant"
    heard = seen["truncated"]["audio_end_ms"] / 200
    assert abs(len(said.split()) - heard) <= 1


def test_a_response_can_be_cancelled(node, server: str) -> None:
    """By the application."""
    seen = node("agents.mjs", server, "cancel")
    assert seen["errors"] == []
    assert seen["done"]["status_details"]["reason"] == "client_cancelled"


def test_a_client_may_end_its_turns_itself(node, server: str) -> None:
    """`turnDetection: null`, a commit, and a response that is asked for."""
    seen = node("agents.mjs", server, "manual")
    assert (seen["errors"], seen["sound"]) == ([], SOUND)
    assert seen["history"] == [["user", "Hello there."], ["assistant", "Nice to meet you."]]
    assert "input_audio_buffer.speech_started" not in seen["kinds"]
