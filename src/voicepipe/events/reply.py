"""The reply: what the bot says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from voicepipe.events.base import Event, Unpaced, Unspoken
from voicepipe.events.sound import Audio

if TYPE_CHECKING:
    from voicepipe.conversation import Conversation

__all__ = [
    "MaxTokensReached",
    "OutOfBandResponse",
    "ReplyAudio",
    "ReplyEnded",
    "ReplyInterrupted",
    "ReplyStarted",
    "ReplyText",
    "ReplyTextWritten",
    "SynthesisEnded",
    "SynthesisStarted",
    "WordSpoken",
]


@dataclass(frozen=True, slots=True)
class ReplyStarted(Event):
    """The bot took the floor, answering `conversation`. `item` names the message that the reply becomes."""

    conversation: Conversation
    item: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ReplyText(Event, Unspoken):
    """The LLM said it. A word carries its leading space, so that deltas concatenate to the text."""

    delta: str


@dataclass(frozen=True, slots=True)
class SynthesisStarted(Event):
    """The TTS has enough text to begin to speak: `text` is its first (or next) piece."""

    text: str


@dataclass(frozen=True, slots=True)
class SynthesisEnded(Event):
    """The piece has been made into `duration_s` of sound."""

    duration_s: float


@dataclass(frozen=True, slots=True)
class WordSpoken(Event):
    """A word whose sound has been released (before `pace`: whose sound has been made)."""

    word: str
    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class ReplyAudio(Unpaced):
    """The next stretch of the bot's voice. Not an `Event`: `encode` makes `SpeechEncoded` of it."""

    audio: Audio


@dataclass(frozen=True, slots=True)
class ReplyTextWritten(Event):
    """The next piece of a reply that is not spoken; deltas concatenate to its text."""

    delta: str


@dataclass(frozen=True, slots=True)
class MaxTokensReached(Event):
    """The model has stopped because it may say no more (`Generation.max_tokens`), not because it was done."""


@dataclass(frozen=True, slots=True)
class ReplyInterrupted(Event):
    """The user cut the reply short; `heard_text` is what they had heard of it."""

    heard_text: str
    conversation: Conversation


@dataclass(frozen=True, slots=True)
class ReplyEnded(Event):
    """The last of the reply has been played; `text` is what was said."""

    text: str
    conversation: Conversation


@dataclass(frozen=True, slots=True)
class OutOfBandResponse(Event):
    """Something happened in the reply `item`, which is written beside the conversation and takes nobody's floor."""

    item: str
    event: ReplyAudio | Event
