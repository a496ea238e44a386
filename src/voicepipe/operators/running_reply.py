"""`RunningReply`: what is known of a reply while it runs. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

from voicepipe.conversation import Conversation
from voicepipe.events import Unasked

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
        unasked: what the pipeline wants said, without being asked
    """

    conversation: Conversation | None = None
    sounds: bool = False
    held: bool = False
    functions: int = 0
    heard: tuple[str, ...] = ()
    written: str = ""
    unasked: Unasked | None = None

    @property
    def is_unheard(self) -> bool:
        """Whether nothing of it was heard, or read."""
        return not (self.sounds or self.text)

    @property
    def text(self) -> str:
        """Return what the user heard, or read."""
        return " ".join(self.heard) or self.written
