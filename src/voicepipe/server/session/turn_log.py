"""One log line per turn: how fast the answer came, where the time went, what was heard and what was said."""

from __future__ import annotations

from typing import Any

import structlog

from voicepipe.events import (
    Event,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    StageFailed,
    TurnEnded,
    TurnJudged,
    TurnMeasured,
)
from voicepipe.events.session import whole_parts

__all__ = ["TurnLog"]

log = structlog.get_logger()


class TurnLog:
    """Collects a turn's facts from the session's events and writes them when its reply is over.

    A reply to no turn (an opening, or an idle prompt) has no `heard` and no `total_ms`.

    Args:
        words: True: `heard` and `answered` are the texts; False: `heard_words` and `answered_words` are how many words
            they have.
    """

    def __init__(self, *, words: bool) -> None:
        self._words = words
        self._facts: dict[str, Any] = {}

    def _said(self, name: str, text: str) -> dict[str, Any]:
        return {name: text} if self._words else {f"{name}_words": len(text.split())}

    def _forget(self, name: str) -> None:
        for key in (name, f"{name}_words"):
            self._facts.pop(key, None)

    def note(self, event: Event) -> None:
        match event:
            case TurnEnded(text=text) if text:
                self._facts |= self._said("heard", text)
            case TurnJudged(counts=False):
                self._forget("heard")
            case TurnJudged(text=text):
                self._facts |= self._said("heard", text)
            case TurnMeasured(total_ms=total_ms, parts_ms=parts_ms):
                self._facts["total_ms"] = round(total_ms)
                self._facts |= {f"{name}_ms": ms for name, ms in whole_parts(parts_ms).items()}
            case StageFailed(stage=stage):
                self._facts["failed"] = stage
            case ReplyStarted():
                self._facts.pop("failed", None)
            case ReplyEnded(text=text):
                self._write(text, interrupted=False)
            case ReplyInterrupted(heard_text=text):
                self._write(text, interrupted=True)
            case _:
                pass

    def _write(self, answered: str, *, interrupted: bool) -> None:
        facts, self._facts = self._facts, {}
        log.info("turn", **facts, **self._said("answered", answered), interrupted=interrupted)
