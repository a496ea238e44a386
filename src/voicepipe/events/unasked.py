"""Events with which a stage or a task of the pipeline has the bot speak without being asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from voicepipe.events.base import TurnEvent

__all__ = ["GenerationRequested", "HangUpRequested", "SpeechRequested", "Unasked", "When"]

When: TypeAlias = Literal["now", "after_reply", "in_silence"]
"""The time of unasked speech: "now" stops the running reply; "after_reply" waits for its end, and "in_silence" for the
end of the user's turn and of the bot's answer, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unasked(TurnEvent):
    """Base class of what the bot does without being asked. `respond` takes it and sees to it that nothing overlaps, and
    that nothing is lost.

    What can be interrupted, and is not wanted now, waits until the user has finished. If it is interrupted before its
    first sound, it comes again; after that it has been said as far as it was heard. What cannot be interrupted goes on
    whatever the user says; the answer to that comes behind it.

    Args:
        when: "now" stops the running reply, unless that cannot be interrupted; "after_reply" waits for its end;
            "in_silence" waits for the end of the user's turn and of the bot's answer, too.
        interruptible: Whether the user's voice, and the client's cancellation, may stop it.
    """

    when: When = "after_reply"
    interruptible: bool = True


@dataclass(frozen=True, slots=True)
class SpeechRequested(Unasked):
    """The pipeline wants the bot to say this text, word for word; the conversation keeps what was heard of it."""

    text: str


@dataclass(frozen=True, slots=True)
class GenerationRequested(Unasked):
    """The pipeline wants a reply of the model. `instructions` are added to the system prompt, for this reply."""

    instructions: str = ""


@dataclass(frozen=True, slots=True)
class HangUpRequested(Unasked):
    """The pipeline wants to end the conversation, behind all that it has wanted to say before; "now" drops that."""

    reason: str = "the bot hung up"
