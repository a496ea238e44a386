"""Turns that the client ends, and replies that it asks for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from voicepipe.conversation import Conversation, ItemId, Message
from voicepipe.events import (
    ClientEvent,
    InputCleared,
    InputCommitted,
    ItemCreated,
    ReplyCancelled,
    ReplyRequested,
    TurnEnded,
    TurnEvent,
)

__all__ = ["Commits", "asked_of"]


def asked_of(conversation: Conversation, request: ReplyRequested | None) -> Conversation:
    """Return what the bot answers: the conversation, with the client's options for this reply."""
    if request is None:
        return conversation
    messages = conversation.messages
    if request.messages is not None:
        messages = tuple(Message(said.role, said.text, call=said.call) for said in request.messages)
    prompt = conversation.system_prompt if request.system_prompt is None else request.system_prompt
    aloud = conversation.aloud if request.aloud is None else request.aloud
    generation = conversation.generation if request.generation is None else request.generation
    return replace(
        conversation,
        system_prompt=prompt,
        messages=messages,
        aloud=aloud,
        voice=request.voice or conversation.voice,
        output_format=request.output_format or conversation.output_format,
        generation=generation,
    )


class Commits:
    """The commits of a client that wait for the recogniser, in order, and the wishes that wait behind them.

    A commit without an item has nothing to do: the silence that comes with it ends the detector's own turn.
    """

    def __init__(self) -> None:
        # Whether only the client ends turns.
        self.by_client = False
        self._waiting: deque[InputCommitted | InputCleared] = deque()
        self._behind: list[ClientEvent] = []

    @property
    def waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def at_s(self) -> float | None:
        """Return the position in the sound of the first that waits, if it is known."""
        return self._waiting[0].at_s if self._waiting else None

    def told(self, event: InputCommitted | InputCleared) -> None:
        """The client has ended a turn, or wants to forget it."""
        if isinstance(event, InputCleared) or event.item:
            self._waiting.append(event)

    def ended(self, text: str, at_s: float, detected: ItemId | None) -> Iterator[TurnEvent | ClientEvent]:
        """The words of the first that waits are there: its turn, and what has waited behind it.

        Of what was cleared no word is left; `detected` is its item when `TurnStarted` has told of it.
        """
        first = self._waiting.popleft()
        if detected is not None:
            yield TurnEnded("", at_s, detected)
        if isinstance(first, InputCommitted):
            yield TurnEnded(text, at_s, first.item, committed=True)
        if not self._waiting:
            behind, self._behind = self._behind, []
            yield from behind

    def behind(self, event: ClientEvent) -> Iterator[ClientEvent]:
        """Emit the client's request at once, or behind a commit that it follows."""
        if isinstance(event, ReplyCancelled):
            self._behind = [held for held in self._behind if not _cancels(event, held)]
            yield event
        elif self._waiting and isinstance(event, ItemCreated | ReplyRequested):
            self._behind.append(event)
        else:
            yield event


def _cancels(cancelled: ReplyCancelled, held: ClientEvent) -> bool:
    return isinstance(held, ReplyRequested) and cancelled.item in ("", held.item)
