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
    TextNotSpoken,
    WordSpoken,
)
from voicepipe.operators.words import as_words
from voicepipe.rx import Clock, merge, transduce
from voicepipe.rx.publish import publish
from voicepipe.stage import Stage
from voicepipe.text.clauses import Clause, ClauseCutter
from voicepipe.text.reading import ENGLISH, Reader, Reading, Unit, said_text
from voicepipe.text.words import shows_something
from voicepipe.tts.word_times import written_times

__all__ = ["ReadClause", "Timing", "clause_by_clause", "speak_clauses"]

Timing: TypeAlias = tuple[str, float, float]
"""A word, and the seconds of its clause at which it starts and stops."""


@dataclass(frozen=True, slots=True)
class ReadClause:
    """A clause as it is written, how its words are said, and the whole text that is said: "" if it has no sound."""

    written: str
    units: list[Unit]
    spoken: str

    @property
    def unsayable(self) -> bool:
        """Return whether a part of it is in a script that the TTS model does not support."""
        return any(unit.unsayable for unit in self.units)


@dataclass(frozen=True, slots=True)
class _Sound:
    clause: ReadClause
    audio: Audio | None
    times: list[Timing]


def clause_by_clause(
    synthesise: Callable[[str], tuple[Audio, list[Timing]]],
    workers: Workers,
    *,
    first_words: int,
    min_words: int,
    max_words: int,
    capacity: int,
    reading: Reading = ENGLISH,
) -> Stage[ReplyText, ReplyAudio | Event]:
    """Pass the reply's words; emit the sound of each clause behind it, with the times of its words.

    Each clause gives `SynthesisStarted`, `SynthesisEnded`, `WordSpoken`… and one `ReplyAudio`. The voice gets the text
    as it is said: without markup, with numbers, signs and abbreviations in words. `WordSpoken` has the words as they
    are written. Text that the voice cannot say gives one `TextNotSpoken` per reply, and its words without sound.

    Args:
        synthesise: Called in the pool with a clause, one of this session at a time; returns its sound, and the times of
            the words of `text.split()`. No samples: it cannot say this text.
        workers: The pool.
        first_words: As in `by_clause`, and so are `min_words` and `max_words`.
        min_words: The shortest later clause.
        max_words: The longest clause.
        capacity: How many clauses wait. Text is never dropped: one more fails the turn.
        reading: The language of numbers and signs, the user's pronunciations, and the scripts that the voice can say.

    .. marbles::

        words              a-b-c|                 "Well," " I" " know."; a clause takes 60 ms to make
        clause_by_clause   (as)-be(cs)--(e|)      s: SynthesisStarted   e: SynthesisEnded, WordSpoken…, ReplyAudio
    """

    def make(clause: ReadClause, _: Ticket) -> _Sound:
        return _Sound(clause, *synthesise(clause.spoken)) if clause.spoken else _Sound(clause, None, [])

    in_pool = in_worker(
        make, workers, boundary="tts", capacity=capacity, overflow=Overflow.FAIL_TURN, priority=Priority.TURN
    )
    return speak_clauses(
        lambda clauses: clauses.pipe(in_pool, transduce(lambda _: _ClauseSynthesis())),
        first_words=first_words,
        min_words=min_words,
        max_words=max_words,
        reading=reading,
    )


def speak_clauses(
    speak: Stage[ReadClause, ReplyAudio | Event],
    *,
    first_words: int,
    min_words: int,
    max_words: int,
    reading: Reading,
) -> Stage[ReplyText, ReplyAudio | Event]:
    """Pass the reply's words, cut them into clauses, and emit `SynthesisStarted` for each and what `speak` makes of it.

    Args:
        speak: Gives the sound of the clauses, in their order, and what follows from it.
        first_words: As in `by_clause`, and so are `min_words` and `max_words`.
        min_words: The shortest later clause.
        max_words: The longest clause.
        reading: The language of numbers and signs, the user's pronunciations, and the scripts that the voice can say.
    """

    def read(_: Clock) -> _ReadClauses:
        return _ReadClauses(
            ClauseCutter(first_words=first_words, min_words=min_words, max_words=max_words), Reader(reading)
        )

    def speaking(words: Observable[ReplyText]) -> Observable[ReplyAudio | Event]:
        clauses = words.pipe(transduce(read, finish=_ReadClauses.rest), rx_ops.share())
        started = clauses.pipe(
            rx_ops.filter(lambda clause: clause.spoken != ""),
            rx_ops.map(lambda clause: SynthesisStarted(clause.written)),
        )
        return merge(words, started, clauses.pipe(speak))

    return lambda source: source.pipe(publish(speaking))


class _ReadClauses:
    """Words in, clauses out, with what is said."""

    def __init__(self, cutter: ClauseCutter, reader: Reader) -> None:
        self._cutter, self._reader = cutter, reader

    def __call__(self, text: ReplyText) -> Iterator[ReadClause]:
        return (self._read(clause) for word in as_words(text) for clause in self._cutter(word))

    def rest(self) -> Iterator[ReadClause]:
        return map(self._read, self._cutter.rest())

    def _read(self, clause: Clause) -> ReadClause:
        units = self._reader.read(clause.words)
        spoken = said_text(units)
        # The voice ends a heading or a list's item as a sentence.
        return ReadClause(str(clause), units, f"{spoken}." if clause.ends_line and spoken[-1:].isalnum() else spoken)


class _ClauseSynthesis:
    """Consecutive clauses: a clause's times count from its own start, the reply's from its first sample."""

    def __init__(self) -> None:
        self._made_s = 0.0
        self._warned = False

    def __call__(self, made: _Sound | Overflowed) -> Iterator[ReplyAudio | Event]:
        if isinstance(made, Overflowed):
            yield made
            return
        audio, from_s = made.audio, self._made_s
        if (audio is None or not audio.duration_s or made.clause.unsayable) and self._is_news(made.clause):
            yield TextNotSpoken.of(made.clause.written)
        if made.clause.spoken:
            yield SynthesisEnded(audio.duration_s if audio else 0.0)
        if audio is not None:
            self._made_s += audio.duration_s
        times = [(word, from_s + start_s, from_s + stop_s) for word, start_s, stop_s in made.times]
        if times or audio is None or not audio.duration_s:
            words = written_times(made.clause.units, times, from_s, self._made_s)
            yield from words if self._made_s else filter(_shows_something, words)
        if audio is not None and audio.duration_s:
            yield ReplyAudio(audio)

    def _is_news(self, clause: ReadClause) -> bool:
        """Return whether to emit `TextNotSpoken`: once in a reply, and not for emoji."""
        news = not self._warned and (clause.spoken != "" or clause.unsayable)
        self._warned = self._warned or news
        return news


def _shows_something(word: WordSpoken) -> bool:
    return shows_something(word.word)
