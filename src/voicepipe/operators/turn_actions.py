"""The actions that `TurnState` decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from voicepipe.conversation import Conversation, ItemId
from voicepipe.events import Event, ReplyRequested, Unasked
from voicepipe.operators.commits import asked_of
from voicepipe.operators.unasked import asked_unasked

__all__ = ["Action", "HangUp", "HoldElapsed", "HoldReply", "ResumeReply", "StartReply", "StopTurn"]


@dataclass(frozen=True, slots=True)
class StartReply:
    """Stop what runs, and begin a reply, which the client has requested, the conversation is due, or comes unasked."""

    item: ItemId
    request: ReplyRequested | None = None
    unasked: Unasked | None = None

    def asked(self, conversation: Conversation) -> Conversation:
        """Return what the reply answers."""
        return asked_unasked(asked_of(conversation, self.request), self.unasked)


@dataclass(frozen=True, slots=True)
class StopTurn:
    """Stop the running reply, if there is one."""


@dataclass(frozen=True, slots=True)
class HoldReply:
    """Release no more sound of the running reply, until it is known what the user's voice means."""


@dataclass(frozen=True, slots=True)
class ResumeReply:
    """Go on with the held reply: the voice was a cough, or an acknowledgement."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """Stop what runs, and end the conversation."""

    reason: str


@dataclass(frozen=True, slots=True)
class HoldElapsed(Event):
    """The time for which a reply may be held is over."""


Action: TypeAlias = StartReply | StopTurn | HoldReply | ResumeReply | HangUp | None
"""The action that follows an event; None: no action."""
