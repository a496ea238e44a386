"""How much of a conversation a language model reads: policies for a pipeline.

A policy is a pure function, `Conversation -> Conversation`, for use right before the LLM:
`session.llm(shorten(conversation))`. What was said stays whole in the conversation itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, islice
from typing import TypeAlias

from voicepipe.conversation import Conversation, Message

__all__ = ["History", "estimated_tokens", "latest", "recent", "whole"]

History: TypeAlias = Callable[[Conversation], Conversation]
"""The part of a conversation that the language model reads."""

# What a chat template puts around a message, at most.
_FRAME_TOKENS = 8


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
