"""The GA form of OpenAI's Realtime API: what one connection wants, checked and understood, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from voicepipe.audio import Formats
from voicepipe.characters import DEFAULT, WritePrompt, system_prompt
from voicepipe.events import (
    AudioReceived,
    ClientMessage,
    Event,
    InputCleared,
    InputCommitted,
    InputRejected,
    ItemCreated,
    ItemDeleted,
    ItemRequested,
    ItemTruncated,
    ReplyCancelled,
    ReplyRequested,
    SettingsChanged,
)
from voicepipe.realtime import ga_client as client
from voicepipe.realtime.dialect import ServerMessage
from voicepipe.realtime.ids import new_id
from voicepipe.realtime.items import Item
from voicepipe.realtime.parse import Rejected, audio_bytes, parse
from voicepipe.realtime.responses import Wishes
from voicepipe.realtime.session_config import SessionConfig, codec_of
from voicepipe.realtime.translator import Translator

__all__ = ["Ga"]

_LEAST_MS = 100
"""What can be committed: less is no speech."""
_BYTES_PER_MS = {"audio/pcm": 48, "audio/pcmu": 8, "audio/pcma": 8}


class Ga:
    """A connection: `decode` what the client wants, `encode` what happens, in the order of the events.

    `formats` follows what the client sets. `name` makes up names of a kind, as `new_id` does; `write` the instructions
    of a client that gives none.
    """

    name = "ga"

    def __init__(
        self,
        formats: Formats,
        *,
        model: str = "",
        name: Callable[[str], str] = new_id,
        write: WritePrompt = system_prompt,
    ) -> None:
        self._formats, self._new_name = formats, name
        self._config = SessionConfig(model or "voicepipe", write(DEFAULT))
        self._translator = Translator(self._config, name)

    def opening(self) -> SettingsChanged:
        """The settings that hold until the client sets others."""
        self._set_formats()
        return self._config.settings(answered=False)

    def encode(self, event: Event) -> list[ServerMessage]:
        """What the client is told of it."""
        told = self._translator.translate(event)
        return [{"type": kind, "event_id": self._new_name("event"), **fields} for kind, fields in told]

    def decode(self, text: str) -> ClientMessage:
        """One text frame of the client. Never raises: what is wrong with it is an `InputRejected` that names it."""
        try:
            return self.understood(parse(text, client.GA_EVENTS))
        except Rejected as rejected:
            return rejected.why

    def understood(self, event: client.GaEvent) -> ClientMessage:
        """What a checked event means at this moment. Raises `Rejected`."""
        try:
            return self._understood(event)
        except _Wrong as wrong:
            raise Rejected(InputRejected(wrong.code, wrong.message, wrong.param, event.event_id)) from None

    def _understood(self, event: client.GaEvent) -> ClientMessage:
        match event:
            case client.BufferAppend():
                return self._append(event)
            case client.SessionUpdate(session=session):
                self._config.update(session.model_dump(exclude_unset=True))
                self._set_formats()
                return self._config.settings(answered=True)
            case client.BufferCommit():
                return self._commit()
            case client.BufferClear():
                return InputCleared()
            case client.ItemCreate():
                return self._create(event)
            case client.ItemRetrieve(item_id=item_id):
                return ItemRequested(self._key(item_id, "retrieve"))
            case client.ItemDelete(item_id=item_id):
                return ItemDeleted(self._key(item_id, "delete"))
            case client.ItemTruncate():
                return self._truncate(event)
            case client.ResponseCreate(response=response):
                return self._request(response or client.ResponsePart())
            case client.ResponseCancel(response_id=response_id):
                return self._cancel(response_id)
            case client.OutputClear():
                what = "Over a WebSocket the client plays the audio: there is no output buffer here to be cleared."
                raise _Wrong("unsupported_event", what, "type")

    # ---- sound ------------------------------------------------------------------------------------------------------

    def _append(self, event: client.BufferAppend) -> AudioReceived:
        data = audio_bytes(event.audio, "audio", event.event_id)
        per_ms = _BYTES_PER_MS.get(self._config.given["format"]["type"])
        length_ms = len(data) / per_ms if per_ms else _LEAST_MS
        self._translator.appended_ms += length_ms
        self._translator.buffered_ms += length_ms
        return AudioReceived(data, event.event_id)

    def _commit(self) -> InputCommitted:
        """Without turns of its own, the user's turn is the detector's, and this ends it."""
        buffered_ms = self._translator.buffered_ms
        if self._config.manual and buffered_ms >= _LEAST_MS:
            return InputCommitted(self._translator.items.key_of(self._new_name("item")))
        if not self._config.manual and self._translator.turn_is_open:
            return InputCommitted()
        what = (
            "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only "
            f"has {buffered_ms if self._config.manual else 0:.2f}ms of audio that is not in an item yet."
        )
        raise _Wrong("input_audio_buffer_commit_empty", what)

    def _set_formats(self) -> None:
        self._formats.given = codec_of(self._config.given["format"])
        self._formats.wanted = codec_of(self._config.wanted["format"])

    # ---- items ------------------------------------------------------------------------------------------------------

    def _create(self, event: client.ItemCreate) -> ItemCreated:
        items, after = self._translator.items, event.previous_item_id
        if not isinstance(event.item, client.MessageItem):
            what = f"Items of type {event.item.type!r} are not understood here, only messages are."
            raise _Wrong("unsupported_item", what, "item.type")
        if after not in (None, "root") and after not in items:
            raise _Wrong("item_not_found", f"There is no item {after!r} to be behind.", "previous_item_id")
        item_id = event.item.id or self._new_name("item")
        if item_id in items:
            raise _Wrong("item_exists", f"There is an item {item_id!r} already.", "item.id")
        item = items.add(Item(item_id, event.item.role, list(_content(event.item)), "completed"), after)
        behind = None if after is None else "" if after == "root" else items.key_of(after)
        return ItemCreated(items.key_of(item_id), item.role, item.text, behind)

    def _truncate(self, event: client.ItemTruncate) -> ItemTruncated:
        key = self._key(event.item_id, "truncate")
        item = self._translator.items[event.item_id]
        if not item.has_sound or event.content_index:
            what = f"Only the sound of the assistant can be truncated; content {event.content_index} of item "
            raise _Wrong("invalid_value", f"{what}{event.item_id!r} is none.", "content_index")
        return ItemTruncated(key, event.audio_end_ms)

    def _key(self, item_id: str, verb: str) -> str:
        if item_id not in self._translator.items:
            what = f"Cannot {verb}: there is no item {item_id[:80]!r}."
            raise _Wrong(f"item_{verb}_invalid_item_id", what, "item_id")
        return self._translator.items.key_of(item_id)

    # ---- responses --------------------------------------------------------------------------------------------------

    def _request(self, part: client.ResponsePart) -> ReplyRequested:
        active, requested = self._translator.response, self._translator.requested
        if active is not None or requested:
            which = f": {active.id}" if active is not None else ""
            what = f"Conversation already has an active response in progress{which}. Wait until it is finished."
            raise _Wrong("conversation_already_has_active_response", what)
        aloud = None if part.output_modalities is None else "audio" in part.output_modalities
        wishes = Wishes(
            self._config.aloud if aloud is None else aloud,
            remembered=part.conversation != "none",
            metadata=part.metadata,
            max_output_tokens=part.max_output_tokens or self._config.written["max_output_tokens"],
            output=self._translator.output(),
        )
        messages = None if part.input is None else tuple(self._input(part))
        key = self._translator.items.key_of(self._new_name("item"))
        requested[key] = wishes
        return ReplyRequested(key, part.instructions, messages, aloud, wishes.remembered)

    def _input(self, part: client.ResponsePart) -> Iterator[tuple[str, str]]:
        for number, item in enumerate(part.input or ()):
            match item:
                case client.MessageItem():
                    said = Item("", item.role, list(_content(item, f"response.input.{number}")))
                case client.ItemReference(id=item_id) if item_id in self._translator.items:
                    said = self._translator.items[item_id]
                case client.ItemReference(id=item_id):
                    what = f"There is no item {item_id[:80]!r}."
                    raise _Wrong("item_not_found", what, f"response.input.{number}.id")
                case _:
                    what = f"Items of type {item.type!r} are not understood here, only messages are."
                    raise _Wrong("unsupported_item", what, f"response.input.{number}.type")
            yield said.role, said.text

    def _cancel(self, response_id: str | None) -> ReplyCancelled:
        active = self._translator.response
        named = response_id is None or (active is not None and active.id == response_id)
        if not named or (active is None and not self._translator.requested):
            raise _Wrong("response_cancel_not_active", "Cancellation failed: no active response found.", "response_id")
        return ReplyCancelled()


class _Wrong(Exception):
    """A request that makes no sense now, in the client's words."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param


_OWN_PARTS = {
    "user": ("input_text", "input_audio"),
    "assistant": ("output_text", "output_audio"),
    "system": ("input_text",),
}
_BETA_PARTS = {"text": "output_text", "audio": "output_audio"}


def _content(item: client.MessageItem, where: str = "item") -> Iterator[dict[str, Any]]:
    """The parts of a message as we keep them: text, or what sound said. Raises `_Wrong`."""
    for number, part in enumerate(item.content):
        kind, param = _BETA_PARTS.get(part.type, part.type), f"{where}.content.{number}"
        if kind not in _OWN_PARTS[item.role]:
            supported = ", ".join(_OWN_PARTS[item.role])
            what = f"A message of the {item.role} cannot hold {part.type!r}. Supported: {supported}."
            raise _Wrong("invalid_value", what, f"{param}.type")
        said = "text" if kind.endswith("text") else "transcript"
        text = part.text if said == "text" else part.transcript
        if text is None and kind == "input_audio":
            what = "Sound in a message needs its transcript; to have it recognised, append it to the input buffer."
            raise _Wrong("unsupported_content", what, f"{param}.transcript")
        yield {"type": kind, said: text or ""}
