"""The dialect of Unmute's frontend: Ogg-Opus both ways, words as they are spoken, chat history after each reply."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from voicepipe.characters.prompts import DEFAULT, WriteLines, WritePrompt, no_lines, system_prompt
from voicepipe.conversation import Conversation
from voicepipe.events import (
    AudioReceived,
    ClientMessage,
    Event,
    InputRejected,
    Overflowed,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SettingsChanged,
    SpeechEncoded,
    StageFailed,
    TurnConfirmed,
    TurnEnded,
    TurnJudged,
    TurnMeasured,
    TurnStarted,
    Warned,
    WordRecognised,
    WordSpoken,
)
from voicepipe.realtime.dialect import Encode, ServerMessage
from voicepipe.realtime.errors import error_body
from voicepipe.realtime.ids import new_id
from voicepipe.realtime.limits import LimitExceeded, RequestLimits
from voicepipe.realtime.parse import Rejected, audio_bytes, parse
from voicepipe.realtime.unmute.client_events import UNMUTE_EVENTS, AudioAppend, Constant, UnmuteSessionConfig

__all__ = ["Unmute"]


# Of sound in both directions.
_FORMAT = "audio/opus"


def _event_id() -> str:
    return new_id("event")


@dataclass(frozen=True, slots=True)
class Unmute:
    """`session.update` and `input_audio_buffer.append` in; transcript, reply and Ogg-Opus sound out."""

    name: str = "unmute"
    event_id: Callable[[], str] = _event_id
    """Returns the id of each server event."""
    write: WritePrompt = system_prompt
    """Makes a prompt of a character."""
    lines: WriteLines = no_lines
    """Makes the sentences that a character says word for word."""
    clock: Callable[[], float] = time.monotonic
    """The time in seconds, for what is sent once a second at most."""
    limits: RequestLimits = field(default_factory=RequestLimits)
    """The limits of a client's requests, such as the length of instructions."""

    def decode(self, text: str) -> ClientMessage:
        try:
            event = parse(text, UNMUTE_EVENTS)
        except Rejected as rejected:
            return rejected.why
        try:
            if isinstance(event, AudioAppend):
                data = audio_bytes(event.audio, "audio", event.event_id)
                return AudioReceived(data, event.event_id, _FORMAT)
            self._check(event.session)
            return _settings(event.session, self.write, self.lines)
        except Rejected as rejected:
            return rejected.why
        except LimitExceeded as error:
            return InputRejected("invalid_value", error.message, error.field, event.event_id)

    def _check(self, session: UnmuteSessionConfig) -> None:
        if isinstance(session.instructions, Constant):
            self.limits.check_message(session.instructions.text, 0, "session.instructions.text")

    def encoder(self) -> Encode:
        return _Encoder(self.event_id, self.clock)


def _settings(session: UnmuteSessionConfig, write: WritePrompt, lines: WriteLines) -> SettingsChanged:
    written, asked = session.model_dump(exclude_unset=True), session.instructions
    prompt = _prompt(session, write)
    spoken = None if prompt is None else lines(asked.type, asked.language) if asked else lines(DEFAULT)
    return SettingsChanged(
        prompt,
        session.voice,
        session.allow_recording,
        written,
        lines=spoken,
        output_format=_FORMAT,
        allow_sound_recording=session.allow_sound_recording,
    )


def _prompt(session: UnmuteSessionConfig, write: WritePrompt) -> str | None:
    match session.instructions:
        case None if "instructions" not in session.model_fields_set:
            return None
        case None:
            return write(DEFAULT)
        case Constant(text=text, language=language):
            return write("constant", text=text, language=language)
        case persona:
            return write(persona.type, language=persona.language)


# Unmute's name of the voice of a client that chose none. Its own clients refuse a null.
_NO_VOICE = "missing"
# Between the additional outputs in front of replies, as in Unmute; those at the end of a reply always come.
_OUTPUTS_EVERY_S = 1.0


