"""Events of the session: they belong to no turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from voicepipe.events.base import Event

__all__ = [
    "ConversationEnded",
    "Overflowed",
    "SessionOpened",
    "SpeechEncoded",
    "StageFailed",
    "TextNotSpoken",
    "TurnMeasured",
    "Warned",
    "whole_parts",
]


@dataclass(frozen=True, slots=True)
class SessionOpened(Event):
    """A client connected that expects the bot to speak first."""

    session_id: str


@dataclass(frozen=True, slots=True)
class StageFailed(Event):
    """A stage raised `error`. The turn has ended, and if `fatal` the session.

    `silent`: the user has heard no answer, and none follows by itself.
    """

    stage: str
    error: Exception
    fatal: bool = False
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Overflowed(Event):
    """A full boundary dropped `lost_ms` of audio, as its policy says.

    Args:
        boundary: the boundary's name
        lost_ms: the duration of what was dropped
        policy: the name of the `Overflow`, in lower case
    """

    boundary: str
    lost_ms: float
    policy: str = "drop_oldest"


@dataclass(frozen=True, slots=True)
class Warned(Event):
    """A warning for the user, in plain words; the session goes on.

    Args:
        message: the sentence
        service_lost: a service that the conversation needs is away. Every dialect tells this one, as an error where it
            has no warnings; others are then only logged
    """

    message: str
    service_lost: bool = False


@dataclass(frozen=True, slots=True)
class TextNotSpoken(Warned):
    """The voice cannot say a part of the reply, `text` and perhaps more: the user sees it. Once in a reply."""

    text: str = ""

    @classmethod
    def of(cls, text: str) -> TextNotSpoken:
        """Return the event for a text, with the message for the user."""
        return cls(f"The voice cannot say “{text}”: it is shown, and not spoken.", text=text)


@dataclass(frozen=True, slots=True)
class TurnMeasured(Event):
    """The response time of one turn: from the user's last loud sample to the first sample sent, and its parts.

    `parts_ms` is in the order of time, and sums to `total_ms`.
    """

    total_ms: float
    parts_ms: dict[str, float] = field(default_factory=dict[str, float])


def whole_parts(parts: Mapping[str, float]) -> dict[str, int]:
    """Return the parts in whole units, in their order, so that they sum to the rounded sum.

    >>> whole_parts({"endpointing": 356.5, "tts": 53.4, "pacing": 0.3})
    {'endpointing': 356, 'tts': 54, 'pacing': 0}
    """
    ends = [0, *map(round, accumulate(parts.values()))]
    return {name: after - before for name, (before, after) in zip(parts, pairwise(ends), strict=True)}


@dataclass(frozen=True, slots=True)
class SpeechEncoded(Event):
    """`ReplyAudio`, encoded by the session's codec."""

    data: bytes
    duration_ms: float


@dataclass(frozen=True, slots=True)
class ConversationEnded(Event):
    """The bot ended the conversation."""

    reason: str
