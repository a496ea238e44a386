"""The GA form of OpenAI's Realtime API: one connection's requests, checked, and its server events."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from voicepipe.boundary.bucket import Bucket
from voicepipe.characters.prompts import DEFAULT, WritePrompt, system_prompt
from voicepipe.conversation import AudioFormat, ItemId
from voicepipe.events import (
    AudioReceived,
    ClientMessage,
    Event,
    Generation,
    InputCleared,
    InputCommitted,
    InputRejected,
    ItemDeleted,
    ItemRequested,
    ItemTruncated,
    ReplyCancelled,
    ReplyRequested,
    SettingsChanged,
)
from voicepipe.realtime.dialect import ItemSpoken, ServerMessage
from voicepipe.realtime.ga import client_events as client
from voicepipe.realtime.ga.item_requests import InvalidRequest, ItemRequests
from voicepipe.realtime.ga.mcp_tools import MOST_SERVERS, ToolRefused, server_of
from voicepipe.realtime.ga.output_audio import OutputAudioBuffer
from voicepipe.realtime.ga.responses import ResponseOptions
from voicepipe.realtime.ga.server_encoder import ServerEventEncoder
from voicepipe.realtime.ga.session_config import DEFAULT_VOICE, SessionConfig, SettingsTooLong, voice_name
from voicepipe.realtime.ids import WireItemId, new_id
from voicepipe.realtime.limits import LimitExceeded, RequestLimits
from voicepipe.realtime.parse import Rejected, audio_bytes, parse

__all__ = ["MODEL", "Ga", "session_part"]

MODEL = "voicepipe"
"""The model of a client that names none."""

Clock: TypeAlias = Callable[[], float]

# The least sound of a commit: less is no speech.
_LEAST_MS = 100
# The most out-of-band responses of one client at a time: each is a request to the language model.
_MOST_OUT_OF_BAND = 8
# The most responses without a pause: one takes some 10 ms of the event loop, beside the work that its messages make.
_RESPONSES_AT_ONCE = 20
_BYTES_PER_MS = {"audio/pcm": 48, "audio/pcmu": 8, "audio/pcma": 8}


def session_part(session: dict[str, Any]) -> dict[str, Any]:
    """Return a client's part of a session's settings, checked. Raises `Rejected`."""
    text = json.dumps({"type": "session.update", "session": session})
    event = parse(text, client.GA_EVENTS)
    assert isinstance(event, client.SessionUpdate)
    return event.session.model_dump(exclude_unset=True)


class Ga:
    """A connection: `decode` the client's messages, `encode` events, in the order of the events.

    `name` makes ids of a kind, as `new_id` does; `write` makes the instructions of a client that gives none. Where the
    model cannot call `functions`, `session.updated` lists no tools; where the recogniser gives no `logprobs`, it
    includes none.
    `limits` bound what its requests cost; `clock` gives seconds. `transcribes`: the client has asked for a
    transcription session in its handshake. `session`: settings that the session begins with, a `session_part`; raises
    `Rejected` where they would cost too much. `rtp`: sound travels as RTP, beside the messages and in its own format.
    `mcp_urls`: the addresses of MCP servers that it may name as tools. `older`: it is of the beta form, which has none.
    """

    name = "ga"

    def __init__(
        self,
        *,
        model: str = "",
        name: Callable[[str], str] = new_id,
        write: WritePrompt = system_prompt,
        functions: bool = True,
        logprobs: bool = False,
        limits: RequestLimits | None = None,
        clock: Clock = time.monotonic,
        transcribes: bool = False,
        session: Mapping[str, Any] = MappingProxyType({}),
        rtp: bool = False,
        mcp_urls: Sequence[str] = (),
    ) -> None:
        self._mcp_urls, self.older = mcp_urls, False
        self._output_audio = OutputAudioBuffer() if rtp else None
        self.new_name, self._limits = name, limits or RequestLimits()
        most = self._limits.responses_per_minute
        self._rate = Bucket(clock, per_s=most / 60, burst=min(most, _RESPONSES_AT_ONCE))
        self._config = SessionConfig(
            model or MODEL,
            write(DEFAULT),
            functions=functions,
            logprobs=logprobs,
            limits=self._limits,
            transcribes=transcribes,
            rtp=rtp,
        )
        self._server_encoder = ServerEventEncoder(self._config, name)
        self._writing = ItemRequests(self._config, self._server_encoder, name, self._limits)
        if session:
            self._begin_with(session)

    def _begin_with(self, session: Mapping[str, Any]) -> None:
        try:
            self._update(dict(session))
        except InvalidRequest as wrong:
            raise Rejected(InputRejected(wrong.code, wrong.message, wrong.param)) from None
        except LimitExceeded as wrong:
            raise Rejected(InputRejected("invalid_value", wrong.message, wrong.field)) from None

    def opening(self) -> SettingsChanged:
        """The settings until the client changes them."""
        return self._config.settings(answered=False)

    def encode(self, event: Event) -> list[ServerMessage]:
        """Return the messages to the client for an event."""
        told = self._server_encoder.translate(event)
        if self._output_audio is not None:
            told, response = list(told), self._server_encoder.response
            told = self._output_audio.told(event, told, response and response.id)
        return [{"type": kind, "event_id": self.new_name("event"), **fields} for kind, fields in told]

    def decode(self, text: str) -> ClientMessage | ItemSpoken:
        """Decode one text frame of the client. Never raises: an invalid one becomes an `InputRejected`."""
        try:
            return self.understood(parse(text, client.GA_EVENTS))
        except Rejected as rejected:
            return rejected.why

    def understood(self, event: client.GaEvent) -> ClientMessage | ItemSpoken:
        """Return the meaning of a checked event at this moment. Raises `Rejected`."""
        try:
            return self._understood(event)
        except InvalidRequest as wrong:
            raise Rejected(InputRejected(wrong.code, wrong.message, wrong.param, event.event_id)) from None
        except LimitExceeded as wrong:
            raise Rejected(InputRejected("invalid_value", wrong.message, wrong.field, event.event_id)) from None

    def _understood(self, event: client.GaEvent) -> ClientMessage | ItemSpoken:
        match event:
            case client.BufferAppend():
                return self._append(event)
            case client.SessionUpdate(session=session):
                return self._update(session.model_dump(exclude_unset=True))
            case client.BufferCommit():
                return self._commit()
            case client.BufferClear():
                return InputCleared()
            case client.ItemCreate():
                return self._writing.create(event)
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
                return ReplyCancelled(clears=True)

    @property
    def session(self) -> dict[str, Any]:
        """The session's settings, as the client reads them."""
        return self._config.written()

    @property
    def transcribes(self) -> bool:
        """Return whether this is a transcription session."""
        return self._config.transcribes

    @property
    def conversation_id(self) -> str:
        """The id of the session's conversation."""
        return self._server_encoder.conversation_id

    def _update(self, part: dict[str, Any]) -> SettingsChanged:
        refused = self._refuse(part)
        self._check_choice(part, "session")
        try:
            self._config.update(part, self._server_encoder.items.note_tokens)
        except SettingsTooLong as error:
            raise InvalidRequest("invalid_value", str(error), "session") from None
        except LimitExceeded as error:
            raise LimitExceeded(error.message, f"session.{error.field}") from None
        self._server_encoder.refused_tools += refused
        return self._config.settings(answered=True)

    def _refuse(self, part: dict[str, Any]) -> tuple[str, ...]:
        """Leave the tools out that are not served. Return them, each with the reason."""
        refused: list[str] = []
        served: list[dict[str, Any]] = []
        labels: set[str] = set()
        for tool in part.get("tools") or ():
            try:
                self._check_tool(tool, labels)
                served.append(tool)
            except ToolRefused as error:
                refused.append(f"{_labelled(tool)}: {error}")
        if refused:
            part["tools"] = served
        return tuple(refused)

    def _check_tool(self, tool: dict[str, Any], labels: set[str]) -> None:
        """Check a tool beside those with these labels. Raises ToolRefused."""
        if tool["type"] == "function":
            return
        if not self._config.functions:
            raise ToolRefused("the language model of this server calls no functions")
        if tool["type"] != "mcp" or self.older:
            raise ToolRefused(
                "only functions are served" if self.older else "only functions and MCP servers are served"
            )
        server = server_of(tool, self._mcp_urls)
        if server.label in labels:
            raise ToolRefused("another tool has its server_label")
        if len(labels) >= MOST_SERVERS:
            raise ToolRefused(f"{MOST_SERVERS} servers are the limit")
        labels.add(server.label)

    # ---- sound ------------------------------------------------------------------------------------------------------

    def _append(self, event: client.BufferAppend) -> AudioReceived:
        data = audio_bytes(event.audio, "audio", event.event_id)
        return self.sound(data, self._config.input_format, event.event_id)

    def sound(self, data: bytes, audio_format: AudioFormat, event_id: str | None = None) -> AudioReceived:
        """Take the client's sound; what comes as RTP is PCM."""
        per_ms = _BYTES_PER_MS.get(audio_format)
        length_ms = len(data) / per_ms if per_ms else _LEAST_MS
        self._server_encoder.appended_ms += length_ms
        self._server_encoder.buffered_ms += length_ms
        return AudioReceived(data, event_id, audio_format)

    def _commit(self) -> InputCommitted:
        """Commit: without turns of its own, the client ends the detector's turn."""
        buffered_ms = self._server_encoder.buffered_ms
        if self._config.manual and buffered_ms >= _LEAST_MS:
            self._writing.check_room("type")
            return InputCommitted(self._server_encoder.items.key_of(WireItemId(self.new_name("item"))))
        if not self._config.manual and self._server_encoder.turn_is_open:
            return InputCommitted()
        what = (
            "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only "
            f"has {buffered_ms if self._config.manual else 0:.2f}ms of audio that is not in an item yet."
        )
        raise InvalidRequest("input_audio_buffer_commit_empty", what)

    # ---- items ------------------------------------------------------------------------------------------------------

    def _truncate(self, event: client.ItemTruncate) -> ItemTruncated:
        key = self._key(event.item_id, "truncate")
        item = self._server_encoder.items.message(event.item_id)
        if item is None or not item.has_sound or event.content_index:
            what = f"Only the sound of the assistant can be truncated; content {event.content_index} of item "
            raise InvalidRequest("invalid_value", f"{what}{event.item_id!r} is none.", "content_index")
        return ItemTruncated(key, event.audio_end_ms)

    def _key(self, item_id: WireItemId, verb: str) -> ItemId:
        if item_id not in self._server_encoder.items:
            what = f"Cannot {verb}: there is no item {item_id[:80]!r}."
            raise InvalidRequest(f"item_{verb}_invalid_item_id", what, "item_id")
        return self._server_encoder.items.key_of(item_id)

    # ---- responses --------------------------------------------------------------------------------------------------

    def _request(self, part: client.ResponsePart) -> ReplyRequested:
        if self._config.transcribes:
            what = "This is a transcription session: sound is recognised, and there are no responses."
            raise InvalidRequest("unsupported_event", what, "type")
        aloud = None if part.output_modalities is None else "audio" in part.output_modalities
        messages = None if part.input is None else tuple(self._writing.input(part.input))
        generation, output = self._generation(part), self._output(part)
        self._check_cost(part, generation)
        wishes = ResponseOptions(
            self._config.aloud if aloud is None else aloud,
            remembered=part.conversation != "none",
            metadata=part.metadata,
            max_output_tokens=part.max_output_tokens or self._config.raw["max_output_tokens"],
            output=output,
        )
        is_aside = not wishes.remembered and not wishes.aloud
        self._check_room(is_aside)
        self._check_rate()
        key = self._server_encoder.items.key_of(WireItemId(self.new_name("item")))
        (self._server_encoder.requested_out_of_band if is_aside else self._server_encoder.requested)[key] = wishes
        aloud, remembered = False if is_aside else aloud, wishes.remembered
        return ReplyRequested(
            key,
            part.instructions,
            messages,
            aloud,
            remembered,
            generation,
            voice=voice_name(output["voice"]),
            output_format=self._config.output_format(output),
        )

    def _check_room(self, is_aside: bool) -> None:
        """Check that no reply is active, or for an out-of-band one that the limit holds. Raises `InvalidRequest`."""
        active, requested = self._server_encoder.response, self._server_encoder.requested
        if is_aside:
            if (
                len(self._server_encoder.out_of_band_responses) + len(self._server_encoder.requested_out_of_band)
                >= _MOST_OUT_OF_BAND
            ):
                what = f"{_MOST_OUT_OF_BAND} responses are being written beside the conversation. Wait for one of them."
                raise InvalidRequest("too_many_active_responses", what)
        elif requested or (active is not None and not active.is_followed):
            which = f": {active.id}" if active is not None else ""
            what = f"Conversation already has an active response in progress{which}. Wait until it is finished."
            raise InvalidRequest("conversation_already_has_active_response", what)

    def _check_rate(self) -> None:
        if not self._rate.admits():
            most = self._limits.responses_per_minute
            what = f"More than {most} responses in a minute, or {_RESPONSES_AT_ONCE} at once. Ask for fewer."
            raise InvalidRequest("rate_limit_exceeded", what)

    def _check_cost(self, part: client.ResponsePart, generation: Generation) -> None:
        """Check instructions and functions of one response. Raises LimitExceeded."""
        if part.instructions is None and not part.tools:
            return
        instructions = self._config.raw["instructions"] if part.instructions is None else part.instructions
        notes = self._server_encoder.items.note_tokens if part.input is None else 0
        try:
            self._limits.check_fixed(instructions, generation.functions, notes)
        except LimitExceeded as error:
            raise LimitExceeded(error.message, f"response.{error.field}") from None

    def _generation(self, part: client.ResponsePart) -> Generation:
        wishes = part.model_dump(
            include={"tools", "tool_choice", "max_output_tokens", "temperature"}, exclude_unset=True
        )
        self._server_encoder.refused_tools += self._refuse(wishes)
        self._check_choice(wishes, "response")
        return self._config.generation(wishes)

    def _check_choice(self, part: dict[str, Any], where: str) -> None:
        """Check that a function that must be called exists. Raises `InvalidRequest`."""
        choice: Any = part.get("tool_choice")
        tools: list[dict[str, Any]] = part["tools"] if part.get("tools") else self._config.raw["tools"] or []
        if not self._config.functions or not isinstance(choice, dict):
            return
        if choice["name"] not in [tool.get("name") for tool in tools]:
            what = f"There is no function {choice['name'][:80]!r} among the tools."
            raise InvalidRequest("invalid_value", what, f"{where}.tool_choice.name")

    def _output(self, part: client.ResponsePart) -> dict[str, Any]:
        """Return format and voice of the response: the session's, with the client's options for this one."""
        wanted = part.audio and part.audio.output
        wishes = wanted.model_dump(exclude_none=True) if wanted else {}
        if "voice" in wishes:
            wishes["voice"] = voice_name(wishes["voice"]) or DEFAULT_VOICE
        return {**self._server_encoder.output(), **wishes}

    def _cancel(self, response_id: str | None) -> ReplyCancelled:
        """Return the active response, or any by its id."""
        active = self._server_encoder.response
        for key, aside in self._server_encoder.out_of_band_responses.items():
            if aside.id == response_id:
                return ReplyCancelled(key)
        named = response_id is None or (active is not None and active.id == response_id)
        if not named or (active is None and not self._server_encoder.requested):
            raise InvalidRequest(
                "response_cancel_not_active", "Cancellation failed: no active response found.", "response_id"
            )
        return ReplyCancelled()


def _labelled(tool: dict[str, Any]) -> str:
    """Return the type of a tool, and the label of an MCP server."""
    label = tool.get("server_label")
    return f"{tool['type']} ({label})"[:80] if isinstance(label, str) else str(tool["type"])[:80]
