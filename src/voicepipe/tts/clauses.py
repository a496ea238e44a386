"""A TTS of whole clauses as a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.boundary.overflow import Overflow
from voicepipe.boundary.threads import in_worker
from voicepipe.boundary.workers import Priority, Ticket, Workers
from voicepipe.events import (
    Audio,
    Event,
    Overflowed,
    ReplyAudio,
    ReplyText,
    SynthesisEnded,
    SynthesisStarted,
    WordSpoken,
)
from voicepipe.operators.words import by_clause
from voicepipe.rx import merge, transduce
from voicepipe.stage import Stage

__all__ = ["Timing", "clause_by_clause"]

Timing: TypeAlias = tuple[str, float, float]
"""A word, and the seconds of its clause at which it starts and stops."""


@dataclass(frozen=True, slots=True)
class _Clause:
    audio: Audio
    words: list[Timing]


def clause_by_clause(
    synthesise: Callable[[str], tuple[Audio, list[Timing]]],
    workers: Workers,
    *,
    first_words: int,
    min_words: int,
    max_words: int,
    capacity: int,
) -> Stage[ReplyText, ReplyAudio | Event]:
    """Pass the reply's words; emit the sound of each clause behind it, with the times of its words.

    Each clause gives `SynthesisStarted`, `SynthesisEnded`, `WordSpoken`… and one `ReplyAudio`.

    Args:
        synthesise: Called in the pool with a clause, one of this session at a time; returns its sound and word times.
        workers: The pool.
        first_words: As in `by_clause`, and so are `min_words` and `max_words`.
        min_words: The shortest later clause.
        max_words: The longest clause.
        capacity: How many clauses wait. Text is never dropped: one more fails the turn.

    .. marbles::

        words              a-b-c|                 "Well," " I" " know."; a clause takes 60 ms to make
        clause_by_clause   (as)-be(cs)--(e|)      s: SynthesisStarted   e: SynthesisEnded, WordSpoken…, ReplyAudio
    """

    def make(text: str, _: Ticket) -> _Clause:
        return _Clause(*synthesise(text))

    def stage(source: Observable[ReplyText]) -> Observable[ReplyAudio | Event]:
        def speaking(words: Observable[ReplyText]) -> Observable[ReplyAudio | Event]:
            clauses = words.pipe(
                by_clause(first_words=first_words, min_words=min_words, max_words=max_words), rx_ops.share()
            )
            sound = clauses.pipe(
                in_worker(
                    make,
                    workers,
                    boundary="tts",
                    capacity=capacity,
                    overflow=Overflow.FAIL_TURN,
                    priority=Priority.TURN,
                ),
                transduce(lambda _: _ClauseSynthesis()),
            )
            return merge(words, clauses.pipe(rx_ops.map(SynthesisStarted)), sound)

        return source.pipe(rx_ops.publish(speaking))

    return stage


class _ClauseSynthesis:
    """Consecutive clauses: a clause's times count from its own start, the reply's from its first sample."""

    def __init__(self) -> None:
        self._made_s = 0.0

    def __call__(self, clause: _Clause | Overflowed) -> Iterator[ReplyAudio | Event]:
        if isinstance(clause, Overflowed):
            yield clause
            return
        yield SynthesisEnded(clause.audio.duration_s)
        for word, start_s, stop_s in clause.words:
            yield WordSpoken(word, self._made_s + start_s, self._made_s + stop_s)
        yield ReplyAudio(clause.audio)
        self._made_s += clause.audio.duration_s
