"""The session: what belongs to no turn."""

from __future__ import annotations

from dataclasses import dataclass, field

from voicepipe.events.base import Event

__all__ = [
    "ConversationEnded",
    "Overflowed",
    "SessionOpened",
    "SpeechEncoded",
    "StageFailed",
    "TurnMeasured",
    "Warned",
]


@dataclass(frozen=True, slots=True)
class SessionOpened(Event):
    """A client that waits to be greeted is connected."""

    session_id: str


@dataclass(frozen=True, slots=True)
class StageFailed(Event):
    """A stage raised `error`. The turn has ended; the session only when `fatal`."""

    stage: str
    error: Exception
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Overflowed(Event):
    """A boundary was full and let go of `lost_ms` of audio, by its policy."""

    boundary: str
    lost_ms: float


@dataclass(frozen=True, slots=True)
class Warned(Event):
    """Something the user should know, in a sentence they understand; the session goes on."""

    message: str


@dataclass(frozen=True, slots=True)
class TurnMeasured(Event):
    """Voice to voice of one turn: from the user's last loud sample to the first sample released, and where it went.

    `parts_ms` is in the order in which time passed; the parts sum to `total_ms`.
    """

    total_ms: float
    parts_ms: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class SpeechEncoded(Event):
    """`ReplyAudio` as the session's codec writes it."""

    data: bytes
    duration_ms: float


@dataclass(frozen=True, slots=True)
class ConversationEnded(Event):
    """The bot ended the conversation."""

    reason: str
