"""`TurnMetrics`: feed `Metrics` from a session's events."""

from __future__ import annotations

from voicepipe.boundary.overflow import BoundaryFull, Overflow
from voicepipe.events import (
    Event,
    OutOfBandResponse,
    Overflowed,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    SpeculationEnded,
    SpeechStarted,
    StageFailed,
    TokensCounted,
    TurnEnded,
    TurnMeasured,
    WordRecognised,
    WordSpoken,
)
from voicepipe.llm.errors import LlmUnavailable
from voicepipe.metrics.exemplars import observe_in_session
from voicepipe.metrics.registry import Metrics
from voicepipe.metrics.series import SIDES, SPECULATIONS, TOKENS
from voicepipe.operators.latency import PARTS
from voicepipe.rx import Clock
from voicepipe.services.errors import ServiceUnavailable
from voicepipe.stage import StageError

__all__ = ["TurnMetrics"]

_SERVICES = ("stt", "tts", "llm")
_POLICIES = frozenset(policy.name.lower() for policy in Overflow)
_DROPS = Overflow.DROP_OLDEST.name.lower()


class TurnMetrics:
    """Count one session's events as they are sent. `clock` returns seconds."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics, self._clock = metrics, clock
        self._voice_s: float | None = None
        self._lost_ms = 0.0
        self._tokens = dict.fromkeys(TOKENS, 0)
        self._characters = dict.fromkeys(SIDES, 0)
        self._heard_words = 0

    def note(self, event: Event) -> None:
        talk = self._metrics.talk
        match event:
            case WordSpoken():
                talk.spoken_words.inc()
            case WordRecognised(text=text):
                self._heard_words += len(text.split())
            case SpeechStarted(at_s=at_s, noticed_s=noticed_s):
                self._voice_s = self._clock() - (noticed_s - at_s)
            case TurnEnded(text=text):
                self._voice_s = None
                if text:
                    talk.turns.inc()
                    self._characters["user"] += len(text)
            case ReplyStarted():
                self._voice_s = None
                talk.replies.inc()
            case ReplyEnded(text=text):
                self._characters["bot"] += len(text)
            case ReplyInterrupted(heard_text=text):
                self._characters["bot"] += len(text)
                self._interrupted()
            case TurnMeasured():
                self._measured(event)
            case Overflowed(boundary=boundary, lost_ms=lost_ms, policy=policy):
                self._overflowed(boundary, lost_ms, policy)
            case SpeculationEnded():
                self._speculated(event)
            case StageFailed():
                self._failed(event)
            case (TokensCounted() as tokens) | OutOfBandResponse(event=TokensCounted() as tokens):
                self._count(tokens)
            case _:
                pass

    def close(self) -> None:
        """Note the end of the session: its sums are known."""
        talk = self._metrics.talk
        observe_in_session(talk.heard_words, self._heard_words)
        for kind, count in self._tokens.items():
            observe_in_session(talk.session_tokens.labels(kind), count)
        for side, count in self._characters.items():
            observe_in_session(talk.session_characters.labels(side), count)

    def _count(self, tokens: TokensCounted) -> None:
        for kind, count in zip(TOKENS, (tokens.read, tokens.cached, tokens.written), strict=True):
            self._tokens[kind] += count
            self._metrics.talk.tokens.labels(kind).inc(count)

    def _speculated(self, speculation: SpeculationEnded) -> None:
        """Count a reply that was begun ahead; the tokens of one that was thrown away have been used all the same."""
        self._metrics.talk.speculations.labels(SPECULATIONS[0 if speculation.used else 1]).inc()
        for tokens in speculation.tokens:
            self._count(tokens)

    def note_lost(self, boundary: str, lost_ms: float) -> None:
        """Note the sound that a boundary which warns its client itself has dropped since the session began."""
        if lost_ms > self._lost_ms:
            self._overflowed(boundary, lost_ms - self._lost_ms)
            self._lost_ms = lost_ms

    def _interrupted(self) -> None:
        """Count an interruption; one by the client's message has no voice in it."""
        self._metrics.talk.interruptions.inc()
        if self._voice_s is not None:
            observe_in_session(self._metrics.talk.barge_in, max(0.0, self._clock() - self._voice_s))
            self._voice_s = None

    def _measured(self, turn: TurnMeasured) -> None:
        observe_in_session(self._metrics.talk.voice_to_voice, turn.total_ms / 1000)
        for part in PARTS:
            if part in turn.parts_ms:
                observe_in_session(self._metrics.talk.part.labels(part), turn.parts_ms[part] / 1000)

    def _overflowed(self, boundary: str, lost_ms: float, policy: str = _DROPS) -> None:
        talk = self._metrics.talk
        label = talk.boundary_label(boundary)
        policy = policy if policy in _POLICIES else "other"
        talk.overflows.labels(label, policy).inc()
        talk.overflow_s.labels(label, policy).inc(lost_ms / 1000)

    def _failed(self, failure: StageFailed) -> None:
        talk = self._metrics.talk
        talk.failures.labels(talk.stage_label(failure.stage)).inc()
        cause = failure.error.cause if isinstance(failure.error, StageError) else failure.error
        if isinstance(cause, BoundaryFull):
            self._overflowed(cause.boundary, 0.0, cause.policy.name.lower())
        if isinstance(failure.error, ServiceUnavailable | LlmUnavailable):
            service = failure.stage.lower()
            self._metrics.session.fatal_misses.labels(service if service in _SERVICES else "other").inc()
