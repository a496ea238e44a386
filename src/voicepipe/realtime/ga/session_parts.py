"""A client's session settings as types, in the GA form and in the flat beta form."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from voicepipe.realtime.voice_name import VoiceName

__all__ = [
    "AudioFormat",
    "BetaSession",
    "Choice",
    "FunctionTool",
    "MaxTokens",
    "Modalities",
    "OtherTool",
    "ServerVad",
    "SessionPart",
    "Temperature",
    "ToolChoice",
    "Tools",
    "VoiceId",
    "Whole",
]


class _SessionModel(BaseModel):
    """Strict in known fields; unknown ones are kept, and repeated in the answer."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


def _whole(value: object) -> object:
    return round(value) if isinstance(value, float) else value


Whole: TypeAlias = Annotated[int, BeforeValidator(_whole)]
"""An integer, which some clients write as 500.0. It is repeated as 500, as clients in Go and Rust require."""


class Pcm(_SessionModel):
    type: Literal["audio/pcm"]
    rate: Literal[24000] | None = None


class Pcmu(_SessionModel):
    """G.711 µ-law, 8 kHz."""

    type: Literal["audio/pcmu"]


class Pcma(_SessionModel):
    """G.711 A-law, 8 kHz."""

    type: Literal["audio/pcma"]


class Opus(_SessionModel):
    """Ogg-Opus, 24 kHz: an extension of voicepipe."""

    type: Literal["audio/opus"]


AudioFormat: TypeAlias = Annotated[Pcm | Pcmu | Pcma | Opus, Field(discriminator="type")]


class ServerVad(_SessionModel):
    """Turns end after a silence."""

    type: Literal["server_vad"]
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    prefix_padding_ms: Annotated[Whole, Field(ge=0, le=10_000)] | None = None
    silence_duration_ms: Annotated[Whole, Field(ge=0, le=60_000)] | None = None
    idle_timeout_ms: Annotated[Whole, Field(gt=0)] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class SemanticVad(_SessionModel):
    """Turns end by the sound of the speech, or else after a silence."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class InputAudio(_SessionModel):
    format: AudioFormat | None = None
    transcription: dict[str, Any] | None = None
    noise_reduction: dict[str, Any] | None = None
    turn_detection: Annotated[ServerVad | SemanticVad, Field(discriminator="type")] | None = None


class VoiceId(_SessionModel):
    id: VoiceName


class OutputAudio(_SessionModel):
    format: AudioFormat | None = None
    voice: VoiceName | VoiceId | None = None
    speed: float | None = None


class AudioPart(_SessionModel):
    input: InputAudio | None = None
    output: OutputAudio | None = None


class FunctionTool(_SessionModel):
    """A function that the client runs. `parameters` is the JSON Schema of its arguments."""

    type: Literal["function"]
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class NamedFunction(_SessionModel):
    type: Literal["function"]
    name: str


class OtherTool(_SessionModel):
    """A tool of another type, such as `mcp`. One that is not served costs the client itself, not its audio formats."""

    type: str


def _is_of_another_type(tool: object) -> bool:
    kind: object = cast("dict[str, Any]", tool).get("type") if isinstance(tool, dict) else None
    return isinstance(kind, str) and kind != "function"


def _function_choice(choice: object) -> object:
    return None if _is_of_another_type(choice) else choice


def _tool_tag(tool: object) -> str:
    other = isinstance(tool, OtherTool) or _is_of_another_type(tool)
    return "other" if other else "function"


def _known_fields(include: object) -> object:
    """Drop the other fields that may be included: there are none of them here."""
    return [one for one in cast("list[Any]", include) if one == _LOGPROBS] if isinstance(include, list) else include


_LOGPROBS = "item.input_audio_transcription.logprobs"

Include: TypeAlias = Annotated[list[str], Field(max_length=8), BeforeValidator(_known_fields)]
Choice: TypeAlias = Literal["auto", "none", "required"]
ToolChoice: TypeAlias = Annotated[Choice | NamedFunction | None, BeforeValidator(_function_choice)]
MaxTokens: TypeAlias = Annotated[Whole, Field(ge=1)] | Literal["inf"]
Temperature: TypeAlias = Annotated[float, Field(ge=0, le=2)]


Tool: TypeAlias = Annotated[
    Annotated[FunctionTool, Tag("function")] | Annotated[OtherTool, Tag("other")], Discriminator(_tool_tag)
]
Tools: TypeAlias = Annotated[list[Tool], Field(max_length=128, fail_fast=True)]
Modalities: TypeAlias = Annotated[list[Literal["audio", "text"]], Field(max_length=2, fail_fast=True)]


class SessionPart(_SessionModel):
    """A part of a session's settings. Null instructions leave the character to the server."""

    type: Literal["realtime", "transcription"] | None = None
    model: str | None = None
    instructions: str | None = None
    output_modalities: Modalities | None = None
    audio: AudioPart | None = None
    include: Include | None = None
    max_output_tokens: MaxTokens | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice = None
    parallel_tool_calls: bool | None = None
    reasoning: dict[str, Any] | None = None
    temperature: Temperature | None = None
    recording: Literal["off", "events", "sound"] | None = None
    """An addition to OpenAI's: what the server may keep of the session, if it records any."""


class BetaSession(_SessionModel):
    """A part of a session's settings, flat, as in the beta form."""

    model: str | None = None
    instructions: str | None = None
    modalities: Modalities | None = None
    voice: VoiceName | None = None
    speed: float | None = None
    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None = None
    output_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None = None
    input_audio_transcription: dict[str, Any] | None = None
    input_audio_noise_reduction: dict[str, Any] | None = None
    turn_detection: Annotated[ServerVad | SemanticVad, Field(discriminator="type")] | None = None
    max_response_output_tokens: MaxTokens | None = None
    include: Include | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice = None
    parallel_tool_calls: bool | None = None
    reasoning: dict[str, Any] | None = None
    temperature: Temperature | None = None
