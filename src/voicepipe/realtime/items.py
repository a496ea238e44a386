"""The items of a conversation, as a client sees them: messages with names, in order, each with a status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from voicepipe.conversation import heard_until
from voicepipe.events import Spoken

__all__ = ["Item", "Items", "Role", "Status"]

Role: TypeAlias = Literal["user", "assistant", "system"]
Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]

_CLIENTS = "="
"""Begins the pipeline's name of an item that the client has named."""


@dataclass(slots=True)
class Item:
    """A message. `content` is as on the wire; `spoken` is when which of its words was heard."""

    id: str
    role: Role
    content: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    status: Status = "in_progress"
    spoken: list[Spoken] = field(default_factory=list[Spoken])

    def written(self) -> dict[str, Any]:
        """As the client reads it."""
        return {
            "id": self.id,
            "object": "realtime.item",
            "type": "message",
            "status": self.status,
            "role": self.role,
            "content": [dict(part) for part in self.content],
        }

    @property
    def text(self) -> str:
        """What it says, written or spoken."""
        parts = (part.get("text") or part.get("transcript") or "" for part in self.content)
        return " ".join(filter(None, parts))

    @property
    def has_sound(self) -> bool:
        return any(part["type"] == "output_audio" for part in self.content)

    def truncate(self, audio_end_ms: float) -> None:
        """Keep of its transcript what was heard until then."""
        self.spoken = list(heard_until(self.spoken, audio_end_ms))
        for part in self.content:
            if part["type"] == "output_audio":
                part["transcript"] = " ".join(word.word for word in self.spoken)


class Items:
    """All items, by the client's names. The pipeline has names of its own (`turn3`); `salt` makes ours unique."""

    def __init__(self, salt: str) -> None:
        self._prefix = f"item_{salt}_"
        self._items: dict[str, Item] = {}
        self._order: list[str] = []

    def id_of(self, key: str) -> str:
        """The client's name of what the pipeline calls `key`."""
        return key.removeprefix(_CLIENTS) if key.startswith(_CLIENTS) else self._prefix + key

    def key_of(self, item_id: str) -> str:
        """The pipeline's name of what the client calls `item_id`."""
        return item_id.removeprefix(self._prefix) if item_id.startswith(self._prefix) else _CLIENTS + item_id

    def get(self, item_id: str) -> Item | None:
        return self._items.get(item_id)

    def __getitem__(self, item_id: str) -> Item:
        return self._items[item_id]

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    def add(self, item: Item, after: str | None = None) -> Item:
        """Behind the item `after`; "root": before all; None: behind all."""
        at = len(self._order)
        if after is not None:
            at = self._order.index(after) + 1 if after in self._items else 0
        self._order.insert(at, item.id)
        self._items[item.id] = item
        return item

    def remove(self, item_id: str) -> None:
        if self._items.pop(item_id, None) is not None:
            self._order.remove(item_id)

    def before(self, item_id: str) -> str | None:
        """The name of the item that stands before this one."""
        at = self._order.index(item_id) if item_id in self._items else 0
        return self._order[at - 1] if at else None

    @property
    def last(self) -> str | None:
        return self._order[-1] if self._order else None
