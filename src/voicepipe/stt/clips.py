"""The microphone's sound, cut into clips by a VAD's edges: what a recogniser of whole clips is given. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from voicepipe.events import Audio, Event, FlushRequested, Samples, SpeechStarted, SpeechStopped, TurnTaking
from voicepipe.presets import Utterances

__all__ = ["RATE_HZ", "Clip", "Clips", "Cut", "Settle", "is_guess", "length_ms"]

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


def is_guess(item: Clip | Settle) -> bool:
    """Return whether a clip may be skipped: its speech goes on."""
    return isinstance(item, Clip) and not item.whole


def length_ms(item: Clip | Settle) -> float:
    """Return how much speech is lost with an item."""
    return (item.stop_s - item.start_s) * 1000 if isinstance(item, Clip) else 0.0


def _samples(seconds: float) -> int:
    return round(seconds * RATE_HZ)


@dataclass(frozen=True, slots=True)
class _Limits:
    margin: int
    partial: int
    join: int
    longest: int

    @classmethod
    def of(cls, utterances: Utterances) -> _Limits:
        return cls(
            _samples(utterances.margin_ms / 1000),
            _samples(utterances.partial_every_ms / 1000),
            _samples(utterances.join_up_to_s),
            _samples(utterances.longest_s),
        )


Cut: TypeAlias = Clip | Settle
"""The parts into which the microphone's sound is cut."""


class Clips:
    """Cut the microphone's sound into clips. Positions are samples at 16 kHz since the subscription.

    Whole clips depend on the sound and on where its edges are, not on the packets: every decision compares positions. A
    packet arrives before the edges that a VAD finds in it, so a decision that needs the edges (`_cut_long`) waits for
    the next packet. Guesses do not wait: they are optional.
    """

    def __init__(self, utterances: Utterances) -> None:
        self._limits = limits = _Limits.of(utterances)
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

    def __call__(self, event: Audio | Event) -> Iterator[Cut]:
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
                self._let_go(self._sound.end if self._began is None else self._began)
                self._prefix = None if prefix_ms is None else _samples(prefix_ms / 1000)
            case _:
                pass

    def _start(self, at: int, noticed: int) -> Iterator[Cut]:
        if self._began is not None and self._paused is not None and self._paused - self._began >= self._limits.join:
            yield self._settle(self._paused)
            self._began = None
        if self._began is None:
            self._let_go(noticed)
            self._begin(at, self._limits.margin if self._prefix is None else min(self._prefix, at - self._settled))
        self._paused = None
        self._guess_at = noticed + self._limits.partial

    def _stop(self, stopped: SpeechStopped) -> Iterator[Cut]:
        noticed = _samples(stopped.noticed_s)
        yield from self._cut_long(noticed)
        if self._began is not None:
            self._paused = max(_samples(stopped.at_s), self._began)
            self._voiced_s += math.inf if stopped.voiced_s is None else stopped.voiced_s
            until = min(self._paused + self._limits.margin, noticed)
            yield replace(self._clip(self._began, self._paused, until, whole=True), voiced_s=self._voiced_s)

    def _flush(self, at_s: float) -> Iterator[Cut]:
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

    def _cut_long(self, known: int) -> Iterator[Cut]:
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
        """Mark the words before `at` as final."""
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
        """Return how many samples before the present a clip may begin: an onset is noticed up to a second late."""
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
