"""`hang_up_after`: the bot ends the conversation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from voicepipe.events import ConversationEnded, Event, ReplyAudio, ReplyEnded
from voicepipe.rx import transduce
from voicepipe.stage import Stage, stage_factory

__all__ = ["hang_up_after"]

_MARKS = " .!?…,"
_CLAUSES = re.compile(r"[.!?…,;:—–]+\s*")
_REPORTS = re.compile(r"\b(say|says|said|saying|sing|sings|sang|called|reads?|means?|word|wrote|songs?|titled)$")


@stage_factory(gives=(ConversationEnded,), passes=True)
def hang_up_after(farewell: str) -> Stage[ReplyAudio | Event, ReplyAudio | Event]:
    """Emit `ConversationEnded` after a reply that was played to its end and ends with `farewell`; everything passes.

    The farewell stands for itself at the end ("See you, bye!"), and may be part of a word ("Goodbye!"). In a sentence
    ("You say goodbye!"), in quotes or more than twice ("Bye Bye Bye!", a song) it is none. If the client leads the
    conversation, the client ends it, too, and nothing is emitted.

    Args:
        farewell: The last word of the reply, in either case of letters.

    .. marbles::

        replies         a-b|      b: ReplyEnded("… Bye!")
        hang_up_after   a-(bh)|   h: ConversationEnded
    """

    goodbye = farewell.strip(_MARKS).lower()

    def step(event: ReplyAudio | Event) -> Iterator[ReplyAudio | Event]:
        yield event
        if isinstance(event, ReplyEnded) and _takes_leave(event.text.lower(), goodbye) and not event.conversation.led:
            yield ConversationEnded(f"the bot said {farewell!r}")

    return transduce(lambda _: step)


def _takes_leave(text: str, farewell: str) -> bool:
    """Return whether a text's last clause is the farewell, once or twice, and is not the text's subject."""
    *before, last = [clause for clause in _CLAUSES.split(text) if clause] or [""]
    words = last.replace("-", " ").split()
    is_farewell = 1 <= len(words) <= 2 and all(word.endswith(farewell) for word in words)
    return is_farewell and not (before and _REPORTS.search(before[-1].strip()))
