"""What a server of the realtime protocol says, as types: the GA form, and where the beta form differs.

The encoders write dictionaries; these are for documents, and for tests that hold the dictionaries against them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

__all__ = ["BETA_SERVER_EVENTS", "GA_SERVER_EVENTS", "BetaServerEvent", "GaServerEvent"]

# Each `type` is narrower than that of all events, and frozen:
# pyright: reportIncompatibleVariableOverride=false

Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Event(_Part):
    type: str
    event_id: str


# ---- what events are made of ----------------------------------------------------------------------------------------


class Text(_Part):
    type: Literal["input_text", "output_text", "text"]
    text: str


class Sound(_Part):
    """The transcript of sound; null until there is one."""

    type: Literal["input_audio", "output_audio", "audio"]
    transcript: str | None


Content: TypeAlias = Annotated[Text | Sound, Field(discriminator="type")]


class Item(_Part):
    id: str
    object: Literal["realtime.item"]
    type: Literal["message"]
    status: Status
    role: Literal["user", "assistant", "system"]
    content: list[Content]


class Usage(_Part):
    """Tokens are not counted here."""

    total_tokens: int
    input_tokens: int
    output_tokens: int


class Duration(_Part):
    type: Literal["duration"]
    seconds: float


class Failure(_Part):
    type: str
    code: str
    message: str


class StatusDetails(_Part):
    type: Literal["cancelled", "failed"]
    reason: Literal["turn_detected", "client_cancelled"] | None = None
    error: Failure | None = None


class _Response(_Part):
    object: Literal["realtime.response"]
    id: str
    status: Literal["in_progress", "completed", "cancelled", "failed"]
    status_details: StatusDetails | None
    output: list[Item]
    conversation_id: str | None
    max_output_tokens: int | Literal["inf"] | None
    metadata: dict[str, Any] | None
    usage: Usage | None


class Response(_Response):
    output_modalities: list[Literal["audio", "text"]]
    audio: dict[str, Any]


class BetaResponse(_Response):
    modalities: list[Literal["audio", "text"]]
    voice: str | None
    output_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"]


class Error(_Part):
    type: Literal["invalid_request_error", "server_error"]
    code: str
    message: str
    param: str | None
    event_id: str | None


class Session(BaseModel):
    """All settings that hold; what the client has set beyond those that we know is repeated."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    type: Literal["realtime"]
    object: Literal["realtime.session"]
    id: str
    model: str
    instructions: str
    output_modalities: list[Literal["audio", "text"]]
    audio: dict[str, Any]


