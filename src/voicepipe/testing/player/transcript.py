"""The result of a scenario: every event with its time, the sound, and a picture for people."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from voicepipe.conversation import Conversation, joined
from voicepipe.events import (
    ConversationEnded,
    Event,
    FunctionCalled,
    FunctionReturned,
    InputRejected,
    Overflowed,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    SpeechEncoded,
    SpeechStarted,
    StageFailed,
    TurnEnded,
    Warned,
    WordRecognised,
    WordSpoken,
)
from voicepipe.events.application import is_app_event
from voicepipe.events.fold import fold
from voicepipe.testing.marbles.services import Call

__all__ = ["At", "Transcript", "picture", "said_in", "told"]

E = TypeVar("E")

GAP_S = 0.03
"""A shorter gap between two sounds is ignored: it is inaudible."""


class At(NamedTuple):
    """Something that happened, in seconds since the conversation began."""

    at_s: float
    event: ReplyAudio | Event


@dataclass(repr=False)
class Transcript:
    """A conversation that is over."""

    events: list[At] = field(default_factory=list[At])
    """All events that were sent to the client, in order."""
    done: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    """The acts of the user and the surroundings, each with its time in seconds."""
    voice: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """Start and stop of the user's sounds."""
    unheard: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """Start and stop of the user's sounds that did not arrive in time, because of the microphone or the network."""
    ended_s: float | None = None
    """The time, in seconds, at which the conversation ended by itself, or by the client; None if the scenario's time
    was over."""
    reason: str = ""
    closed_s: float = 0.0
    """The time at which the session was closed, in seconds."""
    length_s: float = 0.0
    asked: list[Call] = field(default_factory=list[Call])
    """The requests to the LLM, with start and stop (ms), and how each ended."""
    leaks: list[str] = field(default_factory=list[str])
    logs: Sequence[MutableMapping[str, Any]] = ()
    """The log events, as structlog's `capture_logs` returns them."""

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind."""
        return [event for _, event in self.events if isinstance(event, kind)]

    def times(self, kind: type[Any]) -> list[float]:
        """Return the times of those events, in seconds, to the millisecond."""
        return [round(at_s, 3) for at_s, event in self.events if isinstance(event, kind)]

    @property
    def said(self) -> str:
        """All words of the bot that were heard."""
        return joined(self.of(WordSpoken))

    @property
    def conversation(self) -> Conversation:
        """The conversation as the bot remembers it at the end."""
        conversation: Conversation | None = None
        for _, event in self.events:
            match event:
                case ReplyStarted() | ReplyEnded() | ReplyInterrupted():
                    conversation = event.conversation
                case Event() if conversation is not None:
                    conversation = fold(conversation, event)
                case _:
                    pass
        return conversation or Conversation()

    def audible(self) -> list[tuple[float, float]]:
        """Return start and stop of the bot's sounds in a client that plays at once, and stops when the reply is cut."""
        heard: list[tuple[float, float]] = []
        for at_s, event in self.events:
            if isinstance(event, SpeechEncoded):
                _play(heard, at_s, event.duration_ms / 1000)
            elif isinstance(event, ReplyInterrupted) and heard and heard[-1][1] > at_s:
                heard[-1] = (heard[-1][0], at_s)
        return [(start_s, stop_s) for start_s, stop_s in heard if stop_s > start_s]

    def __str__(self) -> str:
        return picture(self)

    def __repr__(self) -> str:
        return f"<Transcript: {len(self.events)} events in {self.closed_s:g} s>"


def _play(heard: list[tuple[float, float]], at_s: float, length_s: float) -> None:
    if heard and at_s <= heard[-1][1] + GAP_S:
        heard[-1] = (heard[-1][0], max(heard[-1][1], at_s) + length_s)
    else:
        heard.append((at_s, at_s + length_s))


def said_in(text: str, spoken: str) -> bool:
    """Return whether `text` is in what was spoken, as whole words, in either case of letters."""
    return re.search(rf"(?<!\w){re.escape(text)}(?!\w)", spoken, re.IGNORECASE) is not None


def told(event: ReplyAudio | Event) -> str | None:
    """Return what the user reads or hears of an event, if anything."""
    match event:
        case Warned(message=text) | InputRejected(message=text) | ConversationEnded(reason=text):
            return text
        case StageFailed() | Overflowed():
            from voicepipe.realtime import sentence

            return sentence(event)
        case _:
            return None


# ---- the picture -----------------------------------------------------------------------------------------------------


class _Line(NamedTuple):
    at_s: float
    lane: int
    text: str


_LANES = ("the user", "heard", "the bot")
_WIDTHS = (34, 26)


def picture(played: Transcript) -> str:
    """Return a line for each thing that happened: the time, then what the user did, what the STT heard, what the bot
    did.

    Words in a row share a line, with the time of the first.
    """
    deeds = [_Line(at_s, 0, text) for at_s, text in played.done]
    facts = [_Line(at_s, *shown) for at_s, event in played.events if (shown := _shown(event)) is not None]
    lines = sorted([*deeds, *facts], key=lambda line: line.at_s)
    head = f"{'s':>7}  {_LANES[0]:<{_WIDTHS[0]}}{_LANES[1]:<{_WIDTHS[1]}}{_LANES[2]}"
    return "\n".join([head, *map(_row, _joined(lines))])


def _row(line: _Line) -> str:
    indent = " " * sum(_WIDTHS[: line.lane])
    return f"{line.at_s:7.3f}  {indent}{line.text}"


def _shown(event: ReplyAudio | Event) -> tuple[int, str] | None:
    match event:
        case SpeechStarted():
            return 1, "(a voice)"
        case WordRecognised(text=text):
            return 1, text
        case TurnEnded(text=text):
            return 1, f"→ {text!r}" if text else "→ nothing said"
        case ReplyStarted():
            return 2, "▸"
        case WordSpoken(word=word):
            return 2, word
        case FunctionCalled(call=call):
            return 2, f"ƒ {call.name} {call.arguments}"
        case FunctionReturned(output=output):
            return 2, f"ƒ → {output}"
        case ReplyInterrupted():
            return 2, "✂ interrupted"
        case ReplyEnded():
            return 2, "▪"
        case Event() if is_app_event(event):
            return 2, f"→ the client: {event}"
        case _:
            text = told(event)
            return None if text is None else (2, f"({text})")


def _joined(lines: Sequence[_Line]) -> list[_Line]:
    """Join neighbouring words of one speaker in one line."""
    joined: list[_Line] = []
    for line in lines:
        if joined and _goes_on(joined[-1], line):
            joined[-1] = joined[-1]._replace(text=f"{joined[-1].text} {line.text}")
        else:
            joined.append(line)
    return joined


def _goes_on(held: _Line, line: _Line) -> bool:
    return held.lane == line.lane > 0 and held.text[0] not in "→ƒ" and line.text[0] not in "▸(→ƒ"
