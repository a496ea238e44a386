"""Streaming with a recogniser of whole clips: words while they are spoken, and the last ones soon after.

The clip grows while the user speaks, and is recognised again and again; a word is emitted when two guesses in a row
agree on it and on all before it. At a pause the whole clip is recognised at once, before it is known whether the user
has finished: this saves the recogniser's time at the end of a turn. If the user goes on, the clip goes on, because a
whole sentence is understood better than its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from reactivex import Observable

from voicepipe.audio import resampled
from voicepipe.boundary.overflow import Overflow
from voicepipe.boundary.pending import PendingWork
from voicepipe.boundary.threads import in_worker
from voicepipe.boundary.workers import Ticket, Workers
from voicepipe.events import (
    Audio,
    Event,
    Resemblance,
    Samples,
    TokenLogprob,
    Transcribed,
    TranscriptDrafted,
    WordRecognised,
)
from voicepipe.presets import Utterances
from voicepipe.rx import transduce
from voicepipe.stage import Stage
from voicepipe.stt.clips import RATE_HZ, Clip, Clips, Settle, is_guess, length_ms

__all__ = ["Agreement", "Compare", "Guess", "Transcribe", "believed", "by_utterance"]


@dataclass(frozen=True, slots=True)
class Guess:
    """The recogniser's result for a clip. `sure`: its words stand, though more may follow."""

    words: tuple[str, ...]
    clip: Clip
    sure: bool = False
    logprobs: tuple[TokenLogprob, ...] = ()
    resemblance: Resemblance | None = None

    @property
    def logprob(self) -> float | None:
        """Return the mean of the tokens' logarithms, without those of punctuation; None where they are not known."""
        spoken = [one.logprob for one in self.logprobs if any(map(str.isalnum, one.text))]
        return sum(spoken) / len(spoken) if spoken else None


T = TypeVar("T")

Transcribe: TypeAlias = Callable[[Samples, Sequence[T], Callable[[], bool]], tuple[str, Sequence[T]]]
"""`transcribe(samples, draft, cancelled)` returns the text of float32 at 16 kHz, and its tokens. `draft` is the tokens
of the same clip when it was shorter: most of them still hold. It may stop when `cancelled()` is true."""


def _no_logprobs(_: Sequence[Any]) -> tuple[TokenLogprob, ...]:
    return ()


Compare: TypeAlias = Callable[[Samples, Sequence[T]], Resemblance]
"""`compare(samples, tokens)` names the phrase that a clip resembles, beside the text that has these tokens."""


def by_utterance(
    transcribe: Transcribe[T],
    workers: Workers,
    utterances: Utterances,
    *,
    backlog: PendingWork | None = None,
    logprobs: Callable[[Sequence[T]], tuple[TokenLogprob, ...]] = _no_logprobs,
    compare: Compare[T] | None = None,
) -> Stage[Audio | Event, Event]:
    """Emit `WordRecognised` early, `TranscriptDrafted` at each pause and `Transcribed` at each `FlushRequested`, from
    `Audio` and a VAD's edges.

    Each clip has a margin of sound before and after the speech, or before it the prefix
    of a `TurnTaking`, as far as no other clip has it. A clip with too little voice for its text has no words:
    recognisers write words for noise. Speech that goes on after a pause without a `FlushRequested` continues its clip.
    A `FlushRequested` during speech ends the clip there. Too long speech is cut at its quietest moment. When too many
    whole clips wait, the oldest is dropped (`Overflowed`). Word times are the clip's time, divided by word length: the
    recogniser gives none.

    Args:
        transcribe: Called in the pool with a clip; returns its words.
        workers: The pool.
        utterances: How clips are cut, and when they are believed.
        backlog: Counts whole clips until they are recognised.
        logprobs: Returns the probabilities of the tokens that `transcribe` has returned, for `Transcribed`.
        compare: Called in the pool with a whole clip of few words (`Utterances.phrase_words`).

    .. marbles::

        in             s-a-a-a-a-e-f        s: SpeechStarted   a: Audio   e: SpeechStopped   f: FlushRequested
        by_utterance   ------v---d-(wt)     v, w: WordRecognised   d: TranscriptDrafted   t: Transcribed
    """

    def stage(source: Observable[Audio | Event]) -> Observable[Event]:
        return source.pipe(
            transduce(lambda _: Clips(utterances)),
            in_worker(
                _Reader(transcribe, utterances, logprobs, compare).read,
                workers,
                boundary="stt",
                capacity=utterances.waiting_clips,
                overflow=Overflow.DROP_OLDEST,
                optional=is_guess,
                lost_ms=length_ms,
                backlog=backlog,
            ),
            transduce(lambda _: Agreement(utterances.unsure_words)),
        )

    return stage


