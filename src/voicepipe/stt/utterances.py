"""Streaming with a recogniser of whole clips: words while they are spoken, and the last ones soon after.

The clip grows while the user speaks, and is recognised again and again; a word is emitted when two guesses in a row
agree on it and on all before it. At a pause the whole clip is recognised at once, before it is known whether the user
has finished: this saves the recogniser's time at the end of a turn. If the user goes on, the clip goes on, because a
whole sentence is understood better than its parts.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
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
    FlushRequested,
    Overflowed,
    Samples,
    SpeechStarted,
    SpeechStopped,
    TokenLogprob,
    Transcribed,
    TurnTaking,
    WordRecognised,
)
from voicepipe.presets import Utterances
from voicepipe.rx import transduce
from voicepipe.stage import Stage

__all__ = ["Clip", "Guess", "Settle", "Transcribe", "by_utterance"]

RATE_HZ = 16_000


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Speech from `start_s` to `stop_s`, with a margin of sound around it.

    `whole`: the speech has paused there. `voiced_s`: how much voice it has, as in `SpeechStopped`; infinite where that
    is not known, in speech that goes on.
    """

    sound: Audio
    start_s: float
    stop_s: float
    whole: bool
    voiced_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Settle:
    """The words of the last whole clip are final; the next clip begins after `until_s`."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Guess:
    """The recogniser's result for a clip."""

    words: tuple[str, ...]
    clip: Clip
    logprobs: tuple[TokenLogprob, ...] = ()


T = TypeVar("T")

Transcribe: TypeAlias = Callable[[Samples, Sequence[T], Callable[[], bool]], tuple[str, Sequence[T]]]
"""`transcribe(samples, draft, cancelled)` returns the text of float32 at 16 kHz, and its tokens. `draft` is the tokens
of the same clip when it was shorter: most of them still hold. It may stop when `cancelled()` is true."""


def _no_logprobs(_: Sequence[Any]) -> tuple[TokenLogprob, ...]:
    return ()


def by_utterance(
    transcribe: Transcribe[T],
    workers: Workers,
    utterances: Utterances,
    *,
    backlog: PendingWork | None = None,
    logprobs: Callable[[Sequence[T]], tuple[TokenLogprob, ...]] = _no_logprobs,
) -> Stage[Audio | Event, Event]:
    """Emit `WordRecognised` early and `Transcribed` at each `FlushRequested`, from `Audio` and a VAD's edges.

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

    .. marbles::

        in             s-a-a-a-a-e-f        s: SpeechStarted   a: Audio   e: SpeechStopped   f: FlushRequested
        by_utterance   ------v-----(wt)     v, w: WordRecognised   t: Transcribed
    """
    limits = _Limits(
        _samples(utterances.margin_ms / 1000),
        _samples(utterances.partial_every_ms / 1000),
        _samples(utterances.join_up_to_s),
        _samples(utterances.longest_s),
    )

    def stage(source: Observable[Audio | Event]) -> Observable[Event]:
        return source.pipe(
            transduce(lambda _: _Clips(limits)),
            in_worker(
                _Reader(transcribe, utterances, logprobs).read,
                workers,
                boundary="stt",
                capacity=utterances.waiting_clips,
                overflow=Overflow.DROP_OLDEST,
                optional=lambda item: isinstance(item, Clip) and not item.whole,
                lost_ms=_length_ms,
                backlog=backlog,
            ),
            transduce(lambda _: _Agreement(utterances.unsure_words)),
        )

    return stage


class _Reader(Generic[T]):
    """Recognise one session's clips, one at a time in a thread, each with its earlier result."""

    def __init__(
        self,
        transcribe: Transcribe[T],
        utterances: Utterances,
        logprobs: Callable[[Sequence[T]], tuple[TokenLogprob, ...]],
    ) -> None:
        self._transcribe, self._utterances, self._logprobs = transcribe, utterances, logprobs
        self._draft: Sequence[T] = ()

    def read(self, item: Clip | Settle, ticket: Ticket) -> Guess | Settle:
        if isinstance(item, Settle):
            self._draft = ()
            return item
        if item.voiced_s * 1000 < self._utterances.voiced_ms:
            return Guess((), item)
        text, tokens = self._transcribe(resampled(item.sound, RATE_HZ).samples, self._draft, lambda: ticket.cancelled)
        if not ticket.cancelled:
            self._draft = tokens
        words = tuple(text.split())
        needed_ms = self._utterances.voice_needed_ms([_bare(word) for word in words])
        if item.voiced_s * 1000 < needed_ms:
            return Guess((), item)
        return Guess(words, item, self._logprobs(tokens) if item.whole else ())


