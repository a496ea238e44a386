"""One response, from its creation to its end: the events that tell of it, with all names and indices, in order."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from voicepipe.events import Spoken
from voicepipe.realtime.items import Item

__all__ = ["Message", "Response", "Wishes"]

Message: TypeAlias = tuple[str, dict[str, Any]]
"""An event of the server without its own name: type and fields."""

_INDICES = {"output_index": 0, "content_index": 0}
"""A response has one item, and that has one part: its sound with the transcript, or its text."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the client wants of a response: as in the session, but for what it has asked for."""

    aloud: bool = True
    remembered: bool = True
    metadata: dict[str, Any] | None = None
    max_output_tokens: int | str | None = "inf"
    output: dict[str, Any] = field(default_factory=dict[str, Any])
    """Format and voice."""


class Response:
    """A reply on its way. Its item is opened by the first sound or word, so that an empty reply leaves none."""

    def __init__(self, response_id: str, item: Item, conversation_id: str, wishes: Wishes) -> None:
        self.id, self.item = response_id, item
        self._conversation_id = conversation_id if wishes.remembered else None
        self._wishes = wishes
        self.is_open = False
        self.aloud = wishes.aloud
        """Whether it is spoken: as wished, and then as it is."""
        self._failure: dict[str, Any] | None = None

    @property
    def is_remembered(self) -> bool:
        return self._wishes.remembered

    def created(self) -> Iterator[Message]:
        yield "response.created", {"response": self._written("in_progress")}

    def opened(self, previous_item_id: str | None, *, aloud: bool) -> Iterator[Message]:
        """Before its first content."""
        self.is_open, self.aloud = True, aloud
        yield "response.output_item.added", {**self._of(), "output_index": 0, "item": self.item.written()}
        if self.is_remembered:
            item = self.item.written()
            yield "conversation.item.added", {"previous_item_id": previous_item_id, "item": item}
        kind, said = ("output_audio", "transcript") if aloud else ("output_text", "text")
        self.item.content = [{"type": kind, said: ""}]
        yield "response.content_part.added", {**self._where(), "part": self._part()}

    def sound(self, data: bytes) -> Iterator[Message]:
        yield "response.output_audio.delta", {**self._where(), "delta": base64.b64encode(data).decode()}

    def word(self, spoken: Spoken) -> Iterator[Message]:
        delta = f" {spoken.word}" if self.item.spoken else spoken.word
        self.item.spoken.append(spoken)
        self.item.content[0]["transcript"] += delta
        yield "response.output_audio_transcript.delta", {**self._where(), "delta": delta}

    def text(self, delta: str) -> Iterator[Message]:
        self.item.content[0]["text"] += delta
        yield "response.output_text.delta", {**self._where(), "delta": delta}

    def fail(self, code: str, message: str) -> None:
        """It will end as a failure."""
        self._failure = {"type": "server_error", "code": code, "message": message}

    def completed(self, previous_item_id: str | None) -> Iterator[Message]:
        if self._failure is None:
            yield from self._ended("completed", None, previous_item_id)
        else:
            details = {"type": "failed", "error": self._failure}
            yield from self._ended("failed", details, previous_item_id)

    def cancelled(
        self, reason: Literal["turn_detected", "client_cancelled"], previous_item_id: str | None
    ) -> Iterator[Message]:
        yield from self._ended("cancelled", {"type": "cancelled", "reason": reason}, previous_item_id)

    def _ended(self, status: str, details: dict[str, Any] | None, previous_item_id: str | None) -> Iterator[Message]:
        if self.is_open:
            self.item.status = "completed" if status == "completed" else "incomplete"
            yield from self._closed(previous_item_id)
        yield "response.done", {"response": self._written(status, details)}

    def _closed(self, previous_item_id: str | None) -> Iterator[Message]:
        part, item = self._part(), self.item.written()
        if self.aloud:
            yield "response.output_audio.done", self._where()
            yield "response.output_audio_transcript.done", {**self._where(), "transcript": part["transcript"]}
        else:
            yield "response.output_text.done", {**self._where(), "text": part["text"]}
        yield "response.content_part.done", {**self._where(), "part": part}
        yield "response.output_item.done", {**self._of(), "output_index": 0, "item": item}
        if self.is_remembered:
            yield "conversation.item.done", {"previous_item_id": previous_item_id, "item": item}

    def _of(self) -> dict[str, Any]:
        return {"response_id": self.id}

    def _where(self) -> dict[str, Any]:
        return {"response_id": self.id, "item_id": self.item.id, **_INDICES}

    def _part(self) -> dict[str, Any]:
        """As in its events, where a type is called otherwise than in the item."""
        content = self.item.content[0]
        return {**content, "type": content["type"].removeprefix("output_")}

    def _written(self, status: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
        done = status != "in_progress"
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": [self.item.written()] if done and self.is_open else [],
            "conversation_id": self._conversation_id,
            "output_modalities": ["audio" if self.aloud else "text"],
            "max_output_tokens": self._wishes.max_output_tokens,
            "audio": {"output": self._wishes.output},
            "metadata": self._wishes.metadata,
            "usage": _NO_TOKENS if done else None,
        }


_NO_TOKENS = {"total_tokens": 0, "input_tokens": 0, "output_tokens": 0}
"""Nobody is billed, and nobody counts."""
