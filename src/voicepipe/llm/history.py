"""How much of a conversation a language model reads: policies for a pipeline.

A policy is a pure function, `Conversation -> Conversation`, for use right before the LLM:
`session.llm(shorten(conversation))`. What was said stays whole in the conversation itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import TypeAlias

import reactivex
import structlog
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.conversation import Conversation, Message
from voicepipe.events import Event, ReplyEnded, ReplyInterrupted
from voicepipe.rx import of_type
from voicepipe.stage import Stage

__all__ = ["History", "Summaries", "estimated_tokens", "latest", "recent", "summarised", "whole"]

History: TypeAlias = Callable[[Conversation], Conversation]
"""The part of a conversation that the language model reads."""

# What a chat template puts around a message, at most.
_FRAME_TOKENS = 8

log = structlog.get_logger()


def whole(conversation: Conversation) -> Conversation:
    """Return the conversation as it is: for talks that are known to be short, or a service that forgets by itself.

    Args:
        conversation: The whole conversation.
    """
    return conversation


def estimated_tokens(text: str) -> int:
    """About how many tokens a message of this text takes, rather too many than too few.

    A token per three bytes, and eight for the message's frame. English has over four bytes a token, French and German
    three to four, Chinese and Japanese (three bytes a letter) about a letter a token, in the usual vocabularies.
    """
    return _FRAME_TOKENS + len(text.encode()) // 3


def recent(*, max_tokens: int, at_once: int) -> History:
    """Return a history that keeps the system prompt and the latest turns.

    A turn is what the user said and what the bot answered. The oldest go first, whole. The last turn stays, and with it
    the user's last message, however long it is; so do notes, the messages of the role "system".

    Args:
        max_tokens: The bound of the prompt, estimated.
        at_once: How many turns go together: what is left then stays the same for some turns, and a server that caches
            prompts by their beginning need not read it anew each time.

    Returns:
        A function from the whole conversation to the one that the model is told.

    >>> talk = Conversation("Be brief.").user_said("one").bot_said("1").user_said("two")
    >>> [message.text for message in recent(max_tokens=25, at_once=1)(talk).messages]
    ['two']
    """

    def shorten(conversation: Conversation) -> Conversation:
        turns = list(_turns(conversation.messages))
        spare = _tokens(turns) + estimated_tokens(conversation.system_prompt) - max_tokens
        dropped = 0
        freed = [0, *accumulate(_tokens([turn]) - _tokens([_notes(turn)]) for turn in turns)]
        while freed[dropped] < spare and dropped < len(turns) - 1:
            dropped = min(dropped + at_once, len(turns) - 1)
        notes = _notes(_messages(turns[:dropped]))
        return replace(conversation, messages=(*notes, *_messages(turns[dropped:])))

    return shorten


def latest(*, turns: int) -> History:
    """The system prompt and the last `turns` turns, the one that is to be answered included; notes stay.

    >>> talk = Conversation().user_said("one").bot_said("1").user_said("two").bot_said("2").user_said("three")
    >>> [message.text for message in latest(turns=2)(talk).messages]
    ['two', '2', 'three']
    """

    def shorten(conversation: Conversation) -> Conversation:
        talk = list(_turns(conversation.messages))
        return replace(conversation, messages=(*_notes(_messages(talk[:-turns])), *_messages(talk[-turns:])))

    return shorten


def summarised(
    llm: Callable[[Conversation], Observable[str | Event]], *, instructions: str, max_tokens: int, keep_turns: int
) -> Summaries:
    """As `recent`, but what is dropped lives on in a summary, which `llm` writes by the `instructions`.

    When more than `max_tokens` (estimated) would be told after a reply, everything but the last `keep_turns` turns is
    summed up while the user thinks and speaks: no answer ever waits for it. `keep_turns` is 1 at least. One session's
    own::

        memory = summarised(session.llm, instructions="Sum this talk up in brief.", max_tokens=3000, keep_turns=6)
        reply = lambda conversation: session.llm(memory(conversation)).pipe(…)
        spoken = turns.pipe(respond(reply, …), tee(memory.update))
    """
    return Summaries(llm, instructions, max_tokens, keep_turns)


@dataclass(frozen=True, slots=True)
class _Summary:
    """`text` stands for these messages, the first of the conversation."""

    text: str = ""
    of: tuple[Message, ...] = ()


class Summaries:
    """A `History` with a memory. Made by `summarised`."""

    def __init__(
        self,
        llm: Callable[[Conversation], Observable[str | Event]],
        instructions: str,
        max_tokens: int,
        keep_turns: int,
    ) -> None:
        self._llm, self._instructions = llm, instructions
        self._max_tokens, self._keep_turns = max_tokens, keep_turns
        self._summary = _Summary()

    def __call__(self, conversation: Conversation) -> Conversation:
        """The summary, below the system prompt, and the turns after it; `recent` for as long as there is none.

        It is not used for a conversation that does not begin with what it sums up.
        """
        known = self._summary
        if known.text and conversation.messages[: len(known.of)] == known.of:
            prompt = f"{conversation.system_prompt}\n\nWhat was said before: {known.text}".strip()
            left = (*_notes(known.of), *conversation.messages[len(known.of) :])
            conversation = replace(conversation, system_prompt=prompt, messages=left)
        return recent(max_tokens=self._max_tokens, at_once=1)(conversation)

    def update(self, events: Observable[Event]) -> Observable[str]:
        """A side stage (see `tee`): looks for the end of replies and writes summaries, one at a time; gives each.

        A failed summary is logged; its messages are dropped meanwhile, as by `recent`.
        """
        return events.pipe(
            of_type(ReplyEnded, ReplyInterrupted),
            rx_ops.map(lambda ended: reactivex.defer(lambda _: self._updated(ended.conversation))),
            rx_ops.exclusive(),
        )

    def _updated(self, conversation: Conversation) -> Observable[str]:
        known = self._summary if conversation.messages[: len(self._summary.of)] == self._summary.of else _Summary()
        turns = list(_turns(conversation.messages[len(known.of) :]))
        old = _messages(turns[: -self._keep_turns])
        tokens = sum(map(estimated_tokens, (conversation.system_prompt, known.text))) + _tokens(turns)
        if tokens <= self._max_tokens or not old:
            return reactivex.empty()
        asked = Conversation(self._instructions).user_said(_minutes(known.text, old))

        def keep(text: str) -> None:
            if text.strip():
                self._summary = _Summary(text.strip(), (*known.of, *old))

        def failed(error: Exception, _: Observable[str]) -> Observable[str]:
            log.warning("history.no_summary", exc_info=error)
            return reactivex.empty()

        def join(text: str, said: str | Event) -> str:
            return text + said if isinstance(said, str) else text

        joined: Stage[str | Event, str] = rx_ops.reduce(join, "")
        return self._llm(asked).pipe(joined, rx_ops.do_action(keep), rx_ops.catch(failed))


def _minutes(summary: str, messages: Sequence[Message]) -> str:
    """The talk as a text, since a chat model would rather go on with it than sum it up."""
    names = {"user": "User", "assistant": "You"}
    said = [f"{names[message.role]}: {message.text}" for message in messages if message.role in names and message.text]
    return "\n".join([f"Before: {summary}"] * bool(summary) + said)


# ---- turns -----------------------------------------------------------------------------------------------------------


def _turns(messages: Sequence[Message]) -> Iterator[tuple[Message, ...]]:
    """What the user said, in one or more messages, and what the bot answered. The bot's opening is a turn, too.

    A message between a call and its result belongs to the same turn: call and result belong together.
    """
    turn: list[Message] = []
    for at, message in enumerate(messages):
        answered = message.role == "user" and any(one.role == "assistant" for one in turn)
        if answered and not any(_returns(one, messages[at:]) for one in turn):
            yield tuple(turn)
            turn = []
        turn.append(message)
    if turn:
        yield tuple(turn)


def _returns(message: Message, later: Sequence[Message]) -> bool:
    """Whether it is a call that returns later: before another one of the same id."""
    if message.role != "assistant" or message.call is None:
        return False
    call_id = message.call.id
    same = (one for one in later if one.call is not None and one.call.id == call_id)
    return any(one.role == "tool" for one in islice(same, 1))


def _messages(turns: Sequence[tuple[Message, ...]]) -> tuple[Message, ...]:
    return tuple(message for turn in turns for message in turn)


def _notes(messages: Sequence[Message]) -> tuple[Message, ...]:
    return tuple(message for message in messages if message.role == "system")


def _tokens(turns: Sequence[tuple[Message, ...]]) -> int:
    return sum(estimated_tokens(message.text + _call(message)) for turn in turns for message in turn)


def _call(message: Message) -> str:
    """What a call of the assistant's adds to a prompt."""
    call = message.call if message.role == "assistant" else None
    return "" if call is None else call.id + call.name + call.arguments
