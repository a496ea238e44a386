"""The actions that a relayed conversation asks of its stage. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from voicepipe.client.socket import Message
from voicepipe.conversation import FunctionCall
from voicepipe.events import Event, ReplyAudio, ReplyStarted

__all__ = ["Action", "Begin", "Call", "Cut", "Emit", "Finish", "Play", "Send"]


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to the server. `heard_text` is what of a truncated item was heard."""

    message: Message
    heard_text: str | None = None


@dataclass(frozen=True, slots=True)
class Emit:
    """Emit an event."""

    event: Event


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin to play a reply; emit its start."""

    event: ReplyStarted


@dataclass(frozen=True, slots=True)
class Play:
    """Play sound, or release what belongs to it at its time."""

    item: ReplyAudio | Event


@dataclass(frozen=True, slots=True)
class Finish:
    """The reply is complete: it ends when it has been played."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Stop playing: what waits is dropped."""


@dataclass(frozen=True, slots=True)
class Call:
    """Run a function of the pipeline."""

    call: FunctionCall


Action: TypeAlias = Send | Emit | Begin | Play | Finish | Cut | Call
