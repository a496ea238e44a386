"""The messages of a client of the GA form, as types. Unknown keys are tolerated."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from voicepipe.realtime.ga.session_parts import (
    AudioFormat,
    MaxTokens,
    Modalities,
    SessionPart,
    Temperature,
    ToolChoice,
    Tools,
    VoiceId,
    Whole,
)
from voicepipe.realtime.ids import WireItemId
from voicepipe.realtime.parse import ClientEvent
from voicepipe.realtime.voice_name import VoiceName

# Each `type` is narrower than that of all events, and frozen:
# pyright: reportIncompatibleVariableOverride=false

__all__ = [
    "GA_EVENTS",
    "ApprovalItem",
    "BufferAppend",
    "BufferClear",
    "BufferCommit",
    "CallItem",
    "Content",
    "GaEvent",
    "Item",
    "ItemCreate",
    "ItemDelete",
    "ItemReference",
    "ItemRetrieve",
    "ItemTruncate",
    "MessageItem",
    "OutputClear",
    "ResponseCancel",
    "ResponseCreate",
    "ResponsePart",
    "ResultItem",
    "SessionUpdate",
]


Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=64)]
ItemName: TypeAlias = Annotated[WireItemId, Field(min_length=1, max_length=64)]


class _ClientModel(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Content(_ClientModel):
    """A part of a message: `text`, or the `transcript` of its sound."""

    type: Literal["input_text", "input_audio", "output_text", "output_audio", "text", "audio", "input_image"]
    text: str | None = None
    transcript: str | None = None
    audio: str | None = None


class MessageItem(_ClientModel):
    type: Literal["message"]
    role: Literal["user", "assistant", "system"]
    content: Annotated[list[Content], Field(max_length=64, fail_fast=True)]
    id: ItemName | None = None
    status: Literal["completed", "incomplete", "in_progress"] | None = None

    @property
    def sound(self) -> str | None:
        """Sound in base64: a user's part without any transcript."""
        part = self.content[0] if len(self.content) == 1 and self.role == "user" else None
        return part.audio if part and part.type == "input_audio" and part.transcript is None else None


class CallItem(_ClientModel):
    """A function call of the assistant's, such as one from an earlier conversation."""

    type: Literal["function_call"]
    name: Name
    arguments: str
    call_id: Name | None = None
    id: ItemName | None = None
    status: Literal["completed", "incomplete", "in_progress"] | None = None


class ResultItem(_ClientModel):
    """The result of a call, as the model reads it; often JSON."""

    type: Literal["function_call_output"]
    call_id: str
    output: str
    id: ItemName | None = None


class ApprovalItem(_ClientModel):
    """The client's decision on a call of a tool server (MCP), which waits for it."""

    type: Literal["mcp_approval_response"]
    approval_request_id: str
    approve: bool
    reason: Annotated[str, Field(max_length=1_000)] | None = None
    id: ItemName | None = None


class ItemReference(_ClientModel):
    type: Literal["item_reference"]
    id: WireItemId


Item: TypeAlias = Annotated[MessageItem | CallItem | ResultItem, Field(discriminator="type")]
Input: TypeAlias = Annotated[MessageItem | CallItem | ResultItem | ItemReference, Field(discriminator="type")]


class ResponseOutput(_ClientModel):
    format: AudioFormat | None = None
    voice: VoiceName | VoiceId | None = None


class ResponseAudio(_ClientModel):
    output: ResponseOutput | None = None


class ResponsePart(_ClientModel):
    """The options of one reply. `conversation` "none": it is not stored."""

    instructions: str | None = None
    output_modalities: Modalities | None = None
    conversation: str | None = None
    input: Annotated[list[Input], Field(max_length=1_000, fail_fast=True)] | None = None
    metadata: dict[str, Any] | None = None
    max_output_tokens: MaxTokens | None = None
    audio: ResponseAudio | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice = None
    temperature: Temperature | None = None


class SessionUpdate(ClientEvent):
    type: Literal["session.update"]
    session: SessionPart


class BufferAppend(ClientEvent):
    """The next sound of the microphone, in base64."""

    type: Literal["input_audio_buffer.append"]
    audio: str


class BufferCommit(ClientEvent):
    type: Literal["input_audio_buffer.commit"]


class BufferClear(ClientEvent):
    type: Literal["input_audio_buffer.clear"]


class ItemCreate(ClientEvent):
    """`previous_item_id` "root": at the beginning; none: at the end."""

    type: Literal["conversation.item.create"]
    item: Annotated[MessageItem | CallItem | ResultItem | ApprovalItem, Field(discriminator="type")]
    previous_item_id: WireItemId | None = None


class ItemRetrieve(ClientEvent):
    type: Literal["conversation.item.retrieve"]
    item_id: WireItemId


class ItemDelete(ClientEvent):
    type: Literal["conversation.item.delete"]
    item_id: WireItemId


class ItemTruncate(ClientEvent):
    type: Literal["conversation.item.truncate"]
    item_id: WireItemId
    content_index: Annotated[Whole, Field(ge=0)] = 0
    audio_end_ms: Annotated[float, Field(ge=0)]


class ResponseCreate(ClientEvent):
    type: Literal["response.create"]
    response: ResponsePart | None = None


class ResponseCancel(ClientEvent):
    type: Literal["response.cancel"]
    response_id: str | None = None


class OutputClear(ClientEvent):
    """Stop the sound. Over a WebSocket the client plays it; the server stops the reply, of which more would come."""

    type: Literal["output_audio_buffer.clear"]


GaEvent: TypeAlias = (
    SessionUpdate
    | BufferAppend
    | BufferCommit
    | BufferClear
    | ItemCreate
    | ItemRetrieve
    | ItemDelete
    | ItemTruncate
    | ResponseCreate
    | ResponseCancel
    | OutputClear
)

GA_EVENTS: TypeAdapter[GaEvent] = TypeAdapter(Annotated[GaEvent, Field(discriminator="type")])
