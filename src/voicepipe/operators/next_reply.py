"""`NextReply`: the replies that are to follow: the one that is ordered, and those that wait. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from voicepipe.conversation import ItemId
from voicepipe.events import ReplyRequested, Unasked
from voicepipe.operators.running_reply import RunningReply
from voicepipe.operators.turn_actions import StartReply
from voicepipe.operators.unasked import UnaskedQueue

__all__ = ["NextReply"]


@dataclass(frozen=True, slots=True)
class NextReply:
    """The replies that are to follow: ordered, pending, requested and unasked ones.

    Args:
        is_due: a reply has been ordered and has not begun: the one before it cleans up
        due: the client's request for the reply that has been ordered
        pending: a turn of the user's waits for the end of a reply that it must not interrupt
        requested: the client's request that follows the running reply
        unasked: what the bot is to say without being asked
        count: the number of replies so far
    """

    is_due: bool = False
    due: ReplyRequested | None = None
    pending: bool = False
    requested: ReplyRequested | None = None
    unasked: UnaskedQueue = field(default_factory=UnaskedQueue)
    count: int = 0

    def ordered(self, request: ReplyRequested | None) -> tuple[NextReply, StartReply]:
        """Return the state when an answer is ordered, and its beginning."""
        state = replace(self._given_back(), count=self.count + 1, is_due=True, due=request)
        return state, StartReply((request and request.item) or ItemId(f"reply{state.count}"), request)

    def ordered_unasked(self, unasked: Unasked, *, unheard: bool) -> tuple[NextReply, StartReply]:
        """Return the state when the bot is to speak unasked, and the beginning of that.

        Args:
            unasked: What it is to say.
            unheard: Nothing was heard of the answer that runs. It follows, as one does that has been ordered.
        """
        state = self
        if unheard or (self.is_due and self.unasked.ordered is None):
            state = replace(self, pending=True, requested=self.requested or self.due)
        waiting = self.unasked.ordering(unasked)
        state = replace(state, count=self.count + 1, is_due=True, due=None, unasked=waiting)
        return state, StartReply(ItemId(f"reply{state.count}"), unasked=unasked)

    def begun(self, unasked: Unasked | None) -> NextReply:
        """Return the state when the reply that was ordered begins. What waits still waits behind one that nothing has
        asked for."""
        if unasked is None:
            return self._without_waiting()
        return replace(self, is_due=False, due=None, unasked=self.unasked.dropped())

    def stopped(self) -> NextReply:
        """Return the state when the user has spoken: what was ordered is not said, or comes again later."""
        return replace(self._given_back(), is_due=False, due=None)

    def cancelled(self) -> NextReply:
        """Return the state when the client has cancelled what was ordered."""
        return replace(self, is_due=False, due=None, unasked=self.unasked.dropped())

    def cut(self, reply: RunningReply | None) -> NextReply:
        """Return the state after the running reply was cut: what was not heard of the pipeline's comes again."""
        ordered = self.unasked.ordered
        unheard = reply and reply.is_unheard and reply.unasked
        waiting = replace(self.unasked.given_back(unheard or None), ordered=ordered)
        return replace(self if ordered else self._dropping(), unasked=waiting)

    def failed(self) -> NextReply:
        """Return the state after a turn has failed outside its reply: nothing follows it."""
        return replace(self._without_waiting(), unasked=self.unasked.dropped())

    @property
    def waits(self) -> bool:
        """Return whether an answer follows the running reply."""
        return self.pending or self.requested is not None

    def _given_back(self) -> NextReply:
        return replace(self, unasked=self.unasked.given_back(self.unasked.ordered))

    def _dropping(self) -> NextReply:
        return replace(self, pending=False, requested=None)

    def _without_waiting(self) -> NextReply:
        return replace(self._dropping(), is_due=False, due=None)