class BetaSession(BaseModel):
    """As `Session`, flat."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    object: Literal["realtime.session"]
    id: str
    model: str
    instructions: str
    modalities: list[Literal["audio", "text"]]
    voice: str | None
    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"]
    output_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"]
    turn_detection: dict[str, Any] | None


# ---- events of both forms -------------------------------------------------------------------------------------------


class ErrorEvent(_Event):
    type: Literal["error"]
    error: Error


class SpeechStarted(_Event):
    type: Literal["input_audio_buffer.speech_started"]
    audio_start_ms: int
    item_id: str


class SpeechStopped(_Event):
    type: Literal["input_audio_buffer.speech_stopped"]
    audio_end_ms: int
    item_id: str


class Committed(_Event):
    type: Literal["input_audio_buffer.committed"]
    previous_item_id: str | None
    item_id: str


class Cleared(_Event):
    type: Literal["input_audio_buffer.cleared"]


class ItemRetrieved(_Event):
    type: Literal["conversation.item.retrieved"]
    item: Item


class ItemDeleted(_Event):
    type: Literal["conversation.item.deleted"]
    item_id: str


class ItemTruncated(_Event):
    type: Literal["conversation.item.truncated"]
    item_id: str
    content_index: int
    audio_end_ms: int


class TranscriptionDelta(_Event):
    type: Literal["conversation.item.input_audio_transcription.delta"]
    item_id: str
    content_index: int
    delta: str


class TranscriptionCompleted(_Event):
    type: Literal["conversation.item.input_audio_transcription.completed"]
    item_id: str
    content_index: int
    transcript: str
    usage: Duration


class _Output(_Event):
    """Of the one item of a response."""

    response_id: str
    output_index: int


class OutputItemAdded(_Output):
    type: Literal["response.output_item.added"]
    item: Item


class OutputItemDone(_Output):
    type: Literal["response.output_item.done"]
    item: Item


class _Content(_Output):
    item_id: str
    content_index: int


class ContentPartAdded(_Content):
    type: Literal["response.content_part.added"]
    part: Content


class ContentPartDone(_Content):
    type: Literal["response.content_part.done"]
    part: Content


class _Delta(_Content):
    delta: str


# ---- GA -------------------------------------------------------------------------------------------------------------


class SessionCreated(_Event):
    type: Literal["session.created"]
    session: Session


class SessionUpdated(_Event):
    type: Literal["session.updated"]
    session: Session


class TimeoutTriggered(_Event):
    type: Literal["input_audio_buffer.timeout_triggered"]
    item_id: str
    audio_start_ms: int
    audio_end_ms: int


class ItemAdded(_Event):
    type: Literal["conversation.item.added"]
    previous_item_id: str | None
    item: Item


class ItemDone(_Event):
    type: Literal["conversation.item.done"]
    previous_item_id: str | None
    item: Item


class ResponseCreated(_Event):
    type: Literal["response.created"]
    response: Response


class ResponseDone(_Event):
    type: Literal["response.done"]
    response: Response


class AudioDelta(_Delta):
    """Sound in base64, in the format of the session."""

    type: Literal["response.output_audio.delta"]


class AudioDone(_Content):
    type: Literal["response.output_audio.done"]


class TranscriptDelta(_Delta):
    """The next word, as it is spoken."""

    type: Literal["response.output_audio_transcript.delta"]


class TranscriptDone(_Content):
    type: Literal["response.output_audio_transcript.done"]
    transcript: str


class TextDelta(_Delta):
    type: Literal["response.output_text.delta"]


class TextDone(_Content):
    type: Literal["response.output_text.done"]
    text: str


# ---- beta -----------------------------------------------------------------------------------------------------------


class BetaSessionCreated(_Event):
    type: Literal["session.created"]
    session: BetaSession


class BetaSessionUpdated(_Event):
    type: Literal["session.updated"]
    session: BetaSession


class ItemCreated(_Event):
    type: Literal["conversation.item.created"]
    previous_item_id: str | None
    item: Item


class BetaResponseCreated(_Event):
    type: Literal["response.created"]
    response: BetaResponse


class BetaResponseDone(_Event):
    type: Literal["response.done"]
    response: BetaResponse


class BetaAudioDelta(_Delta):
    """Sound in base64, in the format of the session."""

    type: Literal["response.audio.delta"]


class BetaAudioDone(_Content):
    type: Literal["response.audio.done"]


class BetaTranscriptDelta(_Delta):
    """The next word, as it is spoken."""

    type: Literal["response.audio_transcript.delta"]


class BetaTranscriptDone(_Content):
    type: Literal["response.audio_transcript.done"]
    transcript: str


class BetaTextDelta(_Delta):
    type: Literal["response.text.delta"]


class BetaTextDone(_Content):
    type: Literal["response.text.done"]
    text: str


_Common: TypeAlias = (
    ErrorEvent
    | SpeechStarted
    | SpeechStopped
    | Committed
    | Cleared
    | ItemRetrieved
    | ItemDeleted
    | ItemTruncated
    | TranscriptionDelta
    | TranscriptionCompleted
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
)

GaServerEvent: TypeAlias = (
    _Common
    | SessionCreated
    | SessionUpdated
    | TimeoutTriggered
    | ItemAdded
    | ItemDone
    | ResponseCreated
    | ResponseDone
    | AudioDelta
    | AudioDone
    | TranscriptDelta
    | TranscriptDone
    | TextDelta
    | TextDone
)

BetaServerEvent: TypeAlias = (
    _Common
    | BetaSessionCreated
    | BetaSessionUpdated
    | ItemCreated
    | BetaResponseCreated
    | BetaResponseDone
    | BetaAudioDelta
    | BetaAudioDone
    | BetaTranscriptDelta
    | BetaTranscriptDone
    | BetaTextDelta
    | BetaTextDone
)

GA_SERVER_EVENTS: TypeAdapter[GaServerEvent] = TypeAdapter(Annotated[GaServerEvent, Field(discriminator="type")])
BETA_SERVER_EVENTS: TypeAdapter[BetaServerEvent] = TypeAdapter(Annotated[BetaServerEvent, Field(discriminator="type")])
