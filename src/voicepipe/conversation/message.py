"""The messages of a conversation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NewType, Protocol, TypeAlias

from voicepipe.conversation.functions import FunctionCall

__all__ = ["CUT", "NO_ITEM", "SILENCE", "AudioFormat", "ItemId", "Message", "Role", "TimedWord", "encodable"]


class TimedWord(Protocol):
    """A word of the bot and the time at which it was heard. The event `WordSpoken` is one."""

    @property
    def word(self) -> str: ...
    @property
    def start_s(self) -> float: ...
    @property
    def stop_s(self) -> float: ...
    @property
    def glued(self) -> bool: ...


Role: TypeAlias = Literal["user", "assistant", "system", "tool"]

AudioFormat: TypeAlias = Literal["audio/pcm", "audio/pcmu", "audio/pcma", "audio/opus"]
"""The encoding of a client's sound: PCM16 at 24 kHz, G.711 µ-law and A-law at 8 kHz, Opus in Ogg pages."""

ItemId = NewType("ItemId", str)
"""The pipeline's id of a message. A client's ids are of another type (`voicepipe.realtime.ids.WireItemId`)."""

NO_ITEM = ItemId("")
"""The id of a message that has none."""

CUT = "—"
"""Ends an assistant message that the user cut short. The LLM does not see it."""

SILENCE = "..."
"""The user's message for a silence."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of one side, as it was heard.

    Args:
        role: "system", "user", "assistant" or "tool"
        text: what was said; of the bot, what was heard
        item: the id by which the client refers to it, which does not count in comparisons
        spoken: the time of each word, which does not count in comparisons
        call: the function call that the message is, or whose result it is (role "tool")
    """

    role: Role
    text: str
    item: ItemId = field(default=NO_ITEM, compare=False, repr=False)
    spoken: tuple[TimedWord, ...] = field(default=(), compare=False, repr=False)
    call: FunctionCall | None = None

    def __post_init__(self) -> None:
        """Replace halves of surrogate pairs: a text that cannot be encoded can be sent neither to a model nor to a
        client."""
        if not self.text.isascii():
            object.__setattr__(self, "text", encodable(self.text))


def encodable(text: str) -> str:
    """Return the text with whole pairs of surrogates joined, and single halves removed.

    >>> encodable("a\\ud83d\\ude00b\\ud83d") == "a\U0001f600b"
    True
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
