"""`hang_up_after`: the bot ends the conversation."""

from __future__ import annotations

from collections.abc import Iterator

from voicepipe.events import ConversationEnded, Event, ReplyAudio, ReplyEnded
from voicepipe.rx import transduce
from voicepipe.stage import Stage, stage_factory

__all__ = ["hang_up_after"]


@stage_factory(gives=(ConversationEnded,), passes=True)
def hang_up_after(farewell: str) -> Stage[ReplyAudio | Event, ReplyAudio | Event]:
    """Emit `ConversationEnded` after a reply that was played to its end and ends with `farewell`; everything passes.

    If the client leads the conversation, the client ends it, too, and nothing is emitted.

    Args:
        farewell: The last words of the reply, in either case of letters.

    .. marbles::

        replies         a-b|      b: ReplyEnded("… Bye!")
        hang_up_after   a-(bh)|   h: ConversationEnded
    """

    goodbye = farewell.lower()

    def step(event: ReplyAudio | Event) -> Iterator[ReplyAudio | Event]:
        yield event
        if (
            isinstance(event, ReplyEnded)
            and event.text.rstrip().lower().endswith(goodbye)
            and not event.conversation.led
        ):
            yield ConversationEnded(f"the bot said {farewell!r}")

    return transduce(lambda _: step)
