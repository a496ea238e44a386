"""The result of a scenario: every event with its time, the sound, and a picture for people."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from voicepipe.conversation import Conversation, joined
from voicepipe.events import (
    Event,
    ItemCreated,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyTextWritten,
    SpeechEncoded,
    StageFailed,
    TurnEnded,
    WordSpoken,
)
from voicepipe.events.fold import fold
from voicepipe.testing.marbles.services import Call
from voicepipe.testing.player.picture import picture
from voicepipe.testing.simulation.judge import Verdict
from voicepipe.testing.simulation.user import Outcome

__all__ = ["At", "Transcript", "said_in"]

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
    outcome: Outcome | None = None
    """How the simulated user's conversation ended; None: there was none."""
    goal_s: float | None = None
    """The time at which the simulated user had reached its goal, in seconds."""
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict[str, "list[Verdict]"])
    """The judge's verdicts, by statement."""
    tolerance_s: float = 0.0
    """How far times may be off: 0 in virtual time."""
    live: bool = False
    """Whether it was played to a server, in real time."""
    missed: list[str] = field(default_factory=list[str])
    """The requests to the LLM without a scripted answer, as sentences."""
    leaks: list[str] = field(default_factory=list[str])
    logs: Sequence[MutableMapping[str, Any]] = ()
    """The log events, as structlog's `capture_logs` returns them."""

    @property
    def fatal(self) -> bool:
        """Return whether a failure ended the conversation."""
        return any(failed.fatal for failed in self.of(StageFailed))

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
    def wrote(self) -> str:
        """All text of the bot's replies that are text only."""
        return "".join(event.delta for event in self.of(ReplyTextWritten))

    @property
    def dialogue(self) -> list[str]:
        """The turns, a line for each: "user: …", "assistant: …"."""
        lines: list[str] = []
        for _, event in self.events:
            match event:
                case TurnEnded(text=text) | ItemCreated(role="user", text=text) if text:
                    lines.append(f"user: {text}")
                case ReplyEnded(text=text) | ReplyInterrupted(heard_text=text) if text:
                    lines.append(f"assistant: {text}")
                case _:
                    pass
        return lines

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
        return picture(self.events, self.done)

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
