"""Types of a GA server's events.

The encoders write dictionaries; these are for documents, and for tests that hold the dictionaries against them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

__all__ = [
    "GA_SERVER_EVENTS",
    "CommonEvent",
    "GaServerEvent",
    "Item",
    "Part",
    "ResponseBase",
    "ServerContent",
    "ServerDelta",
    "ServerEvent",
]

# Each `type` is narrower than that of all events, and frozen:
# pyright: reportIncompatibleVariableOverride=false

Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ServerEvent(Part):
    type: str
    event_id: str


# ---- what events are made of ----------------------------------------------------------------------------------------


class Text(Part):
    type: Literal["input_text", "output_text", "text"]
    text: str


class Sound(Part):
    """The transcript of sound; null until there is one."""

    type: Literal["input_audio", "output_audio", "audio"]
    transcript: str | None


Content: TypeAlias = Annotated[Text | Sound, Field(discriminator="type")]


class MessageItem(Part):
    id: str
    object: Literal["realtime.item"]
    type: Literal["message"]
    status: Status
    role: Literal["user", "assistant", "system"]
    content: list[Content]


class FunctionCallItem(Part):
    """The model wants the client to call a function; `arguments` is JSON, as the model wrote it."""

    id: str
    object: Literal["realtime.item"]
    type: Literal["function_call"]
    status: Status
    call_id: str
    name: str
    arguments: str


class FunctionCallOutputItem(Part):
    """The result of a function call, as the client has sent it."""

    id: str
    object: Literal["realtime.item"]
    type: Literal["function_call_output"]
    status: Literal["completed"]
    call_id: str
    output: str


Item: TypeAlias = Annotated[MessageItem | FunctionCallItem | FunctionCallOutputItem, Field(discriminator="type")]


class CachedTokens(Part):
    text_tokens: int
    audio_tokens: int
    image_tokens: int


class InputTokens(CachedTokens):
    cached_tokens: int
    cached_tokens_details: CachedTokens


class OutputTokens(Part):
    text_tokens: int
    audio_tokens: int


class Usage(Part):
    """Tokens: four characters of text, or 50 ms of the bot's sound."""

    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_token_details: InputTokens
    output_token_details: OutputTokens


class Duration(Part):
    type: Literal["duration"]
    seconds: float


class Failure(Part):
    type: str
    code: str
    message: str


class StatusDetails(Part):
    type: Literal["cancelled", "failed", "incomplete"]
    reason: Literal["turn_detected", "client_cancelled", "max_output_tokens"] | None = None
    error: Failure | None = None


class ResponseBase(Part):
    object: Literal["realtime.response"]
    id: str
    status: Literal["in_progress", "completed", "cancelled", "failed", "incomplete"]
    status_details: StatusDetails | None
    output: list[Item]
    conversation_id: str | None
    max_output_tokens: int | Literal["inf"] | None
    metadata: dict[str, Any] | None
    usage: Usage | None


class Response(ResponseBase):
    output_modalities: list[Literal["audio", "text"]]
    audio: dict[str, Any]


class Error(Part):
    type: Literal["invalid_request_error", "server_error"]
    code: str
    message: str
    param: str | None
    event_id: str | None


class TranscriptionInput(Part):
    format: dict[str, Any]
    transcription: dict[str, Any] | None
    noise_reduction: dict[str, Any] | None
    turn_detection: dict[str, Any] | None


class TranscriptionAudio(Part):
    input: TranscriptionInput


class TranscriptionSession(Part):
    """A session in which sound is recognised, and never answered."""

    type: Literal["transcription"]
    object: Literal["realtime.transcription_session"]
    id: str
    audio: TranscriptionAudio
    include: list[str] | None


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


# ---- events that the beta form has, too -----------------------------------------------------------------------------


class ErrorEvent(ServerEvent):
    type: Literal["error"]
    error: Error


class SpeechStarted(ServerEvent):
    type: Literal["input_audio_buffer.speech_started"]
    audio_start_ms: int
    item_id: str


class SpeechStopped(ServerEvent):
    type: Literal["input_audio_buffer.speech_stopped"]
    audio_end_ms: int
    item_id: str


class Committed(ServerEvent):
    type: Literal["input_audio_buffer.committed"]
    previous_item_id: str | None
    item_id: str


class Cleared(ServerEvent):
    type: Literal["input_audio_buffer.cleared"]


class ItemRetrieved(ServerEvent):
    type: Literal["conversation.item.retrieved"]
    item: Item


class ItemDeleted(ServerEvent):
    type: Literal["conversation.item.deleted"]
    item_id: str


class ItemTruncated(ServerEvent):
    type: Literal["conversation.item.truncated"]
    item_id: str
    content_index: int
    audio_end_ms: int


class Logprob(Part):
    """A token, with the natural logarithm of its probability."""

    token: str
    logprob: float
    bytes: list[int]


