"""`fill_gaps`: a microphone that stops sending must not leave a turn open."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import overload

import numpy as np
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.events import Audio, AudioDeferred, Event, InputCleared, InputCommitted, InputRejected
from voicepipe.presets import Gaps
from voicepipe.rx import Clock, merge, transduce
from voicepipe.rx.publish import publish
from voicepipe.stage import Stage, stage_factory, takes_preset

__all__ = ["fill_gaps"]


@overload
def fill_gaps(gaps: Gaps, /) -> Stage[Audio | Event, Audio | Event]: ...


@overload
def fill_gaps(*, after_ms: float, at_most_ms: float) -> Stage[Audio | Event, Audio | Event]: ...


@takes_preset(Gaps)
@stage_factory(gives=(Audio,), passes=True)
def fill_gaps(*, after_ms: float, at_most_ms: float) -> Stage[Audio | Event, Audio | Event]:
    """Insert silence where the client has sent no audio for a while, so that any turn ends.

    A muted or lost microphone sends nothing, and a VAD without frames would wait forever. One timer per session ticks
    every `after_ms`; frames start none. After a packet that is longer than that, the next may take as long, and half of
    `after_ms`. No silence is inserted where sound is deferred (`AudioDeferred`, which is not passed on). Everything
    else passes as it comes.

    Where the client ends the detector's turn (`InputCommitted` without an item, `InputCleared`), silence of
    `at_most_ms` follows at once.

    Args:
        after_ms: How long the client may send nothing before silence is inserted.
        at_most_ms: How much silence is inserted between two packets at the most.

    .. marbles::

        mic         a-----------b|     after_ms=40, at_most_ms=80
        fill_gaps   a-s-s-------b|     s: 40 ms of silence
    """
    tick_s = after_ms / 1000

    def stage(source: Observable[Audio | Event]) -> Observable[Audio | Event]:
        def ticking(mic: Observable[Audio | Event]) -> Observable[Audio | Event | _Tick]:
            over = mic.pipe(rx_ops.ignore_elements(), rx_ops.materialize())
            ticks = reactivex.interval(tick_s).pipe(rx_ops.map(lambda _: _TICK), rx_ops.take_until(over))
            return merge(mic, ticks)

        return source.pipe(publish(ticking), transduce(lambda clock: _Gaps(clock, tick_s, at_most_ms / 1000)))

    return stage


class _Tick:
    """A tick of the timer."""


_TICK = _Tick()


class _Gaps:
    def __init__(self, clock: Clock, after_s: float, at_most_s: float) -> None:
        self._clock, self._after_s, self._at_most_s = clock, after_s, at_most_s
        self._rate_hz: int | None = None
        self._heard_at = self._ticked_at = clock()
        # The time after the last packet at which the next one counts as missing.
        self._due_s = after_s
        self._held = False
        self._filled_s = 0.0

    def __call__(self, event: Audio | Event | _Tick) -> Iterable[Audio | Event]:
        match event:
            case Audio():
                self._hear(event)
                return (event,)
            case _Tick():
                return self._fill()
            case AudioDeferred():
                self._held = True
                return ()
            case InputRejected():
                self._held = False
            case InputCleared() | InputCommitted(item=""):
                return itertools.chain((event,), self._end())
            case _:
                pass
        return (event,)

    def _hear(self, audio: Audio) -> None:
        self._held = False
        self._rate_hz, self._heard_at, self._filled_s = audio.rate_hz, self._clock(), 0.0
        self._due_s = max(self._after_s, audio.duration_s + self._after_s / 2)

    def _fill(self) -> Iterator[Audio]:
        now = self._clock()
        # A late tick means nothing: the loop was busy, and packets sent meanwhile are not read yet.
        late, self._ticked_at = now - self._ticked_at > 1.5 * self._after_s, now
        silent = not late and not self._held and now - self._heard_at >= self._due_s
        if silent and self._filled_s < self._at_most_s:
            yield from self._silence()

    def _end(self) -> Iterator[Audio]:
        """Yield the silence that is missing to end any turn."""
        while self._rate_hz is not None and self._filled_s < self._at_most_s:
            yield from self._silence()

    def _silence(self) -> Iterator[Audio]:
        if self._rate_hz is not None:
            self._filled_s += self._after_s
            yield Audio(np.zeros(round(self._after_s * self._rate_hz), np.float32), self._rate_hz)