def _samples(seconds: float) -> int:
    return round(seconds * RATE_HZ)


def _length_ms(item: Clip | Settle) -> float:
    return (item.stop_s - item.start_s) * 1000 if isinstance(item, Clip) else 0.0


@dataclass(frozen=True, slots=True)
class _Limits:
    margin: int
    partial: int
    join: int
    longest: int


_Cut: TypeAlias = "Clip | Settle"


class _Clips:
    """Cut the microphone's sound into clips. Positions are samples at 16 kHz since the subscription.

    Whole clips depend on the sound and on where its edges are, not on the packets: every decision compares positions. A
    packet arrives before the edges that a VAD finds in it, so a decision that needs the edges (`_cut_long`) waits for
    the next packet. Guesses do not wait: they are optional.
    """

    def __init__(self, limits: _Limits) -> None:
        self._limits = limits
        self._sound = _Held()
        self._began: int | None = None
        self._paused: int | None = None
        # The voice of the current clip, up to its last pause.
        self._voiced_s = 0.0
        # How much sound a clip has before its speech, if the client has set it.
        self._prefix: int | None = None
        # How much the current clip has.
        self._before = limits.margin
        # No clip begins before: older sound was dropped, whatever the packets' length.
        self._earliest = 0
        # The end of the last clip with final words.
        self._settled = 0
        self._guess_at = 0

    def __call__(self, event: Audio | Event) -> Iterator[_Cut]:
        match event:
            case Audio():
                yield from self._cut_long(self._sound.end)
                began = self._sound.end if self._began is None else self._began
                self._sound.add(event, min(self._sound.end, began) - self._reach)
                yield from self._guess()
            case SpeechStarted(at_s=at_s, noticed_s=noticed_s):
                yield from self._start(_samples(at_s), _samples(noticed_s))
            case SpeechStopped():
                yield from self._stop(event)
            case FlushRequested(at_s=at_s):
                yield from self._flush(at_s)
            case TurnTaking(prefix_ms=prefix_ms):
                self._let_go(self._sound.end)
                self._prefix = None if prefix_ms is None else _samples(prefix_ms / 1000)
            case _:
                pass

    def _start(self, at: int, noticed: int) -> Iterator[_Cut]:
        if self._began is not None and self._paused is not None and self._paused - self._began >= self._limits.join:
            yield self._settle(self._paused)
            self._began = None
        if self._began is None:
            self._let_go(noticed)
            self._begin(at, self._limits.margin if self._prefix is None else min(self._prefix, at - self._settled))
        self._paused = None
        self._guess_at = noticed + self._limits.partial

    def _stop(self, stopped: SpeechStopped) -> Iterator[_Cut]:
        noticed = _samples(stopped.noticed_s)
        yield from self._cut_long(noticed)
        if self._began is not None:
            self._paused = max(_samples(stopped.at_s), self._began)
            self._voiced_s += math.inf if stopped.voiced_s is None else stopped.voiced_s
            until = min(self._paused + self._limits.margin, noticed)
            yield replace(self._clip(self._began, self._paused, until, whole=True), voiced_s=self._voiced_s)

    def _flush(self, at_s: float) -> Iterator[_Cut]:
        if self._began is not None and self._paused is None:  # during speech: the rest is the next clip
            yield from self._cut_long(self._sound.end)
            self._settled = self._sound.end
            clip = self._clip(self._began, self._settled, self._settled, whole=True)
            silence = self._limits.margin * clip.sound.rate_hz // RATE_HZ
            yield replace(clip, sound=Audio(np.pad(clip.sound.samples, (0, silence)), clip.sound.rate_hz))
            self._begin(self._settled, 0)
        else:
            self._settled = self._settled if self._paused is None else self._paused
            self._began = self._paused = None
        yield Settle(at_s)

    def _cut_long(self, known: int) -> Iterator[_Cut]:
        """Cut speech that is longer than the limit at `known`, up to which all edges are known."""
        while self._began is not None and self._paused is None and known > self._began + self._limits.longest:
            latest = self._began + self._limits.longest
            cut = self._sound.quietest(self._began + self._limits.longest // 2, latest - RATE_HZ // 2)
            yield self._clip(self._began, cut, cut, whole=True)
            yield self._settle(cut)
            self._begin(cut, self._limits.margin)

    def _guess(self) -> Iterator[Clip]:
        if self._began is None or self._paused is not None or self._sound.end < self._guess_at:
            return
        at = self._sound.end - (self._sound.end - self._guess_at) % self._limits.partial
        self._guess_at = at + self._limits.partial
        if at <= self._began + self._limits.longest:
            yield self._clip(self._began, at, at, whole=False)

    def _settle(self, at: int) -> Settle:
        """What was said before `at` stands."""
        self._settled = at
        return Settle(at / RATE_HZ)

    def _begin(self, at: int, before: int) -> None:
        self._began, self._before, self._voiced_s = at, max(0, before), 0.0

    def _clip(self, start: int, stop: int, until: int, *, whole: bool) -> Clip:
        """Speech from `start` to `stop`, with the sound before it, and after it `until` there."""
        begin = max(0, self._earliest, start - self._before)
        return Clip(self._sound.cut(begin, until), start / RATE_HZ, stop / RATE_HZ, whole)

    @property
    def _reach(self) -> int:
        """How far before the present a clip may begin: an onset is noticed up to a second late."""
        return max(self._limits.margin, self._prefix or 0) + RATE_HZ

    def _let_go(self, at: int) -> None:
        self._earliest = max(self._earliest, at - self._reach)


class _Held:
    """The sound of which clips may still be made, at its own rate; positions are at 16 kHz.

    A stream's resampler would be tens of milliseconds behind, and the last word of a clip would lack them. So each clip
    is resampled for itself, where it is read.
    """

    def __init__(self) -> None:
        self.end = 0
        self._pieces: deque[Samples] = deque()
        self._rate_hz = RATE_HZ
        # In samples as they came: where the first piece begins, and the last ends.
        self._begin = self._received = 0

    def add(self, audio: Audio, needed_from: int) -> None:
        self._rate_hz = audio.rate_hz
        self._pieces.append(audio.samples)
        self._received += len(audio.samples)
        self.end = self._received * RATE_HZ // self._rate_hz
        while self._begin + len(self._pieces[0]) <= self._at(needed_from):
            self._begin += len(self._pieces.popleft())

    def cut(self, start: int, stop: int) -> Audio:
        sound = np.concatenate(self._pieces)
        begin, end = (max(0, self._at(position) - self._begin) for position in (start, stop))
        return Audio(sound[begin:end], self._rate_hz)

    def quietest(self, start: int, stop: int) -> int:
        """The middle of the quietest 100 ms between two positions."""
        window = self._rate_hz // 10
        energy = np.cumsum(np.square(self.cut(start, stop).samples))
        quietest = window // 2 + int(np.argmin(energy[window:] - energy[:-window]))
        return start + quietest * RATE_HZ // self._rate_hz

    def _at(self, position: int) -> int:
        return position * self._rate_hz // RATE_HZ


class _Agreement:
    """Emit words when two guesses agree on them, and the rest when the clip is settled."""

    def __init__(self, unsure_words: int) -> None:
        self._unsure = unsure_words
        self._last: Guess | None = None
        self._out = 0
        self._last_start_s = 0.0

    def __call__(self, item: Guess | Settle | Overflowed) -> Iterator[Event]:
        match item:
            case Overflowed():
                yield item
            case Settle(until_s=until_s):
                yield from self._settle(until_s)
            case Guess(clip=clip):
                previous, self._last = self._last, item
                if previous is not None and not clip.whole:
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
        times = _shared_out(guess.words, guess.clip.start_s, guess.clip.stop_s)
        for index in range(self._out, until):
            # In a longer clip the divided times may put a word before one that was already emitted.
            self._last_start_s = max(self._last_start_s, times[index][0])
            yield WordRecognised(guess.words[index], self._last_start_s, max(self._last_start_s, times[index][1]))
        self._out = max(self._out, until)


def _same(pair: tuple[str, str]) -> bool:
    return _bare(pair[0]) == _bare(pair[1])


def _bare(word: str) -> str:
    return "".join(filter(str.isalnum, word)).lower()


def _shared_out(words: tuple[str, ...], start_s: float, stop_s: float) -> list[tuple[float, float]]:
    """Return the start and stop of each word, if all letters took the same time."""
    ends = np.cumsum([0, *(len(word) + 1 for word in words)])
    times = start_s + (stop_s - start_s) * ends / max(1, ends[-1])
    return [(float(a), float(b)) for a, b in pairwise(times)]
