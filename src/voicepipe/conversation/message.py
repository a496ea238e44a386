"""The messages of a conversation, and how a chat model wants to read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from voicepipe.conversation.functions import FunctionCall
from voicepipe.events.base import Event

if TYPE_CHECKING:
    pass

__all__ = ["CUT", "SILENCE", "Message", "Role", "Spoken"]


@dataclass(frozen=True, slots=True)
class Spoken(Event):
    """A word whose sound has been released (before `in_real_time`: whose sound has been made)."""

    word: str
    start_s: float
    stop_s: float


Role: TypeAlias = Literal["user", "assistant", "system", "tool"]

CUT = "—"
"""Ends an assistant message that the user cut short. The LLM never sees it."""

SILENCE = "..."
"""What the user "says" by saying nothing for a while."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one side said, as it was heard; or, with `call`, a call of the assistant's, or what a "tool" gave for it.

    `item` is the name by which the client may refer to it, `spoken` when which word was heard; where two messages are
    compared, neither counts.
    """

    role: Role
    text: str
    item: str = field(default="", compare=False, repr=False)
    spoken: tuple[Spoken, ...] = field(default=(), compare=False, repr=False)
    call: FunctionCall | None = None
