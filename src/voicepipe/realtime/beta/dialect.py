"""The beta form of OpenAI's Realtime API: the GA form with older names and a flat session.

Pure functions from message to message; the connection is that of `ga`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter

from voicepipe.events import ClientMessage, Event, SettingsChanged
from voicepipe.realtime.dialect import ItemSpoken, ServerMessage
from voicepipe.realtime.ga import client_events as ga
from voicepipe.realtime.ga.dialect import Ga
from voicepipe.realtime.ga.session_parts import BetaSession, MaxTokens, Modalities, SessionPart
from voicepipe.realtime.parse import ClientEvent, Rejected, parse
from voicepipe.realtime.voice_name import VoiceName

# Each `type` is narrower than that of all events, and frozen:
# pyright: reportIncompatibleVariableOverride=false

__all__ = ["BETA_EVENTS", "Beta", "BetaEvent", "as_beta", "ga_session"]


# ---- from the client ------------------------------------------------------------------------------------------------


class BetaResponse(ga.ResponsePart):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    modalities: Modalities | None = None
    voice: VoiceName | None = None
    output_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None = None
    max_response_output_tokens: MaxTokens | None = None


class BetaResponseCreate(ClientEvent):
    type: Literal["response.create"]
    response: BetaResponse | None = None


class BetaSessionUpdate(ClientEvent):
    type: Literal["session.update"]
    session: BetaSession


class TranscriptionUpdate(ClientEvent):
    type: Literal["transcription_session.update"]
    session: BetaSession


BetaEvent: TypeAlias = (
    BetaSessionUpdate
    | TranscriptionUpdate
    | ga.BufferAppend
    | ga.BufferCommit
    | ga.BufferClear
    | ga.ItemCreate
    | ga.ItemRetrieve
    | ga.ItemDelete
    | ga.ItemTruncate
    | BetaResponseCreate
    | ga.ResponseCancel
    | ga.OutputClear
)

BETA_EVENTS: TypeAdapter[BetaEvent] = TypeAdapter(Annotated[BetaEvent, Field(discriminator="type")])

_FORMATS: dict[str, dict[str, Any]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_FORMAT_NAMES = {audio["type"]: name for name, audio in _FORMATS.items()}

_INPUT = {
    "input_audio_transcription": "transcription",
    "input_audio_noise_reduction": "noise_reduction",
    "turn_detection": "turn_detection",
}
_OUTPUT = {"voice": "voice", "speed": "speed"}


class Beta:
    """A connection of a beta client: `Ga` with other names."""

    name = "beta"

    def __init__(self, connection: Ga) -> None:
        self._ga = connection
        connection.older = True

    def opening(self) -> SettingsChanged:
        return self._ga.opening()

    def encode(self, event: Event) -> list[ServerMessage]:
        return [beta for message in self._ga.encode(event) for beta in self._told(message)]

    def _told(self, message: ServerMessage) -> Iterator[ServerMessage]:
        if (beta := as_beta(message)) is not None:
            yield beta
        if message["type"] == "session.created" and not self._ga.transcribes:
            conversation = {"id": self._ga.conversation_id, "object": "realtime.conversation"}
            yield {"type": "conversation.created", "event_id": self._ga.new_name("event"), "conversation": conversation}

    def decode(self, text: str) -> ClientMessage | ItemSpoken:
        """Decode as `Ga` does; errors name fields as the client has written them."""
        try:
            return self._ga.understood(_as_ga(parse(text, BETA_EVENTS)))
        except Rejected as rejected:
            return rejected.why


def _as_ga(event: BetaEvent) -> ga.GaEvent:
    match event:
        case BetaSessionUpdate():
            session = SessionPart.model_validate(ga_session(_known(event.session)))
            return ga.SessionUpdate(type="session.update", event_id=event.event_id, session=session)
        case TranscriptionUpdate():
            session = SessionPart.model_validate({**ga_session(_known(event.session)), "type": "transcription"})
            return ga.SessionUpdate(type="session.update", event_id=event.event_id, session=session)
        case BetaResponseCreate(response=BetaResponse() as response):
            part = ga.ResponsePart.model_validate(ga_response(response.model_dump(exclude_unset=True)))
            return ga.ResponseCreate(type="response.create", event_id=event.event_id, response=part)
        case BetaResponseCreate():
            return ga.ResponseCreate(type="response.create", event_id=event.event_id)
        case _:
            return event


def _known(session: BetaSession) -> dict[str, Any]:
    """Return what the client has set, without settings that only the GA form has."""
    foreign = SessionPart.model_fields.keys() - BetaSession.model_fields.keys()
    return {key: value for key, value in session.model_dump(exclude_unset=True).items() if key not in foreign}


def ga_session(flat: dict[str, Any]) -> dict[str, Any]:
    """Return a part of a flat session in nested form. A field without another place keeps its name.

    >>> ga_session({"modalities": ["text"], "voice": "v", "turn_detection": None})
    {'output_modalities': ['text'], 'audio': {'input': {'turn_detection': None}, 'output': {'voice': 'v'}}}
    """
    left = dict(flat)
    session: dict[str, Any] = {}
    given = {name: left.pop(key) for key, name in _INPUT.items() if key in left}
    wanted = {name: left.pop(key) for key, name in _OUTPUT.items() if key in left}
    for key, side in (("input_audio_format", given), ("output_audio_format", wanted)):
        if (name := left.pop(key, None)) is not None:
            side["format"] = _FORMATS[name]
    if (modalities := left.pop("modalities", None)) is not None:
        session["output_modalities"] = ["audio"] if "audio" in modalities else ["text"]
    if "max_response_output_tokens" in left:
        session["max_output_tokens"] = left.pop("max_response_output_tokens")
    audio = {side: part for side, part in (("input", given), ("output", wanted)) if part}
    return {**session, **left, **({"audio": audio} if audio else {})}


def ga_response(flat: dict[str, Any]) -> dict[str, Any]:
    """Return the options of one reply in nested form.

    >>> ga_response({"modalities": ["text"], "output_audio_format": "g711_ulaw"})
    {'output_modalities': ['text'], 'audio': {'output': {'format': {'type': 'audio/pcmu'}}}}
    """
    part = dict(flat)
    for name, key in (("modalities", "output_modalities"), ("max_response_output_tokens", "max_output_tokens")):
        if name in part:
            part[key] = part.pop(name)
    output: dict[str, Any] = {key: part.pop(key) for key in ("voice",) if key in part}
    if (name := part.pop("output_audio_format", None)) is not None:
        output["format"] = _FORMATS[name]
    return {**part, "audio": {"output": output}} if output else part


# ---- to the client --------------------------------------------------------------------------------------------------

_RENAMED = {
    "conversation.item.added": "conversation.item.created",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
}
_UNKNOWN = {"conversation.item.done", "input_audio_buffer.timeout_triggered"}
_MODALITIES = {"audio": ["audio", "text"], "text": ["text"]}


def as_beta(message: ServerMessage) -> ServerMessage | None:
    """Return the message in beta's names; None for one that beta does not have."""
    if message["type"] in _UNKNOWN:
        return None
    if message.get("session", {}).get("type") == "transcription":
        kind = f"transcription_{message['type']}"
        return {**message, "type": kind, "session": _transcription(message["session"])}
    told = {**message, "type": _RENAMED.get(message["type"], message["type"])}
    rewritten = {key: rewrite(message[key]) for key, rewrite in _REWRITTEN.items() if key in message}
    return {**told, **rewritten}


