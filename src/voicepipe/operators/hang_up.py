"""`hang_up_after`: the bot ends the conversation."""

from __future__ import annotations

from collections.abc import Iterator

from voicepipe.events import Event, HungUp, ReplyEnded, Speech
from voicepipe.rx import transduce
from voicepipe.stage import Stage, stage_factory

__all__ = ["hang_up_after"]


@stage_factory(gives=(HungUp,), passes=True)
def hang_up_after(farewell: str) -> Stage[Speech | Event, Speech | Event]:
    """`HungUp` follows a reply that was played to its end and ends with `farewell`, in letters of either case;
    everything passes.

    A client that leads the conversation ends it, too: there, nothing follows.

    .. marbles::

        replies         a-b|      b: ReplyEnded("… Bye!")
        hang_up_after   a-(bh)|   h: HungUp
    """

    goodbye = farewell.lower()

    def step(event: Speech | Event) -> Iterator[Speech | Event]:
        yield event
        if (
            isinstance(event, ReplyEnded)
            and event.text.rstrip().lower().endswith(goodbye)
            and not event.conversation.led
        ):
            yield HungUp(f"the bot said {farewell!r}")

    return transduce(lambda _: step)
