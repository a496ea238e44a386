"""The messages of a client of the Unmute dialect, as types."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from voicepipe.characters.prompts import Language
from voicepipe.realtime.parse import ClientEvent
from voicepipe.realtime.voice_name import VoiceName

__all__ = ["UNMUTE_EVENTS", "AudioAppend", "Constant", "Persona", "SessionUpdate", "UnmuteSessionConfig"]


class _UnmuteModel(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Constant(_UnmuteModel):
    """A character that the client describes itself."""

    type: Literal["constant"]
    text: str
    language: Language | None = None


class Persona(_UnmuteModel):
    """A character of the server."""

    type: Literal["smalltalk", "guess_animal", "quiz_show", "news", "unmute_explanation"]
    language: Language | None = None


class UnmuteSessionConfig(_UnmuteModel):
    """The bot's settings. Null instructions leave the character to the server; absent ones change nothing."""

    instructions: Annotated[Constant | Persona, Field(discriminator="type")] | None = None
    voice: VoiceName | None = None
    allow_recording: bool
    allow_sound_recording: bool = False
    """An addition to Unmute's: the user's sound may be recorded, too."""


class SessionUpdate(ClientEvent):
    type: Literal["session.update"]  # pyright: ignore[reportIncompatibleVariableOverride] — narrower, and frozen
    session: UnmuteSessionConfig


class AudioAppend(ClientEvent):
    """The next piece of the microphone's Ogg-Opus stream, in base64."""

    type: Literal["input_audio_buffer.append"]  # pyright: ignore[reportIncompatibleVariableOverride]
    audio: str


_UnmuteEvent: TypeAlias = Annotated[SessionUpdate | AudioAppend, Field(discriminator="type")]

UNMUTE_EVENTS: TypeAdapter[SessionUpdate | AudioAppend] = TypeAdapter(_UnmuteEvent)
