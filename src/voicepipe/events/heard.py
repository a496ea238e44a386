"""Heard: what the sound of a microphone turns out to be, and whose turn it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from voicepipe.events.base import Event, TurnEvent

__all__ = [
    "FlushRequested",
    "Pause",
    "SpeechProbability",
    "SpeechStarted",
    "SpeechStopped",
    "Transcribed",
    "TurnConfirmed",
    "TurnEnded",
    "TurnStarted",
    "WordRecognised",
]


@dataclass(frozen=True, slots=True)
class SpeechProbability(Event):
    """How surely a frame that ends at `at_s` is speech (a VAD's output, one per frame)."""

    probability: float
    at_s: float


@dataclass(frozen=True, slots=True)
class SpeechStarted(Event):
    """Sound became speech at `at_s`, which was noticed when the audio had come to `noticed_s`."""

    at_s: float
    noticed_s: float


@dataclass(frozen=True, slots=True)
class SpeechStopped(Event):
    """Speech fell silent; `at_s` is its last loud moment, noticed when the audio had come to `noticed_s`."""

    at_s: float
    noticed_s: float


@dataclass(frozen=True, slots=True)
class Pause(Event):
    """How surely the user has finished, as of `at_s`: 0 while they speak, 1 when nobody expects more."""

    probability: float
    at_s: float


@dataclass(frozen=True, slots=True)
class WordRecognised(Event):
    """A word was recognised."""

    text: str
    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class Transcribed(Event):
    """Every word said before `until_s` has been emitted.

    `text` is how all words since the last `Transcribed` read now that the whole was heard: a recogniser may know better
    than when it let the first of them out. None: as they were emitted.
    """

    until_s: float
    text: str | None = None


@dataclass(frozen=True, slots=True)
class FlushRequested(Event):
    """To a recogniser: the user has paused at `at_s`; give the words up to there as soon as you can."""

    at_s: float


# ---- turns -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TurnStarted(TurnEvent):
    """The user took the floor: their voice was heard, words may follow or not (a cough, an echo).

    `item` names the turn's message in the conversation, here and in `TurnEnded`, for who wants to refer to it; it does
    not count when two are compared.
    """

    at_s: float
    item: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TurnConfirmed(TurnEvent):
    """The first word of the turn was recognised: this is speech."""

    at_s: float


@dataclass(frozen=True, slots=True)
class TurnEnded(TurnEvent):
    """The user gave the floor back. `text` is empty when no word was recognised; `at_s` is the last loud moment.

    `committed`: the client has ended the turn, and will ask for a reply itself if it wants one.
    """

    text: str
    at_s: float
    item: str = field(default="", compare=False, repr=False)
    committed: bool = False