class TranscriptionDelta(ServerEvent):
    """`logprobs` are there where the client includes them."""

    type: Literal["conversation.item.input_audio_transcription.delta"]
    item_id: str
    content_index: int
    delta: str
    logprobs: list[Logprob] | None = None


class TranscriptionCompleted(ServerEvent):
    type: Literal["conversation.item.input_audio_transcription.completed"]
    item_id: str
    content_index: int
    transcript: str
    usage: Duration
    logprobs: list[Logprob] | None = None


class RateLimitsUpdated(ServerEvent):
    """The event of rate limits. None apply to tokens and responses: the list is empty."""

    type: Literal["rate_limits.updated"]
    rate_limits: list[dict[str, Any]]


class OutputStarted(ServerEvent):
    """By WebRTC: the sound of this response begins."""

    type: Literal["output_audio_buffer.started"]
    response_id: str


class OutputStopped(ServerEvent):
    """By WebRTC: all sound of this response has been heard."""

    type: Literal["output_audio_buffer.stopped"]
    response_id: str


class OutputCleared(ServerEvent):
    """The rest of this response's sound was thrown away: by the client, or, by WebRTC, by an interruption."""

    type: Literal["output_audio_buffer.cleared"]
    response_id: str


class _Output(ServerEvent):
    """Of an item of a response."""

    response_id: str
    output_index: int


class OutputItemAdded(_Output):
    type: Literal["response.output_item.added"]
    item: Item


class OutputItemDone(_Output):
    type: Literal["response.output_item.done"]
    item: Item


class ArgumentsDelta(_Output):
    """The next piece of a call's arguments, which are JSON when they are whole."""

    type: Literal["response.function_call_arguments.delta"]
    item_id: str
    call_id: str
    delta: str


class ArgumentsDone(_Output):
    type: Literal["response.function_call_arguments.done"]
    item_id: str
    call_id: str
    name: str
    arguments: str


class ServerContent(_Output):
    item_id: str
    content_index: int


class ContentPartAdded(ServerContent):
    type: Literal["response.content_part.added"]
    part: Content


class ContentPartDone(ServerContent):
    type: Literal["response.content_part.done"]
    part: Content


class ServerDelta(ServerContent):
    delta: str


# ---- GA -------------------------------------------------------------------------------------------------------------


class Resume(Part):
    """The terms for resuming the session: `token` is for this client only, `within_s` the time after a loss."""

    token: str
    within_s: float


class SessionCreated(ServerEvent):
    type: Literal["session.created"]
    session: Session | TranscriptionSession
    resume: Resume | None = None


class SessionId(Part):
    id: str


class SessionResumed(ServerEvent):
    """The session goes on, on another connection; the events that the client has missed follow."""

    type: Literal["session.resumed"]
    session: SessionId


class SessionClosed(ServerEvent):
    """By WebRTC, where the session can be resumed: the call ends here. `code` is the close code of a WebSocket."""

    type: Literal["session.closed"]
    code: int
    reason: str


class SessionUpdated(ServerEvent):
    type: Literal["session.updated"]
    session: Session | TranscriptionSession


class TimeoutTriggered(ServerEvent):
    type: Literal["input_audio_buffer.timeout_triggered"]
    item_id: str
    audio_start_ms: int
    audio_end_ms: int


class ItemAdded(ServerEvent):
    type: Literal["conversation.item.added"]
    previous_item_id: str | None
    item: Item


class ItemDone(ServerEvent):
    type: Literal["conversation.item.done"]
    previous_item_id: str | None
    item: Item


class ResponseCreated(ServerEvent):
    type: Literal["response.created"]
    response: Response


class ResponseDone(ServerEvent):
    type: Literal["response.done"]
    response: Response


class AudioDelta(ServerDelta):
    """Sound in base64, in the format of the session."""

    type: Literal["response.output_audio.delta"]


class AudioDone(ServerContent):
    type: Literal["response.output_audio.done"]


class TranscriptDelta(ServerDelta):
    """The next word, as it is spoken."""

    type: Literal["response.output_audio_transcript.delta"]


class TranscriptDone(ServerContent):
    type: Literal["response.output_audio_transcript.done"]
    transcript: str


class TextDelta(ServerDelta):
    type: Literal["response.output_text.delta"]


class TextDone(ServerContent):
    type: Literal["response.output_text.done"]
    text: str


CommonEvent: TypeAlias = (
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
    | RateLimitsUpdated
    | OutputStarted
    | OutputStopped
    | OutputCleared
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | ArgumentsDelta
    | ArgumentsDone
)

GaServerEvent: TypeAlias = (
    CommonEvent
    | SessionCreated
    | SessionResumed
    | SessionClosed
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

GA_SERVER_EVENTS: TypeAdapter[GaServerEvent] = TypeAdapter(Annotated[GaServerEvent, Field(discriminator="type")])
