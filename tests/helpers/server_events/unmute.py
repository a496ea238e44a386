"""Types of the server's events in Unmute's dialect, for documents and tests."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

__all__ = ["UNMUTE_SERVER_EVENTS", "UnmuteServerEvent"]

# Each `type` is narrower than that of all events, and frozen:
# pyright: reportIncompatibleVariableOverride=false


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Event(_Part):
    type: str
    event_id: str


class Message(_Part):
    role: Literal["system", "user", "assistant"]
    content: str


class Error(_Part):
    type: Literal["invalid_request_error", "warning", "error", "fatal"]
    code: str
    message: str
    param: str | None
    event_id: str | None


class Response(_Part):
    """`voice` is "missing" where the client has asked for none."""

    object: Literal["realtime.response"]
    status: Literal["in_progress"]
    voice: str
    chat_history: list[Message]


class Outputs(_Part):
    """The conversation as it was heard; where the milliseconds of the last turn went."""

    chat_history: list[Message]
    debug_dict: dict[str, Any]


class SessionUpdated(_Event):
    type: Literal["session.updated"]
    session: dict[str, Any]


class SpeechStarted(_Event):
    """The first word was recognised."""

    type: Literal["input_audio_buffer.speech_started"]


class SpeechStopped(_Event):
    """The user's turn has ended."""

    type: Literal["input_audio_buffer.speech_stopped"]


class TranscriptionDelta(_Event):
    """A word of the user; `start_time` in seconds of their audio."""

    type: Literal["conversation.item.input_audio_transcription.delta"]
    delta: str
    start_time: float


class ResponseCreated(_Event):
    type: Literal["response.created"]
    response: Response


class TextReady(_Event):
    """A word that the language model has written."""

    type: Literal["unmute.response.text.delta.ready"]
    delta: str


class TextDelta(_Event):
    """A word, as it is spoken."""

    type: Literal["response.text.delta"]
    delta: str


class TextDone(_Event):
    type: Literal["response.text.done"]
    text: str


class AudioDelta(_Event):
    """Ogg-Opus in base64."""

    type: Literal["response.audio.delta"]
    delta: str


class AudioDone(_Event):
    type: Literal["response.audio.done"]


class Interrupted(_Event):
    type: Literal["unmute.interrupted_by_vad"]


class AdditionalOutputs(_Event):
    type: Literal["unmute.additional_outputs"]
    args: Outputs


class ErrorEvent(_Event):
    type: Literal["error"]
    error: Error


UnmuteServerEvent: TypeAlias = (
    SessionUpdated
    | SpeechStarted
    | SpeechStopped
    | TranscriptionDelta
    | ResponseCreated
    | TextReady
    | TextDelta
    | TextDone
    | AudioDelta
    | AudioDone
    | Interrupted
    | AdditionalOutputs
    | ErrorEvent
)

UNMUTE_SERVER_EVENTS: TypeAdapter[UnmuteServerEvent] = TypeAdapter(
    Annotated[UnmuteServerEvent, Field(discriminator="type")]
)
