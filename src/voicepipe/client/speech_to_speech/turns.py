"""`UserTurns`: the user's turns as another server tells them. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from voicepipe.client import events as remote
from voicepipe.conversation import NO_ITEM, Conversation, ItemId
from voicepipe.events import (
    Event,
    ItemCreated,
    TurnConfirmed,
    TurnEnded,
    TurnStarted,
    WordRecognised,
    fold,
)

__all__ = ["UserTurns"]


@dataclass(slots=True)
class _Turn:
    """A turn: its name in the pipeline, its last moment, and its place in the conversation."""

    item: ItemId
    at_s: float
    after: ItemId | None = None


class UserTurns:
    """The turns of one session, in time of the user's sound.

    A turn ends without words, so that a reply need not wait for them. When the transcript comes, a second `TurnEnded`
    has it, and is `committed`, as a turn that the client has ended.
    """

    def __init__(self) -> None:
        # How much sound there was, and how much of it before the server's session.
        self.sent_s = self.began_s = 0.0
        # The server's names of items.
        self.names: dict[ItemId, str] = {}
        self._turns: dict[str, _Turn] = {}
        self._talking: _Turn | None = None
        self._committed: deque[ItemId] = deque()
        self._count = 0

    def commit(self, item: ItemId) -> None:
        """Note that the client has ended a turn, which is to have this name."""
        self._committed.append(item)

    def started(self, event: remote.SpeechStarted) -> Iterator[Event]:
        """Begin a turn."""
        turn = self._talking = self._turns[event.item_id] = _Turn(self._name(), self._at_s(event.audio_start_ms))
        self.names[turn.item] = event.item_id
        yield TurnStarted(turn.at_s, turn.item)
        yield TurnConfirmed(turn.at_s)

    def stopped(self, event: remote.SpeechStopped) -> None:
        """Note where a turn ends."""
        if (turn := self._turns.get(event.item_id)) is not None:
            turn.at_s = self._at_s(event.audio_end_ms)

    def committed(self, event: remote.InputCommitted, talk: Conversation) -> Iterator[Event]:
        """End a turn without its words, and give it its place in the conversation."""
        is_asked = event.item_id not in self._turns and bool(self._committed)
        key = self._committed.popleft() if is_asked else self._name()
        turn = self._turns.setdefault(event.item_id, _Turn(key, self.sent_s))
        self.names[turn.item] = event.item_id
        last = talk.messages[-1].item if talk.messages else NO_ITEM
        turn.after = last if last or not talk.messages else None
        self._talking = None
        if not is_asked:  # the client knows of its own
            yield TurnEnded("", turn.at_s, turn.item, text_follows=True)

    def transcribed(self, item_id: str, text: str, talk: Conversation) -> tuple[Conversation, list[Event]]:
        """Return the conversation with the words of a turn in its place, and what is told of it."""
        turn = self._turns.pop(item_id, None)
        if turn is None:
            return talk, []
        ended = TurnEnded(text, turn.at_s, turn.item, committed=True)
        if not text:
            return talk, [ended]
        heard = WordRecognised(text, turn.at_s, turn.at_s)
        return fold(talk, ItemCreated(turn.item, "user", text, turn.after)), [heard, ended]

    def restart(self) -> Iterator[Event]:
        """End the turn that is under way: the server begins a new session, and counts from here."""
        self.began_s = self.sent_s
        turn, self._talking = self._talking, None
        if turn is not None:
            yield TurnEnded("", turn.at_s, turn.item)

    def _at_s(self, ms: float) -> float:
        return self.began_s + ms / 1000

    def _name(self) -> ItemId:
        self._count += 1
        return ItemId(f"turn{self._count}")
