"""Failures in words: which service, what now, and nothing of the inside."""

from __future__ import annotations

import pytest

from voicepipe.events import InputRejected, Overflowed, StageFailed, Warned
from voicepipe.realtime import error_body


@pytest.mark.parametrize(
    ("stage", "error", "told"),
    [
        ("STT", RuntimeError("x"), "The speech recognition (STT) failed. Please try again."),
        ("LLM", TimeoutError(), "The language model (LLM) did not answer in time. Please try again."),
        ("TTS", ConnectionRefusedError(), "The speech synthesis (TTS) cannot be reached. Please try again."),
        ("mine", ValueError(), "The stage 'mine' failed. Please try again."),
    ],
)
def test_a_failed_stage_is_named(stage: str, error: Exception, told: str):
    """In a sentence that the user understands; the session goes on, so it is a warning."""
    body = error_body(StageFailed(stage, error))
    assert (body["type"], body["code"], body["message"]) == ("warning", "stage_failed", told)


def test_a_fatal_failure_says_that_it_is_the_end():
    """And has the type that says so to programs."""
    body = error_body(StageFailed("STT", RuntimeError(), fatal=True))
    assert body["type"] == "fatal"
    assert body["message"] == "The speech recognition (STT) failed. The conversation ends here."


def test_nothing_of_the_inside_gets_out():
    """Neither the exception's text nor a path in it."""
    body = error_body(StageFailed("LLM", OSError(2, "No such file", "/srv/secret/model.gguf")))
    assert "secret" not in str(body)
    assert "No such file" not in str(body)


def test_what_was_lost_is_said_in_milliseconds():
    """With the boundary that lost it."""
    body = error_body(Overflowed("STT", 239.6))
    assert (body["type"], body["message"]) == ("warning", "240 ms of audio were dropped: STT could not keep up.")


def test_a_warning_is_passed_on_as_it_is():
    """It has been written for the user."""
    assert error_body(Warned("Speak up."))["message"] == "Speak up."


def test_a_rejected_message_names_field_and_event():
    """As OpenAI's errors do."""
    assert error_body(InputRejected("invalid_value", "No.", "session.voice", "e1")) == {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": "No.",
        "param": "session.voice",
        "event_id": "e1",
    }