class _Reader(Generic[T]):
    """Recognise one session's clips, one at a time in a thread, each with its earlier result."""

    def __init__(
        self,
        transcribe: Transcribe[T],
        utterances: Utterances,
        logprobs: Callable[[Sequence[T]], tuple[TokenLogprob, ...]],
        compare: Compare[T] | None,
    ) -> None:
        self._compare = compare
        self._transcribe, self._utterances, self._logprobs = transcribe, utterances, logprobs
        self._draft: Sequence[T] = ()

    def read(self, item: Clip | Settle, ticket: Ticket) -> Guess | Settle:
        if isinstance(item, Settle):
            self._draft = ()
            return item
        if item.voiced_s * 1000 < self._utterances.voiced_ms:
            return Guess((), item)
        samples = resampled(item.sound, RATE_HZ).samples
        text, tokens = self._transcribe(samples, self._draft, lambda: ticket.cancelled)
        if not ticket.cancelled:
            self._draft = tokens
        words = believed(text, item, self._utterances)
        if not words or not item.whole:
            return Guess(words, item)
        few = len(words) <= self._utterances.phrase_words and not ticket.cancelled
        resemblance = self._compare(samples, tokens) if self._compare is not None and few else None
        return Guess(words, item, logprobs=self._logprobs(tokens), resemblance=resemblance)


def believed(text: str, clip: Clip, utterances: Utterances) -> tuple[str, ...]:
    """Return the words of a clip's text; none if it has too little voice for them."""
    words = tuple(text.split())
    needed_ms = utterances.voice_needed_ms([_bare(word) for word in words])
    return words if clip.voiced_s * 1000 >= needed_ms else ()


class Agreement:
    """Emit words when two guesses agree on them, and the rest when the clip is settled."""

    def __init__(self, unsure_words: int) -> None:
        self._unsure = unsure_words
        self._last: Guess | None = None
        self._out = 0
        self._last_start_s = 0.0

    def __call__(self, item: Guess | Settle | Event) -> Iterator[Event]:
        match item:
            case Event():
                yield item
            case Settle(until_s=until_s):
                yield from self._settle(until_s)
            case Guess(clip=clip):
                previous, self._last = self._last, item
                if item.sure:
                    yield from self._words(item, len(item.words))
                elif clip.whole:
                    words = tuple(self._left(item, len(item.words)))
                    yield TranscriptDrafted(clip.stop_s, " ".join(item.words), words)
                elif previous is not None:
                    yield from self._words(item, self._agreed(previous, item))

    def _settle(self, until_s: float) -> Iterator[Event]:
        last, self._last = self._last, None
        if last is not None:
            yield from self._words(last, len(last.words))
        self._out = 0
        if last is None:
            yield Transcribed(until_s, "")
        else:
            yield Transcribed(until_s, " ".join(last.words), last.logprobs)

    def _agreed(self, before: Guess, now: Guess) -> int:
        sure = now.words[: max(0, len(now.words) - self._unsure)]
        return sum(1 for _ in takewhile(_same, zip(before.words, sure, strict=False)))

    def _words(self, guess: Guess, until: int) -> Iterator[WordRecognised]:
        for word in self._left(guess, until):
            self._last_start_s = word.start_s
            yield word
        self._out = max(self._out, until)

    def _left(self, guess: Guess, until: int) -> Iterator[WordRecognised]:
        """Yield the words up to there that have not been emitted."""
        times, earliest_s = _shared_out(guess.words, guess.clip.start_s, guess.clip.stop_s), self._last_start_s
        for index in range(self._out, until):
            # In a longer clip the divided times may put a word before one that was already emitted.
            earliest_s = max(earliest_s, times[index][0])
            stop_s = max(earliest_s, times[index][1])
            yield WordRecognised(guess.words[index], earliest_s, stop_s, guess.logprob, guess.resemblance)


def _same(pair: tuple[str, str]) -> bool:
    return _bare(pair[0]) == _bare(pair[1])


def _bare(word: str) -> str:
    return "".join(filter(str.isalnum, word)).lower()


def _shared_out(words: tuple[str, ...], start_s: float, stop_s: float) -> list[tuple[float, float]]:
    """Return the start and stop of each word, if all letters took the same time."""
    ends = np.cumsum([0, *(len(word) + 1 for word in words)])
    times = start_s + (stop_s - start_s) * ends / max(1, ends[-1])
    return [(float(a), float(b)) for a, b in pairwise(times)]
