"""`History`: the settings and the items of a conversation, for a new session that goes on with it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from voicepipe.client import events
from voicepipe.client.socket import Message
from voicepipe.realtime.ga.session_config import merged

__all__ = ["History"]

_TEXT = {"user": "input_text", "system": "input_text", "assistant": "output_text"}


class History:
    """One conversation, folded from what the client sends and the server tells.

    Args:
        session: The settings that the conversation begins with.
        most: How many items are kept; of more, the oldest go.
    """

    def __init__(self, session: dict[str, Any], most: int) -> None:
        self.session = {"type": "realtime", **session}
        self._most = most
        self._items: dict[str, dict[str, Any]] = {}
        # Items that the client has sent without an id of its own: the server has not named them yet.
        self._sent: list[dict[str, Any]] = []

    def sent(self, message: Message) -> None:
        """Note an event of the client."""
        match message["type"]:
            case "session.update":
                self.session = merged(self.session, message["session"])
            case "conversation.item.create" if "id" in message["item"]:
                self._place(message["item"], message.get("previous_item_id"))
            case "conversation.item.create":
                self._sent.append(message["item"])
            case _:
                pass

    def received(self, event: events.ServerEvent) -> None:
        """Note an event of the server."""
        match event:
            case events.ItemAdded(item={"id": str()} as item, previous_item_id=previous):
                self._sent = [one for one in self._sent if not _is(one, item)]
                self._place(item, previous)
            case events.OutputItemDone(item={"id": str(name)} as item) if name in self._items:
                self._items[name] = item
            case events.ItemDeleted(item_id=name):
                self._items.pop(name, None)
            case events.TranscriptionCompleted(item_id=name, transcript=text) if name in self._items:
                self.heard(name, text)
            case _:
                pass

    def heard(self, item_id: str, text: str) -> None:
        """Replace what an item says: the words of the user, or those of the bot that were heard."""
        if item_id in self._items:
            self._items[item_id] = {**self._items[item_id], "content": [{"type": "", "text": text}]}

    def replay(self) -> Iterator[Message]:
        """Yield the events that bring a new session to where the conversation is. The items keep their ids."""
        yield {"type": "session.update", "session": self.session}
        for item in (*self._items.values(), *self._sent):
            if (told := _told(item)) is not None:
                yield {"type": "conversation.item.create", "item": told}

    def _place(self, item: dict[str, Any], previous: str | None) -> None:
        name = item["id"]
        if name in self._items:
            self._items[name] = item if _text(item) or not _text(self._items[name]) else self._items[name]
            return
        names = list(self._items)
        at = 0 if previous == "root" else names.index(previous) + 1 if previous in self._items else len(names)
        placed = [*self._items.items()]
        self._items = dict([*placed[:at], (name, item), *placed[at:]][-self._most :])


def _is(sent: dict[str, Any], item: dict[str, Any]) -> bool:
    """Return whether the server's item is the one that was sent."""
    keys = ("type", "role", "call_id")
    return all(sent.get(key) == item.get(key) for key in keys) and _text(sent) == _text(item)


def _text(item: dict[str, Any]) -> str:
    parts: list[dict[str, Any]] = item.get("content") or []
    return "".join(part.get("text") or part.get("transcript") or "" for part in parts)


def _told(item: dict[str, Any]) -> dict[str, Any] | None:
    """Return an item as a client may create it; None for a message without words."""
    kept = {key: item[key] for key in ("id", "type") if key in item}
    match item:
        case {"type": "function_call", "name": name, "call_id": call_id, "arguments": arguments}:
            return {**kept, "name": name, "call_id": call_id, "arguments": arguments}
        case {"type": "function_call_output", "call_id": call_id, "output": output}:
            return {**kept, "call_id": call_id, "output": output}
        case {"type": "message", "role": str(role)} if text := _text(item):
            return {**kept, "role": role, "content": [{"type": _TEXT[role], "text": text}]}
        case _:
            return None
