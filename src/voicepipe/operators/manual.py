"""Turns that the client ends, and replies that it asks for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

from voicepipe.conversation import Conversation, Message, Role
from voicepipe.events import Event, InputCleared, InputCommitted, ItemCreated, ReplyCancelled, ReplyRequested, TurnEnded

__all__ = ["Commits", "asked_of"]


def asked_of(conversation: Conversation, request: ReplyRequested | None) -> Conversation:
    """What the bot answers: the conversation, but for what the client wants to be otherwise this once."""
    if request is None:
        return conversation
    messages = conversation.messages
    if request.messages is not None:
        messages = tuple(Message(cast("Role", role), text) for role, text in request.messages)
    prompt = conversation.system_prompt if request.system_prompt is None else request.system_prompt
    aloud = conversation.aloud if request.aloud is None else request.aloud
    return replace(conversation, system_prompt=prompt, messages=messages, aloud=aloud)


class Commits:
    """The commits of a client that wait for the recogniser, in order, and the wishes that wait behind them.

    A commit comes behind the sound that it is about, a clearing before the silence that ends it. Both may be told twice
    (within the sound and beside it), and count once. A commit without an item has nothing to do: the silence that came
    before it has ended the detector's own turn.
    """

    def __init__(self) -> None:
        self.by_client = False
        """Whether only the client ends turns."""
        self._waiting: deque[InputCommitted | InputCleared] = deque()
        self._behind: list[Event] = []
        self._last_item = ""

    @property
    def waiting(self) -> bool:
        return bool(self._waiting)

    def told(self, event: InputCommitted | InputCleared) -> None:
        """The client has ended a turn, or wants to forget it."""
        if isinstance(event, InputCleared):
            if not self._waiting or self._waiting[-1] != event:
                self._waiting.append(event)
        elif event.item and event.item != self._last_item:
            self._last_item = event.item
            self._waiting.append(event)

    def ended(self, text: str, at_s: float, detected: str | None) -> Iterator[Event]:
        """The words of the first that waits are there: its turn, and what has waited behind it.

        Of what was cleared no word is left; `detected` is its item when `TurnStarted` has told of it.
        """
        first = self._waiting.popleft()
        if isinstance(first, InputCommitted):
            yield TurnEnded(text, at_s, first.item, committed=True)
        elif detected is not None:
            yield TurnEnded("", at_s, detected)
        if not self._waiting:
            behind, self._behind = self._behind, []
            yield from behind

    def behind(self, event: Event) -> Iterator[Event]:
        """What the client wants goes out at once, or, if it is about what comes after a commit, behind that."""
        if isinstance(event, ReplyCancelled):
            self._behind = [held for held in self._behind if not isinstance(held, ReplyRequested)]
            yield event
        elif self._waiting and isinstance(event, ItemCreated | ReplyRequested):
            self._behind.append(event)
        else:
            yield event
