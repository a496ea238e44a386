"""The beta reference client, in its TypeScript edition on npm: it throws at events that come in the wrong order."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e realtime")]

SAMPLES = 4 * 0.2 * 24_000


@pytest.mark.parametrize("scene", ["speech", "manual"])
def test_a_turn_is_heard_answered_and_spoken(node, server: str, scene: str) -> None:
    """It holds where voicepipe notices the turn's end and where the client commits it."""
    seen = node("beta.mjs", server, scene)
    assert seen["errors"] == []
    user, bot = seen["items"]
    assert (user["role"], user["transcript"]) == ("user", "Hello there.")
    assert (bot["role"], bot["status"], bot["transcript"]) == ("assistant", "completed", "Nice to meet you.")
    assert bot["samples"] == SAMPLES
    assert user["samples"] > 0


def test_a_text_is_answered(node, server: str) -> None:
    """In speech."""
    seen = node("beta.mjs", server, "text")
    user, bot = seen["items"]
    assert (seen["errors"], user["text"], bot["transcript"]) == ([], "What do you read?", "I have read that.")


def test_a_response_can_be_cancelled_and_truncated(node, server: str) -> None:
    """`cancelResponse(id, sampleCount)` does both."""
    seen = node("beta.mjs", server, "cancel")
    assert seen["errors"] == []
    assert seen["done"]["status_details"]["reason"] == "client_cancelled"
    assert (seen["truncated"]["audio_end_ms"], seen["items"][-1]["status"]) == (500, "incomplete")


def test_speech_interrupts(node, server: str) -> None:
    """The client is told, and the response ends."""
    seen = node("beta.mjs", server, "barge-in")
    assert (seen["errors"], seen["interrupted"]) == ([], 1)
    assert seen["done"]["status_details"]["reason"] == "turn_detected"
