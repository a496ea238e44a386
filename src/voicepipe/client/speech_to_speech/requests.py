"""The events of a pipeline's client as requests to another server of conversations. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from voicepipe.client.socket import Message
from voicepipe.conversation import Function, ItemId
from voicepipe.events import ItemCreated, ReplyRequested, SettingsChanged, TurnTaking
from voicepipe.realtime.ga.session_config import merged

__all__ = ["SERVICE", "first_settings", "item_request", "response_request", "settings_request", "tools"]

SERVICE: Final = "realtime server"
"""The name of the server in messages for people."""

_PCM = {"type": "audio/pcm", "rate": 24_000}
# The longest id of an item that OpenAI takes.
_LONGEST_ID = 32


def first_settings(session: dict[str, Any], functions: tuple[Function, ...], transcription: str) -> dict[str, Any]:
    """Return the settings that a relayed conversation begins with.

    Args:
        session: The pipeline's own, which win.
        functions: The pipeline's own functions.
        transcription: The model that transcribes the user; "": none.
    """
    heard: dict[str, Any] = {"format": _PCM, **({"transcription": {"model": transcription}} if transcription else {})}
    base: dict[str, Any] = {"audio": {"input": heard, "output": {"format": _PCM}}}
    return merged({**base, **({"tools": tools(functions)} if functions else {})}, session)


def settings_request(
    event: SettingsChanged, session: dict[str, Any], functions: tuple[Function, ...]
) -> Message | None:
    """Return the `session.update` for new settings of the client; None if nothing of them concerns the server.

    The voice is not among them: the client names those of this server.

    Args:
        event: The client's settings.
        session: The pipeline's own, which win.
        functions: The pipeline's own functions, which stay.
    """
    wanted: dict[str, Any] = {}
    if event.system_prompt is not None:
        wanted["instructions"] = event.system_prompt
    if event.aloud is not None:
        wanted["output_modalities"] = ["audio" if event.aloud else "text"]
    if event.turns is not None:
        wanted["audio"] = {"input": {"turn_detection": _turn_detection(event.turns)}}
    if event.generation is not None:
        theirs = (one for one in event.generation.functions if one.name not in {own.name for own in functions})
        wanted["tools"] = tools((*functions, *theirs))
    if not wanted:
        return None
    return {"type": "session.update", "session": {"type": "realtime", **merged(wanted, _within(session, wanted))}}


def _within(session: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Return those of the pipeline's settings that stand against the client's; tools are joined."""
    return {key: value for key, value in session.items() if key in wanted and key != "tools"}


def _turn_detection(turns: TurnTaking) -> dict[str, Any] | None:
    if turns.by == "client":
        return None
    acts: dict[str, Any] = {"create_response": turns.answers, "interrupt_response": turns.interrupts}
    if turns.by == "meaning":
        return {"type": "semantic_vad", "eagerness": _eagerness(turns.patience), **acts}
    numbers = {
        "threshold": turns.speech_above,
        "silence_duration_ms": turns.silence_ms,
        "prefix_padding_ms": turns.prefix_ms,
        "idle_timeout_ms": None if turns.idle_s is None else round(turns.idle_s * 1000),
    }
    return {"type": "server_vad", **acts, **{key: value for key, value in numbers.items() if value is not None}}


def _eagerness(patience: float) -> Literal["low", "auto", "high"]:
    return "low" if patience > 1 else "high" if patience < 1 else "auto"


def tools(functions: tuple[Function, ...]) -> list[dict[str, Any]]:
    """Return functions in the form of a session's `tools`."""
    return [
        {"type": "function", "name": one.name, "description": one.description, "parameters": dict(one.parameters)}
        for one in functions
    ]


def item_request(event: ItemCreated, previous: str | None) -> Message:
    """Return the request to create an item.

    Args:
        event: What the client has created.
        previous: The server's id of the item before it; None: it is the last one.
    """
    place = {} if previous is None else {"previous_item_id": previous}
    return {"type": "conversation.item.create", **place, "item": {**_named(event.item), **_item(event)}}


def _named(item: ItemId) -> dict[str, str]:
    return {"id": item} if 0 < len(item) <= _LONGEST_ID else {}


def _item(event: ItemCreated) -> dict[str, Any]:
    call = event.call
    if call is not None and event.role == "tool":
        return {"type": "function_call_output", "call_id": call.id, "output": event.text}
    if call is not None:
        return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
    kind = "output_text" if event.role == "assistant" else "input_text"
    return {"type": "message", "role": event.role, "content": [{"type": kind, "text": event.text}]}


def response_request(event: ReplyRequested) -> Message:
    """Return the request for a response, with what differs from the session."""
    options = dict(_options(event))
    return {"type": "response.create", **({"response": options} if options else {})}


def _options(event: ReplyRequested) -> Iterator[tuple[str, Any]]:
    if event.system_prompt is not None:
        yield "instructions", event.system_prompt
    if event.aloud is not None:
        yield "output_modalities", ["audio" if event.aloud else "text"]
    if event.messages is not None:
        yield "input", [_item(one) for one in event.messages]
    if event.generation is not None and event.generation.max_tokens is not None:
        yield "max_output_tokens", event.generation.max_tokens
