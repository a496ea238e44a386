"""The turns of a session: what was heard, what was said, how fast, and what went wrong."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from voicepipe.events import (
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    SpeechStarted,
    StageFailed,
    TurnEnded,
    TurnJudged,
    TurnMeasured,
    TurnStarted,
)

__all__ = ["CUT_OFF_S", "Figures", "Turn", "figures", "turns"]

CUT_OFF_S = 1.5
"""A turn was cut off if the user speaks again within this time, in seconds, after its end, and before that of its
reply."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One reply, with the user's turn that it answers.

    Args:
        heard: The user's words; "" for a reply to no turn.
        said: What was said of the reply.
        latency_ms: The time from the user's last loud sample to the reply's first sound; None: unknown.
        interrupted: The user stopped the reply.
        cut_off: The user went on speaking after the turn had ended.
        failed: The stage that failed; "" if none did.
        at_s: When the turn ended, or the reply began, in seconds since the session's begin. It does not count in
            comparisons of `same_as`.
    """

    heard: str = ""
    said: str = ""
    latency_ms: float | None = None
    interrupted: bool = False
    cut_off: bool = False
    failed: str = ""
    at_s: float = 0.0

    def same_as(self, other: Turn, *, within_ms: float) -> bool:
        """Return whether two turns are the same, except a latency that differs by so much at most."""
        if (self.latency_ms is None) != (other.latency_ms is None):
            return False
        near = abs((self.latency_ms or 0.0) - (other.latency_ms or 0.0)) <= within_ms
        return near and replace(self, latency_ms=None, at_s=0.0) == replace(other, latency_ms=None, at_s=0.0)


def turns(events: Iterable[tuple[float, Any]], began_s: float) -> list[Turn]:
    """Return the turns of a session in their order.

    Args:
        events: What the session emitted, each with its clock.
        began_s: The clock at the session's begin.
    """
    folded = _Turns()
    for at_s, event in events:
        folded.note(at_s - began_s, event)
    return folded.finished()


class _Turns:
    def __init__(self) -> None:
        self._done: list[Turn] = []
        self._heard: Turn | None = None
        self._reply: Turn | None = None
        self._ended_s: float | None = None
        self._cut: set[float] = set()

    def note(self, at_s: float, event: Any) -> None:
        match event:
            case TurnEnded(text=text, committed=committed) if text:
                self._keep_heard()
                self._heard = Turn(heard=text, at_s=at_s)
                self._ended_s = None if committed else at_s
            case TurnJudged(counts=False):
                self._heard = self._ended_s = None
            case SpeechStarted() | TurnStarted():
                if self._ended_s is not None and at_s - self._ended_s <= CUT_OFF_S:
                    self._cut.add(self._ended_s)
                self._ended_s = None
            case _:
                self._of_reply(at_s, event)

    def _of_reply(self, at_s: float, event: Any) -> None:
        match event:
            case ReplyStarted():
                self._reply, self._heard = self._heard or Turn(at_s=at_s), None
            case TurnMeasured(total_ms=total_ms) if self._reply is not None:
                self._reply = replace(self._reply, latency_ms=total_ms)
            case StageFailed(stage=stage):
                if self._reply is not None:
                    self._reply = replace(self._reply, failed=stage)
                else:
                    self._done.append(Turn(failed=stage, at_s=at_s))
            case ReplyEnded(text=text):
                self._end(text, interrupted=False)
            case ReplyInterrupted(heard_text=text):
                self._end(text, interrupted=True)
            case _:
                pass

    def _end(self, text: str, *, interrupted: bool) -> None:
        self._ended_s = None  # a voice behind a reply goes on with no turn
        if self._reply is not None:
            self._done.append(replace(self._reply, said=text, interrupted=interrupted))
            self._reply = None

    def _keep_heard(self) -> None:
        if self._heard is not None:
            self._done.append(self._heard)

    def finished(self) -> list[Turn]:
        self._done += [one for one in (self._reply, self._heard) if one is not None]
        ordered = sorted(self._done, key=lambda turn: turn.at_s)
        return [replace(turn, cut_off=turn.at_s in self._cut) for turn in ordered]


@dataclass(frozen=True, slots=True)
class Figures:
    """A session in numbers; latencies are in milliseconds, None where there is none."""

    turns: int
    latency_median_ms: float | None
    latency_longest_ms: float | None
    cut_offs: int
    interruptions: int
    failures: int


def figures(of: Sequence[Turn]) -> Figures:
    """Return the numbers of a session's turns."""
    latencies = [turn.latency_ms for turn in of if turn.latency_ms is not None]
    return Figures(
        sum(bool(turn.heard) for turn in of),
        statistics.median(latencies) if latencies else None,
        max(latencies, default=None),
        sum(turn.cut_off for turn in of),
        sum(turn.interrupted for turn in of),
        sum(bool(turn.failed) for turn in of),
    )
