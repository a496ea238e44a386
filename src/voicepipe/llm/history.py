"""The part of a conversation that a language model reads: policies for a pipeline.

A policy is a pure function, `Conversation -> Conversation`, for use right before the LLM:
`session.llm(shorten(conversation))`. What was said stays whole in the conversation itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TypeAlias

from voicepipe.conversation import Conversation, Message
from voicepipe.conversation.tokens import FRAME_TOKENS, estimated_tokens, tool_tokens

__all__ = ["History", "estimated_tokens", "latest", "recent", "whole"]

History: TypeAlias = Callable[[Conversation], Conversation]
"""The part of a conversation that the language model reads."""

# Messages that are left out together before any is looked at.
_BLOCK = 256


def whole(conversation: Conversation) -> Conversation:
    """Return the conversation as it is: for talks that are known to be short, or a service that forgets by itself.

    Args:
        conversation: The whole conversation.
    """
    return conversation


def recent(*, max_tokens: int, at_once: int) -> History:
    """Return a history that keeps the system prompt and the latest turns.

    A turn is what the user said and what the bot answered. The oldest go first, whole. The last turn stays, and with it
    the user's last message, however long it is; so do notes, the messages of the role "system", and the functions. All
    of it counts.

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
        old, latest = _split(conversation.messages, max_tokens)
        turns = list(_turns(latest))
        fixed = estimated_tokens(conversation.system_prompt) + tool_tokens(conversation.generation.functions)
        spare = _tokens(turns) + _tokens([old]) + fixed - max_tokens
        dropped = 0
        freed = [0, *accumulate(_tokens([turn]) - _tokens([_notes(turn)]) for turn in turns)]
        while freed[dropped] < spare and dropped < len(turns) - 1:
            dropped = min(dropped + at_once, len(turns) - 1)
        notes = _notes(_messages(turns[:dropped]))
        return replace(conversation, messages=(*old, *notes, *_messages(turns[dropped:])))

    return shorten


def latest(*, turns: int) -> History:
    """Return a history of the system prompt, the notes and the last turns, with the one that is to be answered.

    Args:
        turns: How many turns there are at the most.

    >>> talk = Conversation().user_said("one").bot_said("1").user_said("two").bot_said("2").user_said("three")
    >>> [message.text for message in latest(turns=2)(talk).messages]
    ['two', '2', 'three']
    """

    def shorten(conversation: Conversation) -> Conversation:
        talk = list(_turns(conversation.messages))
        return replace(conversation, messages=(*_notes(_messages(talk[:-turns])), *_messages(talk[-turns:])))

    return shorten


def _split(messages: tuple[Message, ...], max_tokens: int) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """Return the notes of what is certainly too old, and the messages after it.

    A message takes `FRAME_TOKENS` at least, so no more than `max_tokens // FRAME_TOKENS` of them can be told: a turn
    costs the same, however long the talk was. The border moves by `_BLOCK` messages, so that the beginning stays the
    same for many turns.
    """
    most = max_tokens // FRAME_TOKENS
    border = max(0, len(messages) - most) // _BLOCK * _BLOCK
    return _notes(messages[:border]), messages[border:]


# ---- turns -----------------------------------------------------------------------------------------------------------


def _turns(messages: Sequence[Message]) -> Iterator[tuple[Message, ...]]:
    """The user's words, in one or more messages, and the bot's answer. The bot's opening is a turn, too.

    A message between a call and its result belongs to the same turn: call and result belong together.
    """
    turn: list[Message] = []
    # Where the last call of this turn returns, and whether the bot has spoken in it.
    returns_at, answered = -1, False
    for at, (message, result_at) in enumerate(zip(messages, _results(messages), strict=True)):
        if message.role == "user" and answered and returns_at < at:
            yield tuple(turn)
            turn, returns_at, answered = [], -1, False
        turn.append(message)
        returns_at, answered = max(returns_at, result_at), answered or message.role == "assistant"
    if turn:
        yield tuple(turn)


def _results(messages: Sequence[Message]) -> list[int]:
    """Return for each message the place of its last result before another call of its id; -1 if there is none.

    One pass from the end: a turn with many calls would otherwise take the square of their number.
    """
    results, last_result = [-1] * len(messages), dict[str, int]()
    for at in reversed(range(len(messages))):
        message = messages[at]
        if message.call is None:
            continue
        if message.role == "assistant":
            results[at] = last_result.pop(message.call.id, -1)
        else:
            last_result.setdefault(message.call.id, at)
    return results


def _messages(turns: Sequence[tuple[Message, ...]]) -> tuple[Message, ...]:
    return tuple(message for turn in turns for message in turn)


def _notes(messages: Sequence[Message]) -> tuple[Message, ...]:
    return tuple(message for message in messages if message.role == "system")


def _tokens(turns: Sequence[tuple[Message, ...]]) -> int:
    return sum(estimated_tokens(message.text + _call(message)) for turn in turns for message in turn)


def _call(message: Message) -> str:
    """Return the text that a call of the assistant adds to a prompt."""
    call = message.call if message.role == "assistant" else None
    return "" if call is None else call.id + call.name + call.arguments
