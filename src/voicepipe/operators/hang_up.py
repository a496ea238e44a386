"""`hang_up_after`: the bot ends the conversation."""

from __future__ import annotations

from collections.abc import Iterator

from voicepipe.events import Event, HungUp, ReplyEnded
from voicepipe.rx import transduce
from voicepipe.stage import Stage

__all__ = ["hang_up_after"]


def hang_up_after(farewell: str) -> Stage[Event, Event]:
    """`HungUp` follows a reply that was played to its end and ends with `farewell`; everything passes.

    .. marbles::

        replies         a-b|      b: ReplyEnded("… Bye!")
        hang_up_after   a-(bh)|   h: HungUp
    """

    def step(event: Event) -> Iterator[Event]:
        yield event
        if isinstance(event, ReplyEnded) and event.text.rstrip().endswith(farewell):
            yield HungUp(f"the bot said {farewell!r}")

    return transduce(lambda _: step)
