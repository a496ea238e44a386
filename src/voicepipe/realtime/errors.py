"""Failures in words for the user: which service, and what it means; never a stack trace or a path."""

from __future__ import annotations

from typing import Any, TypeAlias

from voicepipe.events import InputRejected, Overflowed, StageFailed, Warned
from voicepipe.services import ServiceError

__all__ = ["Failure", "error_body", "sentence", "server_error"]

Failure: TypeAlias = StageFailed | Warned | Overflowed | InputRejected
"""The events that a client gets as an `error` event."""

_SERVICES = {
    "vad": "voice detection (VAD)",
    "stt": "speech recognition (STT)",
    "llm": "language model (LLM)",
    "tts": "speech synthesis (TTS)",
    "pipeline": "conversation pipeline",
    "reply": "reply",
}


def error_body(event: Failure) -> dict[str, Any]:
    """Return the `error` object of an error event: `type`, `code`, `message`, `param`, `event_id`.

    >>> error_body(StageFailed("LLM", TimeoutError()))["message"]
    'The language model (LLM) did not answer in time. Please try again.'
    """
    match event:
        case InputRejected():
            return _body("invalid_request_error", event.code, event.message, event.param, event.message_id)
        case StageFailed():
            kind = "fatal" if event.fatal else "error" if event.silent else "warning"
            return _body(kind, "stage_failed", sentence(event))
        case Overflowed():
            return _body("warning", "overflowed", sentence(event))
        case Warned(service_lost=lost):
            return _body("warning", "service_lost" if lost else "warning", sentence(event))


def server_error(event: Failure) -> dict[str, Any]:
    """Return the `error` object with OpenAI's types, which say whether the client or the server is at fault."""
    body = error_body(event)
    return body if isinstance(event, InputRejected) else {**body, "type": "server_error"}


def sentence(event: StageFailed | Warned | Overflowed) -> str:
    """Return a sentence for a person."""
    match event:
        case StageFailed():
            what_now = "The conversation ends here." if event.fatal else "Please try again."
            return f"The {_service(event.stage)} {_fate(event.error)}. {what_now}"
        case Overflowed():
            return f"{event.lost_ms:.0f} ms of audio were dropped: {event.boundary} could not keep up."
        case Warned():
            return event.message


def _service(stage: str) -> str:
    return _SERVICES.get(stage.lower(), f"stage {stage!r}")


def _fate(error: Exception) -> str:
    match error:
        case ServiceError(outcome=fate):
            return fate
        case TimeoutError():
            return "did not answer in time"
        case ConnectionError():
            return "cannot be reached"
        case _:
            return "failed"


def _body(kind: str, code: str, message: str, param: str | None = None, event_id: str | None = None) -> dict[str, Any]:
    return {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
