"""Types of a beta server's events, where they differ from GA."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from server_events.ga import (
    CommonEvent,
    Item,
    ResponseBase,
    ServerContent,
    ServerDelta,
    ServerEvent,
)

__all__ = ["BETA_SERVER_EVENTS", "BetaServerEvent"]

# Each `type` is narrower than that of all events, and frozen:
# pyright: reportIncompatibleVariableOverride=false


class BetaResponse(ResponseBase):
    modalities: list[Literal["audio", "text"]]
    voice: str | None
    output_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"]


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


class BetaSessionCreated(ServerEvent):
    type: Literal["session.created"]
    session: BetaSession


class BetaSessionUpdated(ServerEvent):
    type: Literal["session.updated"]
    session: BetaSession


class BetaTranscription(BaseModel):
    """As `TranscriptionSession`, flat."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    object: Literal["realtime.transcription_session"]
    id: str
    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"]
    input_audio_transcription: dict[str, Any] | None
    input_audio_noise_reduction: dict[str, Any] | None
    client_secret: dict[str, Any]
    turn_detection: dict[str, Any] | None
    include: list[str] | None


class BetaTranscriptionCreated(ServerEvent):
    type: Literal["transcription_session.created"]
    session: BetaTranscription


class BetaTranscriptionUpdated(ServerEvent):
    type: Literal["transcription_session.updated"]
    session: BetaTranscription


class BetaConversation(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: str
    object: Literal["realtime.conversation"]


class ConversationCreated(ServerEvent):
    type: Literal["conversation.created"]
    conversation: BetaConversation


class ItemCreated(ServerEvent):
    type: Literal["conversation.item.created"]
    previous_item_id: str | None
    item: Item


class BetaResponseCreated(ServerEvent):
    type: Literal["response.created"]
    response: BetaResponse


class BetaResponseDone(ServerEvent):
    type: Literal["response.done"]
    response: BetaResponse


class BetaAudioDelta(ServerDelta):
    """Sound in base64, in the format of the session."""

    type: Literal["response.audio.delta"]


class BetaAudioDone(ServerContent):
    type: Literal["response.audio.done"]


class BetaTranscriptDelta(ServerDelta):
    """The next word, as it is spoken."""

    type: Literal["response.audio_transcript.delta"]


class BetaTranscriptDone(ServerContent):
    type: Literal["response.audio_transcript.done"]
    transcript: str


class BetaTextDelta(ServerDelta):
    type: Literal["response.text.delta"]


class BetaTextDone(ServerContent):
    type: Literal["response.text.done"]
    text: str


BetaServerEvent: TypeAlias = (
    CommonEvent
    | BetaSessionCreated
    | BetaSessionUpdated
    | BetaTranscriptionCreated
    | BetaTranscriptionUpdated
    | ConversationCreated
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

BETA_SERVER_EVENTS: TypeAdapter[BetaServerEvent] = TypeAdapter(Annotated[BetaServerEvent, Field(discriminator="type")])
