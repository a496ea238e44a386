"""A client's side of the GA wire: client events as messages, and server events as events of a transcript."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from voicepipe.conversation import Conversation, Message
from voicepipe.events import (
    Event,
    FunctionCall,
    FunctionCalled,
    InputCleared,
    InputCommitted,
    InputRejected,
    ItemCreated,
    ItemDeleted,
    ItemRequested,
    ItemTruncated,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyTextWritten,
    SettingsChanged,
    SpeechEncoded,
    SpeechStarted,
    StageFailed,
    TurnEnded,
    WordSpoken,
)
from voicepipe.events.application import app_event_named, app_event_type

__all__ = ["BYTES_PER_S", "NotOnTheWire", "ServerFailed", "WireReader", "to_wire"]

BYTES_PER_S = 48_000
"""Of PCM16 at 24 kHz, in which both sides speak."""


class NotOnTheWire(ValueError):
    """An event has no message of the GA form."""


class ServerFailed(Exception):
    """The server says that a reply has failed."""


# ---- to the server ---------------------------------------------------------------------------------------------------


def to_wire(event: Event) -> dict[str, Any]:
    """Return a client event as a message.

    Raises:
        NotOnTheWire: It is no client event, or one that the wire does not have.
    """
    match event:
        case SettingsChanged():
            return {"type": "session.update", "session": _session(event)}
        case InputCommitted():
            return {"type": "input_audio_buffer.commit"}
        case InputCleared():
            return {"type": "input_audio_buffer.clear"}
        case ReplyRequested():
            return {"type": "response.create", "response": _response(event)}
        case ReplyCancelled():
            return {"type": "output_audio_buffer.clear" if event.clears else "response.cancel"}
        case ItemCreated(after=after):
            previous = {} if after is None else {"previous_item_id": after or "root"}
            return {"type": "conversation.item.create", **previous, "item": _item(event)}
        case ItemDeleted(item=item):
            return {"type": "conversation.item.delete", "item_id": item}
        case ItemRequested(item=item):
            return {"type": "conversation.item.retrieve", "item_id": item}
        case ItemTruncated(item=item, audio_end_ms=end_ms):
            return {
                "type": "conversation.item.truncate",
                "item_id": item,
                "content_index": 0,
                "audio_end_ms": round(end_ms),
            }
        case _:
            return _of_application(event)


def _of_application(event: Event) -> dict[str, Any]:
    if (registered := app_event_type(event)) is None:
        raise NotOnTheWire(f"{type(event).__name__} has no message in OpenAI's GA form")
    return {"type": f"app.{registered.name}", **registered.adapter.dump_python(event, mode="json")}


def _session(settings: SettingsChanged) -> dict[str, Any]:
    audio: dict[str, Any] = {"output": {"voice": settings.voice}} if settings.voice else {}
    if (turns := settings.turns) is not None:
        idle = {} if turns.idle_s is None else {"idle_timeout_ms": round(turns.idle_s * 1000)}
        options = {"create_response": turns.answers, "interrupt_response": turns.interrupts, **idle}
        detection = {"type": "server_vad", **options} if turns.by != "client" else None
        audio["input"] = {"turn_detection": detection}
    session: dict[str, Any] = {"type": "realtime"}
    if settings.system_prompt is not None:
        session["instructions"] = settings.system_prompt
    if settings.aloud is not None:
        session["output_modalities"] = ["audio" if settings.aloud else "text"]
    if settings.generation is not None:
        session["tools"] = [
            {"type": "function", "name": one.name, "description": one.description, "parameters": dict(one.parameters)}
            for one in settings.generation.functions
        ]
    return {**session, "audio": audio} if audio else session


def _response(wanted: ReplyRequested) -> dict[str, Any]:
    response: dict[str, Any] = {} if wanted.remembered else {"conversation": "none"}
    if wanted.system_prompt is not None:
        response["instructions"] = wanted.system_prompt
    if wanted.aloud is not None:
        response["output_modalities"] = ["audio" if wanted.aloud else "text"]
    if wanted.messages is not None:
        response["input"] = [_item(one) for one in wanted.messages]
    return response


def _item(created: ItemCreated) -> dict[str, Any]:
    named = {"id": created.item} if created.item else {}
    if created.role == "tool" and created.call is not None:
        return {"type": "function_call_output", "call_id": created.call.id, "output": created.text, **named}
    kind = "output_text" if created.role == "assistant" else "input_text"
    return {"type": "message", "role": created.role, "content": [{"type": kind, "text": created.text}], **named}


# ---- from the server -------------------------------------------------------------------------------------------------


class WireReader:
    """Reads one connection's server events. `reply_item` is the item of the last reply, `replying` whether one runs."""

    def __init__(self) -> None:
        self.reply_item, self.replying = "", False
        self._text = ""
        self._conversation = Conversation()
        self._audio_s = 0.0

    def read(self, message: dict[str, Any]) -> Iterator[Event]:
        """Yield the events that a message means for a transcript; most messages mean none."""
        match message.get("type"):
            case "input_audio_buffer.speech_started":
                at_s = message.get("audio_start_ms", 0) / 1000
                yield SpeechStarted(at_s, at_s)
            case "conversation.item.input_audio_transcription.completed":
                yield from self._heard(str(message["transcript"]).strip())
            case "error":
                error = message["error"]
                yield InputRejected(str(error.get("code")), str(error.get("message")), error.get("param"))
            case str(kind) if kind.startswith("app."):
                if (registered := app_event_named(kind.removeprefix("app."))) is not None:
                    yield registered.adapter.validate_python(message)
            case str(kind) if kind.startswith("response."):
                yield from self._of_reply(kind, message)
            case _:
                pass

    def _heard(self, text: str) -> Iterator[Event]:
        self._conversation = self._conversation.user_said(text) if text else self._conversation
        yield TurnEnded(text, 0.0)

    def wrote(self, created: ItemCreated) -> None:
        """Note a message that the client has added."""
        if created.role != "tool":
            said = (*self._conversation.messages, Message(created.role, created.text))
            self._conversation = Conversation(messages=said)

    def _of_reply(self, kind: str, message: dict[str, Any]) -> Iterator[Event]:
        match kind:
            case "response.created":
                self._text, self._audio_s, self.replying = "", 0.0, True
                yield ReplyStarted(self._conversation)
            case "response.output_item.added" if message["item"].get("type") == "message":
                self.reply_item = str(message["item"]["id"])
            case "response.output_audio.delta":
                data = base64.b64decode(message["delta"])
                self._audio_s += len(data) / BYTES_PER_S
                yield SpeechEncoded(data, len(data) / BYTES_PER_S * 1000)
            case "response.output_audio_transcript.delta":
                delta, begins = str(message["delta"]), not self._text
                self._text += delta
                glued = not begins and not delta.startswith(" ")
                yield WordSpoken(delta.strip(), self._audio_s, self._audio_s, glued)
            case "response.output_text.delta":
                self._text += message["delta"]
                yield ReplyTextWritten(message["delta"])
            case "response.function_call_arguments.done":
                call = FunctionCall(str(message["call_id"]), str(message.get("name", "")), str(message["arguments"]))
                yield FunctionCalled(call)
            case "response.done":
                yield from self._ended(message["response"])
            case _:
                pass

    def _ended(self, response: dict[str, Any]) -> Iterator[Event]:
        self.replying, text = False, self._text.strip()
        if text:
            self._conversation = Conversation(messages=(*self._conversation.messages, Message("assistant", text)))
        match response.get("status"):
            case "cancelled":
                yield ReplyInterrupted(text, self._conversation.cut())
            case "failed":
                details: dict[str, Any] = response.get("status_details") or {}
                error: dict[str, Any] = details.get("error") or {}
                yield StageFailed("the server", ServerFailed(error.get("message") or "it did not say why"))
                yield ReplyEnded(text, self._conversation)
            case _:
                yield ReplyEnded(text, self._conversation)
