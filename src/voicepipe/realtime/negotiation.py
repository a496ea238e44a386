"""Negotiation: which dialect a client speaks, by its handshake and its first messages."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeAlias, cast

from voicepipe.audio import Codec, OggOpus, Pcm16
from voicepipe.characters.prompts import WriteLines, WritePrompt, no_lines, system_prompt
from voicepipe.events import AudioReceived, ClientMessage, Event, SessionOpened, SettingsChanged
from voicepipe.realtime.app_messages import decode_app_event, encode_app_event
from voicepipe.realtime.beta.dialect import Beta
from voicepipe.realtime.dialect import Encode, ItemSpoken, ServerMessage
from voicepipe.realtime.ga.dialect import Ga
from voicepipe.realtime.ids import new_id
from voicepipe.realtime.limits import RequestLimits
from voicepipe.realtime.unmute.dialect import Unmute

__all__ = ["DialectKind", "DialectNegotiation", "Received", "dialect_of"]

Received: TypeAlias = ClientMessage | SessionOpened
"""The decoded form of a client's message, for the encoder and for the pipeline."""

DialectKind: TypeAlias = Literal["ga", "beta", "unmute?"]

_SUBPROTOCOL = "realtime"
_AZURE_BETA = "/openai/realtime"
_BETA_SUBPROTOCOL = "openai-beta.realtime-v1"


def dialect_of(headers: Mapping[str, str], protocols: Sequence[str], path: str = "") -> DialectKind:
    """Return the dialect by the handshake.

    "beta": the header `OpenAI-Beta: realtime=v1`, or its subprotocol. "unmute?": only the subprotocol `realtime` was
    offered, and no key, as by Unmute's frontend. All others are "ga". `path` is that of the request: at Azure's
    `/openai/realtime` all speak beta, and at `/openai/v1/realtime` GA.
    """
    versions = [part.strip() for part in headers.get("OpenAI-Beta", "").split(",")]
    if "realtime=v1" in versions or _BETA_SUBPROTOCOL in protocols or path == _AZURE_BETA:
        return "beta"
    has_key = "Authorization" in headers or "api-key" in headers
    return "unmute?" if tuple(protocols) == (_SUBPROTOCOL,) and not has_key else "ga"


class _Speaker(Protocol):
    """A dialect in use on one connection."""

    name: str

    def opening(self) -> SettingsChanged | None:
        """The settings at the start."""
        ...

    def decode(self, text: str) -> ClientMessage | ItemSpoken: ...

    def encode(self, event: Event) -> list[ServerMessage]: ...


