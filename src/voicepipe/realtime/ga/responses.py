"""One response from its creation to its end: its server events with all ids and indices, in order."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from voicepipe.conversation import ItemId
from voicepipe.events import (
    FunctionCall,
    FunctionCalled,
    FunctionCallWritten,
    MaxTokensReached,
    ReplyText,
    ReplyTextWritten,
    SpeechEncoded,
    TokensCounted,
    WordSpoken,
)
from voicepipe.realtime.ga.items import CallItem, Item, Items, ServerItem
from voicepipe.realtime.ga.usage import TokenCount

__all__ = ["Content", "Message", "ResponseEncoder", "ResponseOptions"]

Message: TypeAlias = tuple[str, dict[str, Any]]
"""A server event without its id: type and fields."""

Content: TypeAlias = (
    SpeechEncoded
    | WordSpoken
    | ReplyTextWritten
    | ReplyText
    | FunctionCallWritten
    | FunctionCalled
    | MaxTokensReached
    | TokensCounted
)
"""The events of a response."""


_Output: TypeAlias = Item | CallItem | ServerItem


@dataclass(frozen=True, slots=True)
class ResponseOptions:
    """The client's options of a response: the session's, with its own."""

    aloud: bool = True
    remembered: bool = True
    metadata: dict[str, Any] | None = None
    max_output_tokens: int | str | None = "inf"
    output: dict[str, Any] = field(default_factory=dict[str, Any])
    """Format and voice."""


class ResponseEncoder:
    """A reply under way, which the pipeline calls `key`.

    It has one message with one part, its sound with the transcript or its text. The first sound or word opens it, so
    that an empty reply has none. The client's function calls follow.
    """

    def __init__(
        self, response_id: str, key: ItemId, items: Items, conversation_id: str, wishes: ResponseOptions
    ) -> None:
        self.id, self.item = response_id, Item(items.id_of(key), "assistant")
        self._key, self._items, self._wishes = key, items, wishes
        self._conversation_id = conversation_id if wishes.remembered else None
        self._outputs: list[_Output] = []
        # Whether it has ended.
        self.is_over = False
        self._calls: dict[str, CallItem] = {}
        # Whether it is spoken: first as requested, then as it is.
        self.aloud = wishes.aloud
        # Whether later requests come behind it: it has called a function of the client's, or a result has come since.
        self.is_followed = False
        self._has_text = self._limited = False
        self._failure: dict[str, Any] | None = None
        self.tokens = TokenCount()
        self._unspoken: dict[str, Any] | None = None

    def created(self) -> Iterator[Message]:
        yield "response.created", {"response": self._written("in_progress")}

    def content(self, event: Content) -> Iterator[Message]:
        """Return the events of its next piece."""
        match event:
            case ReplyText():
                self._has_text = True  # its sound comes later, and must stand before a call that comes sooner
            case FunctionCallWritten() | FunctionCalled(server_side=False):
                yield from self.before_call()
                yield from self._call(event)
            case FunctionCalled():
                pass  # internal to the pipeline
            case MaxTokensReached():
                self._limited = True
            case TokensCounted():
                self.tokens.counted(event)
            case _:
                yield from self._say(event)

    def before_call(self) -> Iterator[Message]:
        """Return the events that come in front of a call: of the message whose text has come, and no sound."""
        if self._has_text and not self._is_open:
            yield from self._open(self.aloud)

    def fail(self, code: str, message: str) -> None:
        """Note that it ends as a failure."""
        self._failure = {"type": "server_error", "code": code, "message": message}

    def leave_unspoken(self, message: str) -> None:
        """Note that a part of it is shown only."""
        self._unspoken = {"type": "text_not_spoken", "code": "text_not_spoken", "message": message}

    def completed(self) -> Iterator[Message]:
        if self._failure is not None:
            yield from self._ended("failed", {"type": "failed", "error": self._failure})
        elif self._unspoken is not None:
            yield from self._ended("incomplete", {"type": "incomplete", "error": self._unspoken})
        elif self._limited:
            yield from self._ended("incomplete", {"type": "incomplete", "reason": "max_output_tokens"})
        else:
            yield from self._ended("completed", None)

    def cancelled(self, reason: Literal["turn_detected", "client_cancelled"]) -> Iterator[Message]:
        yield from self._ended("cancelled", {"type": "cancelled", "reason": reason})

    # ---- its message ------------------------------------------------------------------------------------------------

    @property
    def _is_open(self) -> bool:
        return self.item in self._outputs

    def _say(self, event: SpeechEncoded | WordSpoken | ReplyTextWritten) -> Iterator[Message]:
        aloud = not isinstance(event, ReplyTextWritten)
        if not self._is_open:
            yield from self._open(aloud)
        if self.aloud is not aloud:
            return  # a message has one part, sound or text
        match event:
            case SpeechEncoded(data=data, duration_ms=duration_ms):
                self.tokens.spoke(duration_ms)
                yield "response.output_audio.delta", {**self._where(), "delta": base64.b64encode(data).decode()}
            case WordSpoken():
                yield from self._word(event)
            case ReplyTextWritten(delta=delta):
                self.item.content[0]["text"] += delta
                self.tokens.wrote(delta)
                yield "response.output_text.delta", {**self._where(), "delta": delta}

    def _word(self, spoken: WordSpoken) -> Iterator[Message]:
        delta = spoken.word if spoken.glued or not self.item.spoken else f" {spoken.word}"
        self.item.spoken.append(spoken)
        self.item.content[0]["transcript"] += delta
        self.tokens.wrote(delta)
        yield "response.output_audio_transcript.delta", {**self._where(), "delta": delta}

    def _open(self, aloud: bool) -> Iterator[Message]:
        self.aloud = aloud
        yield from self.item_added(self.item)
        kind, said = ("output_audio", "transcript") if aloud else ("output_text", "text")
        self.item.content = [{"type": kind, said: ""}]
        yield "response.content_part.added", {**self._where(), "part": self._part()}

    def _closed(self) -> Iterator[Message]:
        part = self._part()
        if self.aloud:
            yield "response.output_audio.done", self._where()
            yield "response.output_audio_transcript.done", {**self._where(), "transcript": part["transcript"]}
        else:
            yield "response.output_text.done", {**self._where(), "text": part["text"]}
        yield "response.content_part.done", {**self._where(), "part": part}

    def _part(self) -> dict[str, Any]:
        """Return the part as in its events, where a type may have another name than in the item."""
        content = self.item.content[0]
        return {**content, "type": content["type"].removeprefix("output_")}

    # ---- its function calls -----------------------------------------------------------------------------------------

    def _call(self, event: FunctionCallWritten | FunctionCalled) -> Iterator[Message]:
        call_id, name = (
            (event.id, event.name) if isinstance(event, FunctionCallWritten) else (event.call.id, event.call.name)
        )
        if call_id not in self._calls:
            key = ItemId(f"{self._key}.{call_id}")
            self._calls[call_id] = CallItem(self._items.id_of(key), FunctionCall(call_id, name, ""))
            yield from self.item_added(self._calls[call_id])
        item = self._calls[call_id]
        kind, where = "response.function_call_arguments", {**self._of(item), "item_id": item.id, "call_id": call_id}
        match event:
            case FunctionCallWritten(delta=delta):
                item.call = FunctionCall(call_id, name, item.call.arguments + delta)
                if delta:
                    yield f"{kind}.delta", {**where, "delta": delta}
            case FunctionCalled(call=call):
                item.call, item.status, self.is_followed = call, "completed", True
                self.tokens.wrote(call.name + call.arguments)
                yield f"{kind}.done", {**where, "name": name, "arguments": call.arguments}
                yield from self.item_done(item)

    # ---- its items --------------------------------------------------------------------------------------------------

    def index_of(self, item: _Output) -> int | None:
        """Return the place of an item among its outputs; None if it is not one of them."""
        return self._outputs.index(item) if item in self._outputs else None

    def item_added(self, item: _Output) -> Iterator[Message]:
        """Return the events of another output."""
        previous = self._items.last
        self._outputs.append(item)
        yield "response.output_item.added", {**self._of(item), "item": item.written()}
        if self._wishes.remembered:
            self._items.add(item)
            yield "conversation.item.added", {"previous_item_id": previous, "item": item.written()}

    def item_done(self, item: _Output) -> Iterator[Message]:
        """Return the events of an output that is complete."""
        yield "response.output_item.done", {**self._of(item), "item": item.written()}
        if self._wishes.remembered and self._items.get(item.id) is item:  # which the client may have deleted
            place = {"previous_item_id": self._items.before(item.id)}
            yield "conversation.item.done", {**place, "item": item.written()}

    def _ended(self, status: str, details: dict[str, Any] | None) -> Iterator[Message]:
        self.is_over = True
        for item in self._outputs:
            if item.status == "in_progress":
                item.status = "completed" if status == "completed" else "incomplete"
                if isinstance(item, Item):
                    yield from self._closed()
                yield from self.item_done(item)
        yield "response.done", {"response": self._written(status, details)}
        yield "rate_limits.updated", {"rate_limits": []}  # there are none on tokens or responses

    def _of(self, item: _Output) -> dict[str, Any]:
        return {"response_id": self.id, "output_index": self._outputs.index(item)}

    def _where(self) -> dict[str, Any]:
        return {**self._of(self.item), "item_id": self.item.id, "content_index": 0}

    def _written(self, status: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
        done = status != "in_progress"
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": [item.written() for item in self._outputs] if done else [],
            "conversation_id": self._conversation_id,
            "output_modalities": ["audio" if self.aloud else "text"],
            "max_output_tokens": self._wishes.max_output_tokens,
            "audio": {"output": self._wishes.output},
            "metadata": self._wishes.metadata,
            "usage": self.tokens.written() if done else None,
        }
