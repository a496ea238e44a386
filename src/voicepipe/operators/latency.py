"""The time between the user's last word and the bot's first sound, and its parts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TypeVar

from voicepipe.events import (
    Pause,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechEncoded,
    SpeechStopped,
    SynthesisEnded,
    SynthesisStarted,
    TurnEnded,
    TurnJudged,
    TurnMeasured,
)
from voicepipe.rx import Clock, transduce
from voicepipe.stage import Stage

__all__ = ["PARTS", "measure_turns"]

A = TypeVar("A")

PARTS = ("endpointing", "stt_tail", "first_token", "first_clause", "tts", "pacing")
"""The parts of `TurnMeasured.parts_ms` in the order of time: from the last loud sample to the pause that ended the
turn, to its last word, to the LLM's first text, to the first clause, to its sound, to the release of that sound."""


def measure_turns() -> Stage[A, A | TurnMeasured]:
    """Pass everything, and emit `TurnMeasured` after the first sound of a reply to a turn.

    The user's last loud sample is placed on the session's clock by the audio that has come since: its age is the delay
    in `SpeechStopped`. Marks that a pipeline does not make count as no time; the parts always sum to the whole.

    .. marbles::

        events          s-p-e-b-t-c-m-a        s: SpeechStopped   p: Pause   e: TurnEnded   b: ReplyStarted
        measure_turns   s-p-e-b-t-c-m-(aM)     t: ReplyText   c, m: Synthesis…   a: ReplyAudio   M: TurnMeasured
    """
    return transduce(_Marks)


_OF_REPLY = (ReplyText, SynthesisStarted, SynthesisEnded, ReplyAudio, SpeechEncoded)


class _Marks:
    """The marks of the current turn, in the order of `PARTS`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loud_at: float | None = None
        self._paused_at = 0.0
        self._marks: list[float] | None = None
        self._answering = self._unasked = False

    def __call__(self, event: A) -> Iterator[A | TurnMeasured]:
        yield event
        if self._unasked and isinstance(event, _OF_REPLY):
            return  # the answer comes behind what the pipeline wanted to say
        match event:
            case SpeechStopped(at_s=at_s, noticed_s=noticed_s):
                self._loud_at = self._paused_at = self._clock() - (noticed_s - at_s)
            case Pause():
                self._paused_at = self._clock()
            case TurnEnded(text=text) if self._loud_at is not None:
                self._marks = [self._loud_at, self._paused_at, self._clock()] if text else None
                self._loud_at = None
            case TurnJudged(counts=False):
                self._marks = None
            case ReplyText():
                self._mark(3)
            case SynthesisStarted():
                self._mark(4)
            case SynthesisEnded():
                self._mark(5)
            case ReplyAudio() | SpeechEncoded() if self._marks is not None:
                yield self._measured()
            case ReplyStarted(conversation=conversation, unasked=unasked):
                self._unasked = unasked is not None
                if conversation.is_silent:
                    self._marks = None  # it breaks a silence, behind a turn that was not to be answered
                self._answering = self._marks is not None and not self._unasked
            case ReplyEnded() | ReplyInterrupted():
                self._unasked = False
                if self._answering:
                    self._marks = None  # it ended without sound: what follows does not answer this turn
            case _:
                pass

    def _mark(self, place: int) -> None:
        """Note a mark, the first time only; earlier marks that are missing get the same time."""
        if self._marks is not None and len(self._marks) <= place:
            self._marks += [self._clock()] * (place + 1 - len(self._marks))

    def _measured(self) -> TurnMeasured:
        self._mark(6)
        marks, self._marks = self._marks or [], None
        parts = {name: (after - before) * 1000 for name, (before, after) in zip(PARTS, pairwise(marks), strict=True)}
        return TurnMeasured(sum(parts.values()), parts)