class DialectNegotiation:
    """Decode a client's messages and encode events in the client's dialect.

    A GA or beta client waits for a greeting (`session.created`). Unmute's frontend speaks first and does not know that
    greeting (it would log it as unknown in the browser's console, and go on). So a client that may be Unmute is not
    greeted, and is treated as Unmute, until

    - a `session.update` without `allow_recording`, or an event that Unmute does not have: then it is GA,
    - `waited()` reports that it has sent no sound for a while, and has received nothing: then it is greeted as GA.

    A first `session.update` with `allow_recording` makes any client Unmute. `functions`: the model can call functions.
    `logprobs`: the recogniser gives them. `limits` bound what requests cost; `clock` gives seconds. `transcribes`: the
    handshake asks for a transcription session. `greeting`: what `session.created` tells besides. `session`: settings
    that a GA or beta session begins with, checked. `rtp`: a GA client's sound travels as RTP, and `sound` takes it.
    `mcp_urls`: MCP servers that a GA client may name as tools.
    """

    def __init__(
        self,
        kind: DialectKind,
        session_id: str,
        *,
        model: str = "",
        name: Callable[[str], str] = new_id,
        write: WritePrompt = system_prompt,
        lines: WriteLines = no_lines,
        functions: bool = True,
        logprobs: bool = False,
        limits: RequestLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        transcribes: bool = False,
        greeting: Mapping[str, Any] = MappingProxyType({}),
        session: Mapping[str, Any] = MappingProxyType({}),
        rtp: bool = False,
        mcp_urls: Sequence[str] = (),
    ) -> None:
        self._greeting = greeting
        self._session_id, self._new_name = session_id, name
        limits = limits or RequestLimits()
        ga = Ga(
            model=model,
            name=name,
            write=write,
            functions=functions,
            logprobs=logprobs,
            limits=limits,
            clock=clock,
            transcribes=transcribes,
            session=session,
            rtp=rtp,
            mcp_urls=mcp_urls,
        )
        self._ga = ga
        self._openai: _Speaker = Beta(ga) if kind == "beta" else ga
        self._unmute = _Unmuted(write, lines, limits, clock)
        self._speaks: _Speaker = self._openai
        if kind == "unmute?":
            self._speaks = self._unmute
        # The codec of sound until a message names a format.
        self.codec: Codec = OggOpus() if kind == "unmute?" else Pcm16()
        self._is_settled = self._is_opened = self._has_spoken = False

    @property
    def name(self) -> str:
        """The dialect, as far as it is known."""
        doubted = self._speaks is self._unmute and not self._is_settled
        return f"{self._speaks.name}?" if doubted else self._speaks.name

    def opening(self) -> list[Received]:
        """Return what is done before the client has sent anything: for the encoder, then for the pipeline."""
        return [] if self._speaks is self._unmute else self._opened()

    def waited(self) -> list[Received]:
        """Note that the client has sent nothing for the time after which Unmute's frontend would have."""
        return [] if self._is_settled or self._has_spoken or self._unmute.told else self._opened()

    def decode(self, text: str) -> list[Received]:
        """Decode one text frame. Never raises. An application's events are the same in all dialects, and tell none."""
        if (event := decode_app_event(text)) is not None:
            return [event]
        before: list[Received] = []
        if not self._is_settled and not (self._is_opened and "session.update" not in text):
            before = self._settle(text)
        message = self._speaks.decode(text)
        if isinstance(message, ItemSpoken):
            return [*before, message.sound, message.committed]
        self._has_spoken = self._has_spoken or isinstance(message, AudioReceived)
        return [*before, message]

    def sound(self, data: bytes) -> AudioReceived:
        """Take a GA client's sound that came as RTP: PCM16, 24 kHz, mono."""
        return self._ga.sound(data, "audio/pcm")

    def encode(self, event: Event) -> list[ServerMessage]:
        if (message := encode_app_event(event, self._new_name)) is not None:
            return [message]
        messages = self._speaks.encode(event)
        if isinstance(event, SessionOpened) and messages:
            messages[0].update(self._greeting)
        return messages

    def _opened(self) -> list[Received]:
        """Use GA or beta, and greet once."""
        self._speaks = self._openai
        if self._is_opened:
            return []
        self._is_opened = True
        settings = self._openai.opening()
        greeting: list[Received] = [SessionOpened(self._session_id)]
        return greeting if settings is None else [*greeting, settings]

    def _settle(self, text: str) -> list[Received]:
        match _glance(text):
            case ("session.update", True):
                self._is_settled = True
                self._speaks = self._unmute
                return []
            case ("session.update", False):
                self._is_settled = True
                return self._opened()
            case (kind, _) if kind in _OPENAI_ONLY:
                return self._opened()
            case _:
                return []


_OPENAI_ONLY = {
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.retrieve",
    "conversation.item.delete",
    "conversation.item.truncate",
    "response.create",
    "response.cancel",
    "output_audio_buffer.clear",
    "transcription_session.update",
}


def _glance(text: str) -> tuple[str, bool]:
    """Return a message's type, and whether its session has `allow_recording`; ("", False) if it is no message."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return "", False
    if not isinstance(value, dict):
        return "", False
    message = cast(dict[str, Any], value)
    kind, session = str(message.get("type")), message.get("session")
    if kind == "session.update" and not isinstance(session, dict):
        return "", False
    return kind, isinstance(session, dict) and "allow_recording" in session


class _Unmuted:
    """The dialect of Unmute in use."""

    name = "unmute"

    def __init__(
        self, write: WritePrompt, lines: WriteLines, limits: RequestLimits, clock: Callable[[], float]
    ) -> None:
        self._dialect = Unmute(write=write, lines=lines, limits=limits, clock=clock)
        self._encode: Encode = self._dialect.encoder()
        # Whether the client has received anything in this dialect.
        self.told = False

    def opening(self) -> None:
        """Return nothing: the client speaks first."""

    def decode(self, text: str) -> ClientMessage:
        return self._dialect.decode(text)

    def encode(self, event: Event) -> list[ServerMessage]:
        messages = self._encode(event)
        self.told = self.told or bool(messages)
        return messages
