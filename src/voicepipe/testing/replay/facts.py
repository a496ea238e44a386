"""The calls of stages in a recording: what each gave, when, and what it was asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from voicepipe.recording.records import (
    CleanUpWaits,
    EchoJudged,
    Entry,
    Notification,
    SoundDecoded,
    StageAnswered,
    StageAnsweredAtOnce,
    StageCalled,
    StageDisposed,
    StageName,
    StageTold,
)

__all__ = ["Answer", "CallFacts", "SessionFacts"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Something that a stage gave, and when.

    `inputs`: it gave that in the very call of its input of this number; None: from the loop.
    """

    at_s: float
    what: Notification
    value: Any
    inputs: int | None = None


@dataclass(slots=True)
class CallFacts:
    """One subscription of a stage."""

    number: int
    stage: StageName
    at_s: float
    asked: str = ""
    answers: list[Answer] = field(default_factory=list[Answer])
    told: list[tuple[float, Any]] = field(default_factory=list[tuple[float, Any]])
    disposed_s: float | None = None

    def at_once(self, inputs: int) -> list[Answer]:
        """Return what was given in the call with the input of this number."""
        return [answer for answer in self.answers if answer.inputs == inputs]


@dataclass(slots=True)
class SessionFacts:
    """The calls of a recording, clean-ups that a turn waited for, the lengths of decoded packets, and echoes."""

    calls: dict[int, CallFacts] = field(default_factory=dict[int, CallFacts])
    waits: set[int] = field(default_factory=set[int])
    decoded: list[SoundDecoded] = field(default_factory=list[SoundDecoded])
    judged: dict[tuple[int, int], EchoJudged] = field(default_factory=dict[tuple[int, int], EchoJudged])

    @classmethod
    def of(cls, records: Iterable[Any], began_s: float) -> SessionFacts:
        """Collect the facts of a recording's records."""
        facts, at_s = cls(), began_s
        for record in records:
            if isinstance(record, Entry):
                at_s = record.at_s
            facts._add(record, at_s)
        return facts

    def of_stage(self, stage: StageName) -> list[CallFacts]:
        """Return the calls of a stage, in their order."""
        return [call for call in self.calls.values() if call.stage == stage]

    def _add(self, record: Any, at_s: float) -> None:
        match record:
            case StageCalled(call=call, stage=stage, asked=asked):
                self.calls[call] = CallFacts(call, stage, at_s, asked)
            case StageAnswered(call=call, what=what, value=value) if call in self.calls:
                self.calls[call].answers.append(Answer(at_s, what, value))
            case StageAnsweredAtOnce(call=call, inputs=inputs, what=what, value=value) if call in self.calls:
                self.calls[call].answers.append(Answer(at_s, what, value, inputs))
            case StageTold(call=call, item=item) if call in self.calls:
                self.calls[call].told.append((at_s, item))
            case StageDisposed(call=call) if call in self.calls:
                self.calls[call].disposed_s = at_s
            case CleanUpWaits(number=number):
                self.waits.add(number)
            case EchoJudged(canceller=number, piece=piece):
                self.judged[number, piece] = record
            case SoundDecoded():
                self.decoded.append(record)
            case _:
                pass
