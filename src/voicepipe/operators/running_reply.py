"""`RunningReply`: the state of a reply while it runs. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from voicepipe.conversation import Conversation, with_word
from voicepipe.events import (
    Event,
    FunctionCalled,
    FunctionReturned,
    ReplyAudio,
    ReplyDelayed,
    ReplyText,
    ReplyTextWritten,
    Unasked,
    WordSpoken,
)
from voicepipe.events.fold import fold

__all__ = ["RunningReply"]


@dataclass(frozen=True, slots=True)
class RunningReply:
    """A reply between its `ReplyStarted` and its end.

    Args:
        conversation: the conversation of a reply that is not stored; None where it is the session's
        sounds: some of its sound has been released
        held: its sound is held
        functions: how many functions of the pipeline's run
        heard: the words that were heard
        written: the text of a reply that is not spoken
        answers: some text of the model has come, and is no filler
        unasked: what the pipeline wants said, without being asked
    """

    conversation: Conversation | None = None
    sounds: bool = False
    held: bool = False
    functions: int = 0
    heard: tuple[str, ...] = ()
    written: str = ""
    answers: bool = False
    unasked: Unasked | None = None

    def after(self, event: ReplyAudio | Event) -> RunningReply:
        """Return the reply after something that it did: this object, where that changes nothing."""
        if isinstance(event, ReplyAudio):
            return self if self.sounds else replace(self, sounds=True)
        if self.conversation is not None and (told := fold(self.conversation, event)) is not self.conversation:
            return replace(self, conversation=told)._noted(event)
        return self._noted(event)

    def _noted(self, event: Event) -> RunningReply:
        match event:
            case WordSpoken():
                return replace(self, heard=with_word(self.heard, event))
            case ReplyTextWritten(delta=delta):
                return replace(self, written=self.written + delta)
            case ReplyText() | ReplyDelayed() if self.answers is isinstance(event, ReplyDelayed):
                return replace(self, answers=not self.answers)
            case FunctionCalled(server_side=True):
                return replace(self, functions=self.functions + 1)
            case FunctionReturned():
                return replace(self, functions=max(0, self.functions - 1))
            case _:
                return self

    @property
    def is_answered(self) -> bool:
        """Return whether the user has heard, or read, some of it, besides a filler."""
        return (self.answers and self.sounds) or bool(self.written)

    @property
    def is_unheard(self) -> bool:
        """Return whether nothing of it was heard, or read."""
        return not (self.sounds or self.text)

    @property
    def text(self) -> str:
        """Return what the user heard, or read."""
        return " ".join(self.heard) or self.written
