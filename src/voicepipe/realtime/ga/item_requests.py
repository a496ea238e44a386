"""Items that a client creates, deletes and truncates: checked against the present items."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from voicepipe.conversation import NO_ITEM, ItemId
from voicepipe.events import AudioReceived, FunctionCall, InputCommitted, ItemCreated, ToolApprovalGiven
from voicepipe.realtime.dialect import ItemSpoken
from voicepipe.realtime.ga import client_events as client
from voicepipe.realtime.ga.items import CallItem, Item, ResultItem, SaidItem, ServerItem
from voicepipe.realtime.ga.server_encoder import ServerEventEncoder
from voicepipe.realtime.ga.session_config import SessionConfig
from voicepipe.realtime.ids import WireItemId
from voicepipe.realtime.limits import RequestLimits
from voicepipe.realtime.parse import audio_bytes

__all__ = ["InvalidRequest", "ItemRequests"]


# What one conversation may hold: three hours of talk. An item in front of 2,000 others takes 0.3 ms.
_MOST_ITEMS, _MOST_CHARS = 2_000, 1_000_000


class InvalidRequest(Exception):
    """A request that is invalid now, in the client's terms."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param


class ItemRequests:
    """One client's requests for items. Raises `InvalidRequest` for an invalid one."""

    def __init__(
        self, config: SessionConfig, translator: ServerEventEncoder, name: Callable[[str], str], limits: RequestLimits
    ) -> None:
        self._config, self._server_encoder, self._name, self._limits = config, translator, name, limits

    def create(self, event: client.ItemCreate) -> ItemCreated | ItemSpoken | ToolApprovalGiven:
        """Add a new item; the client is informed when the pipeline has processed it."""
        items, after = self._server_encoder.items, event.previous_item_id
        if after not in (None, "root") and after not in items:
            raise InvalidRequest("item_not_found", f"There is no item {after!r} to be behind.", "previous_item_id")
        item_id = event.item.id or WireItemId(self._name("item"))
        if items.is_taken(item_id):
            raise InvalidRequest("item_exists", f"There is an item {item_id!r} already.", "item.id")
        if isinstance(event.item, client.MessageItem) and event.item.sound is not None:
            return self._speak(event, items.key_of(item_id), event.item.sound)
        if isinstance(event.item, client.ApprovalItem):
            return self._decide(event.item, item_id, after)
        made = self._item(event.item, item_id, "item")
        self.check_room("item", made.chars)
        self._check_tokens(made)
        items.add(made, after)
        if isinstance(made, ResultItem) and self._server_encoder.response is not None:
            self._server_encoder.response.is_followed = True
        behind = None if after is None else NO_ITEM if after == "root" else items.key_of(after)
        return _as_created(made, items.key_of(item_id), behind)

    def _decide(
        self, decision: client.ApprovalItem, item_id: WireItemId, after: WireItemId | None
    ) -> ToolApprovalGiven:
        """Add the client's decision on a tool's call. Raises `InvalidRequest` where none waits for it."""
        request, reason = decision.approval_request_id, decision.reason or ""
        call_id = self._server_encoder.tools.awaiting(request)
        if call_id is None:
            what = f"No call waits for a decision on {request[:80]!r}."
            raise InvalidRequest("invalid_approval_request_id", what, "item.approval_request_id")
        self.check_room("item", len(reason))
        fields = {"approval_request_id": request, "approve": decision.approve, "reason": decision.reason}
        items = self._server_encoder.items
        items.add(ServerItem(item_id, "mcp_approval_response", fields), after)
        return ToolApprovalGiven(call_id, decision.approve, reason, items.key_of(item_id))

    def check_room(self, param: str, chars: int = 0) -> None:
        """Check that there is room for another item, of so many characters. Raises `InvalidRequest`."""
        items = self._server_encoder.items
        if len(items) >= _MOST_ITEMS or items.chars + chars > _MOST_CHARS:
            what = f"The conversation has {len(items)} items with {items.chars} characters; {_MOST_ITEMS} items and "
            raise InvalidRequest("too_many_items", f"{what}{_MOST_CHARS} characters are the limit: delete some.", param)

    def _check_tokens(self, item: SaidItem) -> None:
        """Check what the item adds to prompts. Raises LimitExceeded."""
        is_note = isinstance(item, Item) and item.role == "system"
        beside = self._config.prompt_tokens + self._server_encoder.items.note_tokens if is_note else 0
        self._limits.check_message(_said(item), beside, f"item.{_FIELDS[type(item)]}")

    def _speak(self, event: client.ItemCreate, key: ItemId, sound: str) -> ItemSpoken:
        """Add a message of sound, which will be recognised. Raises `InvalidRequest`, and `Rejected`."""
        if not self._config.manual or event.previous_item_id not in (None, self._server_encoder.items.last):
            what = "Sound in a message is recognised where you end the turns (turn_detection null), as the last item. "
            raise InvalidRequest(
                "unsupported_content", what + "Give it a transcript, or append it.", "item.content.0.transcript"
            )
        if self._server_encoder.buffered_ms:
            raise InvalidRequest(
                "input_audio_buffer_not_empty", "First commit, or clear, what is in the input audio buffer."
            )
        data = audio_bytes(sound, "item.content.0.audio", event.event_id)
        self._server_encoder.items.add(
            Item(self._server_encoder.items.id_of(key), "user", [dict(_UNHEARD)], "completed")
        )
        return ItemSpoken(AudioReceived(data, event.event_id, self._config.input_format), InputCommitted(key))

    def _item(self, written: client.Item, item_id: WireItemId, where: str) -> SaidItem:
        """Return the item that the client has written. Raises `InvalidRequest`."""
        match written:
            case client.MessageItem(role=role):
                return Item(item_id, role, list(_content(written, where)), "completed")
            case client.CallItem(call_id=call_id, name=name, arguments=arguments):
                return CallItem(item_id, FunctionCall(call_id or self._name("call"), name, arguments), "completed")
            case client.ResultItem(call_id=call_id, output=output):
                if not self._server_encoder.items.has_call(call_id):
                    what = f"There is no function call {call_id[:80]!r} in the conversation."
                    raise InvalidRequest("invalid_tool_call_id", what, f"{where}.call_id")
                return ResultItem(item_id, call_id, output)

    def _said(self, item_id: WireItemId) -> SaidItem | None:
        """Return the item, if it exists and the model can read it by itself: not one of a tool server's."""
        item = self._server_encoder.items.get(item_id)
        return None if isinstance(item, ServerItem) else item

    def input(self, written: list[client.Input]) -> Iterator[ItemCreated]:
        """Return the messages that one response answers: written for it, or references. Raises `InvalidRequest`."""
        tokens = 0
        for number, item in enumerate(written):
            match item:
                case client.ItemReference(id=item_id) if (said := self._said(item_id)) is not None:
                    pass
                case client.ItemReference(id=item_id):
                    what = f"There is no item {item_id[:80]!r}."
                    raise InvalidRequest("item_not_found", what, f"response.input.{number}.id")
                case _:
                    said = self._item(item, WireItemId(""), f"response.input.{number}")
            tokens += self._limits.check_message(_said(said), tokens, f"response.input.{number}")
            yield _as_created(said, NO_ITEM, None)


