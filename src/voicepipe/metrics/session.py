"""`TurnMetrics`: feed `Metrics` from a session's events."""

from __future__ import annotations

from voicepipe.events import (
    Event,
    Overflowed,
    ReplyInterrupted,
    ReplyStarted,
    SpeechStarted,
    StageFailed,
    TurnEnded,
    TurnMeasured,
    WordSpoken,
)
from voicepipe.llm.errors import LlmUnavailable
from voicepipe.metrics.registry import Metrics
from voicepipe.operators.latency import PARTS
from voicepipe.rx import Clock
from voicepipe.services.errors import ServiceUnavailable

__all__ = ["TurnMetrics"]

_SERVICES = ("stt", "tts", "llm")


class TurnMetrics:
    """Count one session's events as they are sent. `clock` returns seconds."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics, self._clock = metrics, clock
        self._voice_s: float | None = None
        self._lost_ms = 0.0

    def note(self, event: Event) -> None:
        talk = self._metrics.talk
        match event:
            case WordSpoken():
                talk.spoken_words.inc()
            case SpeechStarted(at_s=at_s, noticed_s=noticed_s):
                self._voice_s = self._clock() - (noticed_s - at_s)
            case TurnEnded(text=text):
                self._voice_s = None
                if text:
                    talk.turns.inc()
            case ReplyStarted():
                self._voice_s = None
                talk.replies.inc()
            case ReplyInterrupted():
                self._interrupted()
            case TurnMeasured():
                self._measured(event)
            case Overflowed(boundary=boundary, lost_ms=lost_ms):
                self._overflowed(boundary, lost_ms)
            case StageFailed():
                self._failed(event)
            case _:
                pass

    def note_lost(self, boundary: str, lost_ms: float) -> None:
        """Note the sound that a boundary which warns its client itself has dropped since the session began."""
        if lost_ms > self._lost_ms:
            self._overflowed(boundary, lost_ms - self._lost_ms)
            self._lost_ms = lost_ms

    def _interrupted(self) -> None:
        """Count an interruption; one by the client's message has no voice in it."""
        self._metrics.talk.interruptions.inc()
        if self._voice_s is not None:
            self._metrics.talk.barge_in.observe(max(0.0, self._clock() - self._voice_s))
            self._voice_s = None

    def _measured(self, turn: TurnMeasured) -> None:
        self._metrics.talk.voice_to_voice.observe(turn.total_ms / 1000)
        for part in PARTS:
            if part in turn.parts_ms:
                self._metrics.talk.part.labels(part).observe(turn.parts_ms[part] / 1000)

    def _overflowed(self, boundary: str, lost_ms: float) -> None:
        talk = self._metrics.talk
        label = talk.boundary_label(boundary)
        talk.overflows.labels(label).inc()
        talk.overflow_s.labels(label).inc(lost_ms / 1000)

    def _failed(self, failure: StageFailed) -> None:
        talk = self._metrics.talk
        talk.failures.labels(talk.stage_label(failure.stage)).inc()
        if isinstance(failure.error, ServiceUnavailable | LlmUnavailable):
            service = failure.stage.lower()
            self._metrics.session.fatal_misses.labels(service if service in _SERVICES else "other").inc()