def _session(session: dict[str, Any]) -> dict[str, Any]:
    left = dict(session)
    audio, modality = left.pop("audio"), left.pop("output_modalities")
    flat: dict[str, Any] = {key: audio["input"].get(name) for key, name in _INPUT.items()}
    flat |= {key: audio["output"].get(name) for key, name in _OUTPUT.items()}
    flat["input_audio_format"] = _format(audio["input"]["format"])
    flat["output_audio_format"] = _format(audio["output"]["format"])
    flat["max_response_output_tokens"] = left.pop("max_output_tokens")
    flat["modalities"] = _MODALITIES[modality[0]]
    left.pop("type")
    return {**left, "temperature": left.get("temperature", 0.8), **flat}


def _transcription(session: dict[str, Any]) -> dict[str, Any]:
    sound = session["audio"]["input"]
    flat = {key: sound[name] for key, name in _INPUT.items()}
    # A secret is for sessions that are made over HTTP; openai-python's type requires the field.
    kind = {"object": session["object"], "id": session["id"], "client_secret": {"value": "", "expires_at": 0}}
    return {**kind, **flat, "input_audio_format": _format(sound["format"]), "include": session["include"]}


def _response(response: dict[str, Any]) -> dict[str, Any]:
    left = dict(response)
    output, modality = left.pop("audio")["output"], left.pop("output_modalities")
    left["output"] = [_item(item) for item in left["output"]]
    audio = {"voice": output.get("voice"), "output_audio_format": _format(output["format"])}
    return {**left, **audio, "modalities": _MODALITIES[modality[0]]}


def _item(item: dict[str, Any]) -> dict[str, Any]:
    if item["type"] != "message":
        return item
    content = [{**part, "type": part["type"].removeprefix("output_")} for part in item["content"]]
    return {**item, "content": content}


def _format(audio_format: dict[str, Any]) -> str:
    return _FORMAT_NAMES.get(audio_format["type"], "pcm16")


_REWRITTEN: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "session": _session,
    "item": _item,
    "response": _response,
}
