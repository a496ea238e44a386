"""A recogniser of whole clips made to stream: words while they are spoken, and the last ones soon after.

The clip grows while the user speaks and is recognised again and again; a word counts once two guesses in a row agree on
it and on all before it. When speech pauses, the whole clip is recognised once more, and what it says stands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from reactivex import Observable

from voicepipe.audio import resampler
from voicepipe.boundary import Overflow, in_worker
from voicepipe.events import (
    Audio,
    Event,
    Overflowed,
    Samples,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    Word,
)
from voicepipe.rx import transduce
from voicepipe.stage import Stage
from voicepipe.workers import Ticket, Workers

__all__ = ["Clip", "Guess", "by_utterance"]

RATE_HZ = 16_000


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """What was said from `start_s` to `stop_s`; `samples` has a margin of sound around it. Not `final`: it goes on."""

    samples: Samples
    start_s: float
    stop_s: float
    final: bool
    ends_utterance: bool = True


@dataclass(frozen=True, slots=True)
class Guess:
    """What the recogniser made of a clip."""

    words: tuple[str, ...]
    clip: Clip


def by_utterance(
    transcribe: Callable[[Samples, Callable[[], bool]], str],
    workers: Workers,
    *,
    margin_ms: float,
    partial_every_ms: float,
    longest_s: float,
    capacity: int,
) -> Stage[Event, Event]:
    """`Word` as soon as it is sure, `Transcribed` when all up to a pause are, from `Audio` and a VAD's edges.

    `transcribe(samples, cancelled)` gets float32 at 16 kHz and runs in the pool; it may stop when `cancelled()`. Each
    clip has `margin_ms` of sound before and after the speech (without it the first and last words suffer). A guess is
    made every `partial_every_ms` of speech, if no other one is under way; a pause cancels it. Speech longer than
    `longest_s` is cut at its quietest moment. `capacity` whole clips may wait: the oldest is dropped (`Overflowed`).
    Word times are shared out over the clip by length: the recogniser gives none.

    .. marbles::

        in             s-a-a-a-a-e       s: SpeechStarted   a: Audio   e: SpeechStopped
        by_utterance   ------v---(wt)    v, w: Word   t: Transcribed
    """
    limits = _Limits(_samples(margin_ms), _samples(partial_every_ms), round(longest_s * RATE_HZ))

    def recognise(clip: Clip, ticket: Ticket) -> Guess:
        return Guess(tuple(transcribe(clip.samples, lambda: ticket.cancelled).split()), clip)

    def stage(source: Observable[Event]) -> Observable[Event]:
        return source.pipe(
            transduce(lambda _: _Clips(limits)),
            in_worker(
                recognise,
                workers,
                boundary="stt",
                capacity=capacity,
                overflow=Overflow.DROP_OLDEST,
                optional=lambda clip: not clip.final,
                lost_ms=lambda clip: (clip.stop_s - clip.start_s) * 1000,
            ),
            transduce(lambda _: _Agreement()),
        )

    return stage


def _samples(ms: float) -> int:
    return round(ms * RATE_HZ / 1000)


@dataclass(frozen=True, slots=True)
class _Limits:
    margin: int
    partial: int
    longest: int


class _Clips:
    """Cuts the microphone into clips. Positions are samples at 16 kHz since the subscription."""

    def __init__(self, limits: _Limits) -> None:
        self._limits = limits
        self._resample: Callable[[Samples], Samples] | None = None
        self._held: deque[Samples] = deque()
        self._held_from = 0
        self._now = 0
        self._began: int | None = None
        self._guess_at = 0

    def __call__(self, event: Event) -> Iterator[Clip]:
        match event:
            case Audio():
                self._hold(event)
                yield from self._grow()
            case SpeechStarted(at_s=at_s):
                self._began = round(at_s * RATE_HZ)
                self._guess_at = self._now + self._limits.partial
            case SpeechStopped(at_s=at_s) if self._began is not None:
                yield self._clip(self._began, max(round(at_s * RATE_HZ), self._began), final=True)
                self._began = None
            case _:
                pass

    def _hold(self, audio: Audio) -> None:
        if self._resample is None:
            self._resample = resampler(audio.rate_hz, RATE_HZ)
        samples = self._resample(audio.samples)
        self._held.append(samples)
        self._now += len(samples)
        self._forget()

    def _forget(self) -> None:
        """Let go of sound that no clip can need: an onset is noticed late, so a second is kept before it."""
        needed = (self._now if self._began is None else self._began) - self._limits.margin - RATE_HZ
        while self._held and self._held_from + len(self._held[0]) <= needed:
            self._held_from += len(self._held.popleft())

    def _grow(self) -> Iterator[Clip]:
        if self._began is None:
            return
        if self._now - self._began > self._limits.longest:
            cut = self._quietest(self._began + self._limits.longest // 2, self._now - RATE_HZ // 2)
            yield self._clip(self._began, cut, final=True, ends_utterance=False)
            self._began = cut
        elif self._now >= self._guess_at:
            self._guess_at = self._now + self._limits.partial
            yield self._clip(self._began, self._now, final=False)

    def _clip(self, start: int, stop: int, *, final: bool, ends_utterance: bool = True) -> Clip:
        margin = self._limits.margin if ends_utterance else 0
        sound = self._cut(start - self._limits.margin, stop + margin)
        return Clip(sound, start / RATE_HZ, stop / RATE_HZ, final, ends_utterance)

    def _cut(self, start: int, stop: int) -> Samples:
        held = np.concatenate(self._held) if self._held else np.zeros(0, np.float32)
        return held[max(0, start - self._held_from) : max(0, stop - self._held_from)]

    def _quietest(self, start: int, stop: int) -> int:
        """The middle of the quietest 100 ms between two positions."""
        window = RATE_HZ // 10
        energy = np.cumsum(np.square(self._cut(start, stop)))
        return start + window // 2 + int(np.argmin(energy[window:] - energy[:-window]))


class _Agreement:
    """Lets words out when two guesses agree on them, and the rest at the end of the clip."""

    def __init__(self) -> None:
        self._last: tuple[str, ...] = ()
        self._out = 0

    def __call__(self, guess: Guess | Overflowed) -> Iterator[Event]:
        if isinstance(guess, Overflowed):
            self._last, self._out = (), 0
            yield guess
        elif guess.clip.final:
            yield from self._words(guess, len(guess.words))
            yield Transcribed(guess.clip.stop_s)
            self._last, self._out = (), 0
        else:
            # The last word of a growing clip is often half a word, whatever two guesses say.
            agreed = sum(1 for _ in takewhile(_same, zip(self._last, guess.words[:-1], strict=False)))
            self._last = guess.words
            yield from self._words(guess, agreed)

    def _words(self, guess: Guess, until: int) -> Iterator[Word]:
        times = _shared_out(guess.words, guess.clip.start_s, guess.clip.stop_s)
        for index in range(self._out, until):
            yield Word(guess.words[index], *times[index])
        self._out = max(self._out, until)


def _same(pair: tuple[str, str]) -> bool:
    return _bare(pair[0]) == _bare(pair[1])


def _bare(word: str) -> str:
    return "".join(filter(str.isalnum, word)).lower()


def _shared_out(words: tuple[str, ...], start_s: float, stop_s: float) -> list[tuple[float, float]]:
    """Start and stop of each word, if all letters took the same time."""
    ends = np.cumsum([0, *(len(word) + 1 for word in words)])
    times = start_s + (stop_s - start_s) * ends / max(1, ends[-1])
    return [(float(a), float(b)) for a, b in zip(times, times[1:], strict=False)]
