"""The embedded recogniser, and all that its models are given: equal whatever the machine, the packets and the time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from voicepipe.boundary.workers import Priority, Ticket, Workers
from voicepipe.engine.local import LocalStt
from voicepipe.events import Samples, TokenLogprob
from voicepipe.stt.moonshine import Token
from voicepipe.vad.silero import Silero, VadStream

__all__ = ["Overheard"]


class Overheard:
    """The input of a recogniser's models: Silero's frames, Smart Turn's questions, Moonshine's whole clips, in order.

    Guesses at a clip that still grows are left out: how many are made depends on the machine.
    """

    def __init__(self, recogniser: LocalStt) -> None:
        self.frames: list[Samples] = []
        self.asked: list[Samples] = []
        self.clips: list[Samples] = []
        models: Any = (
            _Silero(recogniser.silero, self),
            _SmartTurn(recogniser.smart_turn, self),
            _Moonshine(recogniser.moonshine, self),
        )
        self.recogniser = LocalStt(*models, _Pool(recogniser.pool))

    @property
    def sound(self) -> Samples:
        """All that the VAD heard, up to the last sound in it."""
        heard = np.concatenate(self.frames)
        return heard[: np.flatnonzero(heard)[-1] + 1]


class _Silero:
    def __init__(self, silero: Silero, overheard: Overheard) -> None:
        self._silero, self._overheard = silero, overheard

    def stream(self) -> Callable[[Samples], float]:
        stream: VadStream = self._silero.stream()

        def judge(samples: Samples) -> float:
            self._overheard.frames.append(samples.copy())
            return stream(samples)

        return judge


class _SmartTurn:
    def __init__(self, smart_turn: Any, overheard: Overheard) -> None:
        self._smart_turn, self._overheard = smart_turn, overheard

    def probability(self, samples_16k: Samples) -> float:
        self._overheard.asked.append(samples_16k)
        return self._smart_turn.probability(samples_16k)


class _Moonshine:
    def __init__(self, moonshine: Any, overheard: Overheard) -> None:
        self._moonshine, self._overheard = moonshine, overheard
        self.tokenizer, self.decoding = moonshine.tokenizer, moonshine.decoding

    def tokens(self, samples: Samples, *, draft: Sequence[Token], cancelled: Callable[[], bool]) -> list[Token]:
        if _job.priority is Priority.TURN:
            self._overheard.clips.append(samples)
        return self._moonshine.tokens(samples, draft=draft, cancelled=cancelled)

    def text(self, tokens: Sequence[Token]) -> str:
        return self._moonshine.text(tokens)

    def logprobs(self, tokens: Sequence[Token]) -> tuple[TokenLogprob, ...]:
        return self._moonshine.logprobs(tokens)


class _Job(threading.local):
    priority = Priority.PARTIAL


_job = _Job()
"""The job of the current thread."""


class _Pool:
    """Tells a thread how urgent its work is: a guess and a whole clip are read by the same function."""

    def __init__(self, pool: Workers) -> None:
        self._pool = pool

    def submit(
        self, work: Callable[[Ticket], Any], done: Any, *, priority: Priority = Priority.TURN, what: str = ""
    ) -> Ticket:
        def told(ticket: Ticket) -> Any:
            _job.priority = priority
            return work(ticket)

        return self._pool.submit(told, done, priority=priority, what=what)
