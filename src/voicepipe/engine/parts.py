"""The parts of an engine: one for each kind of stage, embedded or a service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from voicepipe.boundary.pending import PendingWork
from voicepipe.engine.health_checks import Probe
from voicepipe.events import Audio, ClientMessage, Event, SpeechProbability
from voicepipe.operators import EndOfTurn
from voicepipe.stage import Stage

__all__ = ["InputStages", "SessionPart", "StageProvider", "nothing"]

S = TypeVar("S")


def nothing() -> None:
    """Do nothing: there is nothing to free."""


@dataclass(frozen=True, slots=True)
class SessionPart(Generic[S]):
    """One session's own stage; `close` frees what it holds of the part.

    `ahead` goes behind the recogniser, and passes everything: what it hears tells it to make ready for the reply.
    `instructed` does the same with what the client sends.
    """

    stage: S
    close: Callable[[], None] = nothing
    ahead: Stage[Event, Event] | None = None
    instructed: Stage[ClientMessage, ClientMessage] | None = None


class StageProvider(Protocol[S]):
    """Makes one kind of stage for each session."""

    def open(self) -> SessionPart[S]:
        """Return the part of a new session."""
        ...

    def probe(self) -> Probe:
        """Return the check of its health."""
        ...


@dataclass(frozen=True, slots=True)
class InputStages:
    """The input stages: a recogniser, a VAD unless the recogniser notices pauses itself, and their pending work."""

    vad: Stage[Audio, SpeechProbability] | None
    end_of_turn: EndOfTurn
    stt: Stage[Audio | Event, Event]
    backlog: PendingWork
