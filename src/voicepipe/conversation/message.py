"""The messages of a conversation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from voicepipe.conversation.functions import FunctionCall

__all__ = ["CUT", "SILENCE", "Message", "Role", "TimedWord"]


class TimedWord(Protocol):
    """A word of the bot, and when it was heard: the event `WordSpoken` is one."""

    @property
    def word(self) -> str: ...
    @property
    def start_s(self) -> float: ...
    @property
    def stop_s(self) -> float: ...


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
    spoken: tuple[TimedWord, ...] = field(default=(), compare=False, repr=False)
    call: FunctionCall | None = None
