"""The items of a conversation as a client sees them: messages and function calls with ids, in order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from voicepipe.conversation import ItemId, TimedWord, heard_until, joined
from voicepipe.conversation.tokens import estimated_tokens
from voicepipe.events import FunctionCall
from voicepipe.realtime.ids import WireItemId

__all__ = ["AnyItem", "CallItem", "Item", "Items", "ResultItem", "Role", "SaidItem", "ServerItem", "Status"]

Role: TypeAlias = Literal["user", "assistant", "system"]
Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]

# The prefix of the pipeline's name of an item that the client has named.
_CLIENTS = "="


@dataclass(slots=True)
class Item:
    """A message. `content` is as on the wire; `spoken` is when each of its words was heard."""

    id: WireItemId
    role: Role
    content: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    status: Status = "in_progress"
    spoken: list[TimedWord] = field(default_factory=list[TimedWord])

    def written(self) -> dict[str, Any]:
        """The item as the client reads it."""
        return {
            "id": self.id,
            "object": "realtime.item",
            "type": "message",
            "status": self.status,
            "role": self.role,
            "content": [dict(part) for part in self.content],
        }

    @property
    def chars(self) -> int:
        """Return the length of its text."""
        return len(self.text)

    @property
    def text(self) -> str:
        """Its text or transcript."""
        parts = (part.get("text") or part.get("transcript") or "" for part in self.content)
        return " ".join(filter(None, parts))

    @property
    def has_sound(self) -> bool:
        return any(part["type"] == "output_audio" for part in self.content)

    def truncate(self, audio_end_ms: float) -> None:
        """Cut its transcript to what was heard until then."""
        self.spoken = list(heard_until(self.spoken, audio_end_ms))
        for part in self.content:
            if part["type"] == "output_audio":
                part["transcript"] = joined(self.spoken)


@dataclass(slots=True)
class CallItem:
    """A function call of the assistant's, as far as it is written."""

    id: WireItemId
    call: FunctionCall
    status: Status = "in_progress"

    def written(self) -> dict[str, Any]:
        """The item as the client reads it."""
        kind = {"id": self.id, "object": "realtime.item", "type": "function_call", "status": self.status}
        return {**kind, "call_id": self.call.id, "name": self.call.name, "arguments": self.call.arguments}

    @property
    def chars(self) -> int:
        """Return the length of its arguments."""
        return len(self.call.arguments)


@dataclass(slots=True)
class ResultItem:
    """A call's result, which the client has sent."""

    id: WireItemId
    call_id: str
    output: str
    status: Status = "completed"

    def written(self) -> dict[str, Any]:
        """The item as the client reads it."""
        kind = {"id": self.id, "object": "realtime.item", "type": "function_call_output", "status": self.status}
        return {**kind, "call_id": self.call_id, "output": self.output}

    @property
    def chars(self) -> int:
        """Return the length of its text."""
        return len(self.output)


@dataclass(slots=True)
class ServerItem:
    """An item of a tool server (MCP): its list of tools, a call of one, or a request for an approval and its answer."""

    id: WireItemId
    kind: Literal["mcp_list_tools", "mcp_call", "mcp_approval_request", "mcp_approval_response"]
    fields: dict[str, Any]
    status: Status = "completed"

    def written(self) -> dict[str, Any]:
        """The item as the client reads it; it has no status there."""
        return {"id": self.id, "type": self.kind, **self.fields}

    @property
    def chars(self) -> int:
        """Return the length of its text."""
        return sum(len(value) for value in self.fields.values() if isinstance(value, str))


SaidItem: TypeAlias = Item | CallItem | ResultItem
"""An item that a client may create, and the model reads as it is."""

AnyItem: TypeAlias = SaidItem | ServerItem


class Items:
    """All items by the client's ids. The pipeline has names of its own (`turn3`); `salt` makes the ids unique.

    `chars` is the length of what clients and pipeline have written, as each item was added, and `note_tokens` what the
    system messages take in a prompt (estimated).
    """

    def __init__(self, salt: str) -> None:
        self._prefix = f"item_{salt}_"
        self._items: dict[WireItemId, AnyItem] = {}
        self._order: list[WireItemId] = []
        # As each item was added, and their sum: a request costs the same, however many items there are.
        self._chars: Counter[WireItemId] = Counter()
        self.chars = 0
        # Of system messages, which every prompt has.
        self._notes: Counter[WireItemId] = Counter()
        self.note_tokens = 0
        # How many calls have each id.
        self._calls: Counter[str] = Counter()
        self._removed: set[WireItemId] = set()
        # Items that were deleted while a response was still speaking them.
        self._unfinished: set[WireItemId] = set()

    def id_of(self, key: ItemId) -> WireItemId:
        """Return the client's id of the item that the pipeline calls `key`."""
        return WireItemId(key.removeprefix(_CLIENTS) if key.startswith(_CLIENTS) else self._prefix + key)

    def key_of(self, item_id: WireItemId) -> ItemId:
        """Return the pipeline's name of the item `item_id`."""
        mine = item_id.startswith(self._prefix)
        return ItemId(item_id.removeprefix(self._prefix) if mine else _CLIENTS + item_id)

    def __len__(self) -> int:
        return len(self._items)

    def get(self, item_id: WireItemId) -> AnyItem | None:
        return self._items.get(item_id)

    def __getitem__(self, item_id: WireItemId) -> AnyItem:
        return self._items[item_id]

    def __contains__(self, item_id: WireItemId) -> bool:
        return item_id in self._items

    def is_taken(self, item_id: WireItemId) -> bool:
        """Return whether an item has this id, or will: the client knows a turn's id before the item exists."""
        if item_id in self._items or item_id in self._unfinished:
            return True
        return item_id.startswith(self._prefix) and item_id not in self._removed

    def message(self, item_id: WireItemId) -> Item | None:
        """Return the item, if it exists and is a message."""
        item = self._items.get(item_id)
        return item if isinstance(item, Item) else None

    def has_call(self, call_id: str) -> bool:
        """Return whether the assistant has made a call with this id."""
        return self._calls[call_id] > 0

    def add(self, item: AnyItem, after: WireItemId | None = None) -> AnyItem:
        """Insert behind the item `after`; "root": before all; None: behind all."""
        at = len(self._order)
        if after is not None and after != self.last:
            at = self._order.index(after) + 1 if after in self._items else 0
        self._order.insert(at, item.id)
        self._items[item.id] = item
        self._chars[item.id] = item.chars
        self.chars += item.chars
        if isinstance(item, CallItem):
            self._calls[item.call.id] += 1
        elif isinstance(item, Item) and item.role == "system":
            self._notes[item.id] = estimated_tokens(item.text)
            self.note_tokens += self._notes[item.id]
        return item

    def remove(self, item_id: WireItemId) -> None:
        item = self._items.pop(item_id, None)
        self.chars -= self._chars.pop(item_id, 0)
        self.note_tokens -= self._notes.pop(item_id, 0)
        if isinstance(item, CallItem):
            self._calls[item.call.id] -= 1
        if item is not None:
            self._order.remove(item_id)
            (self._unfinished if item.status == "in_progress" else self._removed).add(item_id)

    def before(self, item_id: WireItemId) -> WireItemId | None:
        """Return the id of the item before this one."""
        if item_id == self.last:
            return self._order[-2] if len(self._order) > 1 else None
        at = self._order.index(item_id) if item_id in self._items else 0
        return self._order[at - 1] if at else None

    @property
    def last(self) -> WireItemId | None:
        return self._order[-1] if self._order else None
