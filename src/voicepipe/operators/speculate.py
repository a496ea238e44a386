"""`speculate`: begin a reply at a probable pause, and hold it back until the user has finished."""

from __future__ import annotations

from collections.abc import Iterator
from typing import overload

import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.conversation import Conversation
from voicepipe.events import Event, ReplyAudio, SpeculationEnded, TokensCounted
from voicepipe.operators.reply import Reply
from voicepipe.presets import Speculation
from voicepipe.rx import LoopScheduler, transduce
from voicepipe.rx.defer import defer
from voicepipe.rx.early_subscription import EarlySubscription
from voicepipe.stage import Declaration, Declared, Stage, takes_preset

__all__ = ["SpeculativeReply", "speculate"]


@overload
def speculate(reply: Reply, speculation: Speculation, /) -> SpeculativeReply: ...


@overload
def speculate(reply: Reply, *, per_turn: int, held_items: int) -> SpeculativeReply: ...


@takes_preset(Speculation)
def speculate(reply: Reply, *, per_turn: int, held_items: int) -> SpeculativeReply:
    """Return a reply that `respond` begins at a pause (`TurnPaused`), before it is decided whether the user has
    finished: the model answers, and the voice speaks, while the end-of-turn model is asked again or the silence lasts.

    What it emits is held back. When the turn ends, and the conversation is the one for which it was begun, that comes
    at once, and the reply goes on: its sound starts then, on the playback clock. When the user speaks on, or something
    else was heard or has changed, it is thrown away: it is disposed, and no client, no history and no function has
    noticed it. So it is when it fails, and the reply then begins anew. `SpeculationEnded` tells the metrics which it
    was.

    The functions of `with_tools` and `with_agents` do not run before the reply is used. What else has an effect outside
    of the reply stands behind `voicepipe.rx.until_used`. A reply that is thrown away has cost the tokens, and the
    characters of speech, that were made until then: LiveKit calls this preemptive generation.

    Args:
        reply: The reply, such as `replying` makes it. Called again for each conversation that is expected.
        per_turn: How many replies may be begun ahead and thrown away before one is asked for. 0: none is begun ahead.
        held_items: How many items are held back; a reply that has more is thrown away. Sound that waits in `pace` is
            not counted.

    .. marbles::

        expected    a-b------|         pauses: if the turn ends there, the conversation is a, or b
        asked       -------b|          it has ended, with b
        first       ^-!                the reply to a, which is thrown away
        second      --^-w-w-w-w|       the reply to b
        speculate   -------(ww)w-w|
    """
    return SpeculativeReply(reply, per_turn, held_items)


class SpeculativeReply(Declared[Conversation, ReplyAudio | Event]):
    """The reply of `speculate`: the function that `respond` calls, and `expecting`. It is one session's.

    Args:
        reply: As of `speculate`.
        per_turn: As of `speculate`.
        held_items: As of `speculate`.
    """

    def __init__(self, reply: Reply, per_turn: int, held_items: int) -> None:
        numbers = {"per_turn": per_turn, "held_items": held_items}
        super().__init__(self._asked, Declaration(speculate, (reply,), numbers, (), (), passes=False))
        self._reply, self._per_turn, self._held_items = reply, per_turn, held_items
        self._begun = 0
        self._conversation: Conversation | None = None
        self._ahead: EarlySubscription[ReplyAudio | Event] | None = None
        self._ended: list[SpeculationEnded] = []

    def expecting(self) -> Stage[Conversation | None, SpeculationEnded]:
        """Begin the reply to each conversation that will probably be asked for; None: none will be.

        What was begun for another conversation is thrown away. So is what is held when the source ends or is disposed.

        .. marbles::

            expected    a-a-b--n|     a, b: conversations   n: None
            first       ^---!         the reply to a
            second      ----^--!      the reply to b
            expecting   ----x--x|     x: SpeculationEnded(used=False)
        """

        def stage(expected: Observable[Conversation | None]) -> Observable[SpeculationEnded]:
            return defer(
                lambda scheduler: expected.pipe(
                    transduce(lambda _: lambda conversation: self._expect(conversation, scheduler)),
                    rx_ops.finally_action(self._throw_away),
                )
            )

        return stage

    def _expect(self, conversation: Conversation | None, scheduler: LoopScheduler) -> Iterator[SpeculationEnded]:
        if not self._is_begun(conversation):
            self._throw_away()
            if conversation is not None and self._begun < self._per_turn:
                self._begin(conversation, scheduler)
        ended, self._ended = self._ended, []
        yield from ended

    def _begin(self, conversation: Conversation, scheduler: LoopScheduler) -> None:
        self._begun += 1
        self._conversation = conversation
        self._ahead = EarlySubscription(defer(lambda _: self._reply(conversation)), scheduler, self._held_items)

    def _asked(self, conversation: Conversation) -> Observable[ReplyAudio | Event]:
        return reactivex.defer(lambda _: self._used(conversation))

    def _used(self, conversation: Conversation) -> Observable[ReplyAudio | Event]:
        """Return the reply that is asked for: the one that was begun, if it is the same."""
        self._begun, ahead = 0, self._ahead
        if ahead is None or not ahead.usable or not self._is_begun(conversation):
            self._throw_away()
            return self._reply(conversation)
        self._ahead = self._conversation = None
        self._ended.append(SpeculationEnded(used=True))
        return ahead.used()

    def _is_begun(self, conversation: Conversation | None) -> bool:
        begun = self._conversation
        if begun is None or conversation is None:
            return False
        return begun == conversation and begun.replying == conversation.replying

    def _throw_away(self) -> None:
        if self._ahead is not None:
            self._ahead.dispose()
            counted = (one for one in self._ahead.kept if isinstance(one, TokensCounted))
            self._ended.append(SpeculationEnded(used=False, tokens=tuple(counted)))
        self._ahead = self._conversation = None