# The field that holds what an item says.
_FIELDS: dict[type[SaidItem], str] = {Item: "content", CallItem: "arguments", ResultItem: "output"}


def _said(item: SaidItem) -> str:
    match item:
        case Item(text=text):
            return text
        case CallItem(call=call):
            return call.name + call.arguments
        case ResultItem(output=output):
            return output


def _as_created(item: SaidItem, key: ItemId, after: ItemId | None) -> ItemCreated:
    match item:
        case Item():
            return ItemCreated(key, item.role, item.text, after)
        case CallItem(call=call):
            return ItemCreated(key, "assistant", "", after, call)
        case ResultItem(call_id=call_id, output=output):
            return ItemCreated(key, "tool", output, after, FunctionCall(call_id, ""))


_OWN_PARTS = {
    "user": ("input_text", "input_audio"),
    "assistant": ("output_text", "output_audio"),
    "system": ("input_text",),
}
# Sound without a transcript yet.
_UNHEARD = {"type": "input_audio", "transcript": None}
_BETA_PARTS = {"text": "output_text", "audio": "output_audio"}


def _content(item: client.MessageItem, where: str = "item") -> Iterator[dict[str, Any]]:
    """Return the parts of a message as text or transcript. Raises `InvalidRequest`."""
    for number, part in enumerate(item.content):
        kind, param = _BETA_PARTS.get(part.type, part.type), f"{where}.content.{number}"
        if kind not in _OWN_PARTS[item.role]:
            supported = ", ".join(_OWN_PARTS[item.role])
            what = f"A message of the {item.role} cannot hold {part.type!r}. Supported: {supported}."
            raise InvalidRequest("invalid_value", what, f"{param}.type")
        said = "text" if kind.endswith("text") else "transcript"
        text = part.text if said == "text" else part.transcript
        if text is None and kind == "input_audio":
            what = "Sound needs its transcript here; it is recognised where it is appended, or is a message of its own."
            raise InvalidRequest("unsupported_content", what, f"{param}.transcript")
        yield {"type": kind, said: text or ""}
