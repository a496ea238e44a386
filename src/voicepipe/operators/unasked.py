"""`UnaskedQueue`: what the bot is to say without being asked, and which of it comes next. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from voicepipe.conversation import SILENCE, Conversation, Message
from voicepipe.events import GenerationRequested, HangUpRequested, SpeechRequested, Unasked

__all__ = ["UnaskedQueue", "asked_unasked"]


def asked_unasked(conversation: Conversation, unasked: Unasked | None) -> Conversation:
    """Return what the bot answers when it speaks unasked: the conversation with the text, or with the instructions."""
    match unasked:
        case SpeechRequested(text=text):
            return replace(conversation, verbatim=text)
        case GenerationRequested(instructions=instructions):
            # A model continues its own words where it is not asked anything: the user's silence stands between.
            silence = () if conversation.awaits_reply else (Message("user", SILENCE),)
            note = (Message("system", instructions),) if instructions else ()
            return replace(conversation, messages=(*conversation.messages, *silence, *note))
        case _:
            return conversation


@dataclass(frozen=True, slots=True)
class UnaskedQueue:
    """The queue of unasked speech, in order, and the one that has been started: the reply before it cleans up.

    What is urgent ("now") comes first, in its own order.
    """

    waiting: tuple[Unasked, ...] = ()
    ordered: Unasked | None = None

    def added(self, unasked: Unasked) -> UnaskedQueue:
        """Return the queue with one more. To hang up now drops what waits."""
        if unasked.when != "now":
            return replace(self, waiting=(*self.waiting, unasked))
        if isinstance(unasked, HangUpRequested):
            return replace(self, waiting=(unasked,))
        urgent = tuple(one for one in self.waiting if one.when == "now")
        return replace(self, waiting=(*urgent, unasked, *self.waiting[len(urgent) :]))

    def first(self, *, busy: bool, user_waits: bool) -> Unasked | None:
        """Return what comes next, at this moment; None for nothing.

        Args:
            busy: A reply runs, or has been ordered.
            user_waits: The user speaks, or waits for an answer.
        """
        for place, unasked in enumerate(self.waiting):
            if isinstance(unasked, HangUpRequested) and place:
                return None  # behind all that was to be said before
            if _is_ready(unasked, busy=busy, user_waits=user_waits):
                return unasked
        return None

    def without(self, unasked: Unasked) -> UnaskedQueue:
        """Return the queue without this one."""
        place = next(at for at, one in enumerate(self.waiting) if one is unasked)
        return replace(self, waiting=(*self.waiting[:place], *self.waiting[place + 1 :]))

    def ordering(self, unasked: Unasked) -> UnaskedQueue:
        """Return the queue when this one is begun; one that was ordered and has not begun waits again."""
        return replace(self.without(unasked).given_back(self.ordered), ordered=unasked)

    def given_back(self, unasked: Unasked | None) -> UnaskedQueue:
        """Return the queue when this one, which has not been heard, waits again: until the user has finished."""
        if unasked is None:
            return self
        later = replace(unasked, when="in_silence") if unasked.interruptible else unasked
        return replace(self, waiting=(later, *self.waiting), ordered=None)

    def dropped(self) -> UnaskedQueue:
        """Return the queue without what was ordered."""
        return self if self.ordered is None else replace(self, ordered=None)


def _is_ready(unasked: Unasked, *, busy: bool, user_waits: bool) -> bool:
    if unasked.when == "now":
        return True
    if busy:
        return False
    speaks_over_user = unasked.when == "after_reply" and not unasked.interruptible
    return speaks_over_user or not user_waits