class _Encoder:
    """The state of one client: its voice, whether the user speaks, and the length of the last turn."""

    def __init__(self, event_id: Callable[[], str], clock: Callable[[], float]) -> None:
        self._event_id, self._clock = event_id, clock
        self._outputs_at_s = -_OUTPUTS_EVERY_S
        self._voice = _NO_VOICE
        # Whether the client knows that the user speaks; whether it is to know when that has interrupted the bot.
        self._talks = self._interrupts = False
        self._replying = self._over_reply = False
        self._measured: TurnMeasured | None = None

    def __call__(self, event: Event) -> list[ServerMessage]:
        if isinstance(event, TurnMeasured):
            self._measured = event
        return [{"type": kind, "event_id": self._event_id(), **fields} for kind, fields in self._messages(event)]

    def _messages(self, event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
        match event:
            case SpeechEncoded(data=data):
                yield "response.audio.delta", {"delta": base64.b64encode(data).decode()}
            case WordSpoken(word=word):
                yield "response.text.delta", {"delta": word}
            case ReplyText(delta=delta):
                yield "unmute.response.text.delta.ready", {"delta": delta}
            case WordRecognised(text=text, start_s=start_s):
                yield "conversation.item.input_audio_transcription.delta", {"delta": text, "start_time": start_s}
            case TurnStarted() | TurnConfirmed() | TurnEnded() | TurnJudged():
                yield from self._turn(event)
            case ReplyStarted() | ReplyEnded() | ReplyInterrupted():
                yield from self._reply(event)
            case SettingsChanged():
                self._voice = event.voice or self._voice
                yield "session.updated", {"session": event.written}
            case StageFailed() | Warned() | Overflowed() | InputRejected():
                yield "error", {"error": error_body(event)}
            case _:
                pass

    def _turn(
        self, event: TurnStarted | TurnConfirmed | TurnEnded | TurnJudged
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        match event:
            case TurnStarted():
                self._over_reply, self._interrupts = self._replying, False
            case TurnConfirmed():
                self._interrupts = self._replying  # if it is not the bot's own voice
                if not self._replying:
                    yield from self._speech_started()
            case TurnEnded(committed=True):
                pass  # the words of a turn that has ended
            case TurnEnded(text=text) if text and (event.acknowledgement or self._over_reply):
                pass  # `TurnJudged` follows
            case TurnEnded(text=text) if text:
                yield from self._speech_stopped()
            case TurnJudged(counts=True):
                yield from self._speech_started()
                yield from self._speech_stopped()
            case _ if self._talks:  # the recogniser has taken its words back
                yield from self._speech_stopped()
            case _:
                pass

    def _speech_started(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if not self._talks:
            self._talks = True
            yield "input_audio_buffer.speech_started", {}

    def _speech_stopped(self) -> Iterator[tuple[str, dict[str, Any]]]:
        self._talks = False
        yield "input_audio_buffer.speech_stopped", {}

    def _reply(self, event: ReplyStarted | ReplyEnded | ReplyInterrupted) -> Iterator[tuple[str, dict[str, Any]]]:
        history = _chat_history(event.conversation)
        self._replying = isinstance(event, ReplyStarted)
        if isinstance(event, ReplyStarted):
            self._measured = None
            if self._clock() - self._outputs_at_s >= _OUTPUTS_EVERY_S:
                yield self._outputs(history)
            response = {"object": "realtime.response", "status": "in_progress", "voice": self._voice}
            yield "response.created", {"response": {**response, "chat_history": history}}
            return
        if isinstance(event, ReplyInterrupted):
            if self._interrupts:
                yield from self._speech_started()
            yield "unmute.interrupted_by_vad", {}
        else:
            yield "response.text.done", {"text": event.text}
        yield self._outputs(history)
        yield "response.audio.done", {}

    def _outputs(self, history: list[dict[str, str]]) -> tuple[str, dict[str, Any]]:
        self._outputs_at_s = self._clock()
        return "unmute.additional_outputs", {"args": {"chat_history": history, "debug_dict": self._debug()}}

    def _debug(self) -> dict[str, Any]:
        measured = self._measured
        return {} if measured is None else {"total_ms": measured.total_ms, "parts_ms": measured.parts_ms}


def _chat_history(conversation: Conversation) -> list[dict[str, str]]:
    """Return the history as heard, with interruption marks, without the system prompt and function calls."""
    said = (message for message in conversation.messages if message.call is None and message.role != "system")
    return [{"role": message.role, "content": message.text} for message in said]
