"""`pace`: release the bot's voice at the speed at which it is heard."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar, overload

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, SerialDisposable

from voicepipe.events import Audio, Event, ReplyAudio, Unpaced, WordSpoken
from voicepipe.presets import Playback
from voicepipe.rx import Clock, transduce
from voicepipe.rx.defer import defer
from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.rx.scheduler import LoopScheduler, scheduler_of
from voicepipe.stage import Stage, stage_factory, takes_preset

__all__ = ["Due", "pace", "release_at"]


T = TypeVar("T")

_ROUNDING_S = 1e-6


@overload
def pace(playback: Playback, /) -> Stage[Unpaced | Event, ReplyAudio | Event]: ...


@overload
def pace(*, lead_ms: float, frame_ms: float) -> Stage[Unpaced | Event, ReplyAudio | Event]: ...


@takes_preset(Playback)
@stage_factory(passes=True)
def pace(*, lead_ms: float, frame_ms: float) -> Stage[Unpaced | Event, ReplyAudio | Event]:
    """Release `ReplyAudio` as it is played, and each `WordSpoken` when its sound is heard; the rest passes at once.

    The playback clock starts with the first frame. When the TTS falls behind, or the process stalls, the clock stands
    still: the next frame is released at once, and later ones are timed from there. Completes when the last sound has
    been *played*, so that a reply that has ended has been heard. Sound made ahead waits here and is dropped when the
    turn is disposed.

    While the scheduler's `hold` is on, no sound is released: what was released is heard, with its words, and then the
    playback clock stands still. When the hold ends, the next frame is released at once, and nothing is lost or doubled.

    Args:
        lead_ms: How far ahead of the playback clock sound is released: what a client buffers.
        frame_ms: The length of each piece of sound.

    .. marbles::

        tts    (abcd)|       four frames of 20 ms
        pace   (abc)d--|     with a lead of 40 ms; d has been played at 80 ms
    """

    def stage(source: Observable[Unpaced | Event]) -> Observable[ReplyAudio | Event]:
        def play(scheduler: LoopScheduler) -> Observable[ReplyAudio | Event]:
            clock = _PlaybackClock(scheduler.clock)
            return source.pipe(
                transduce(lambda _: _Playback(clock, lead_ms / 1000, frame_ms / 1000), finish=_Playback.rest),
                _released(lambda observer, own: _HeldQueue(observer, own, clock, lead_ms / 1000)),
            )

        return defer(play)

    return stage


class _PlaybackClock:
    """The session's clock, which stands still while the client has no more sound to play.

    `stop_at_s`: the reading at which it stands still; None while the sound is not held.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.behind_s = 0.0
        self.stop_at_s: float | None = None

    def __call__(self) -> float:
        now_s = self._clock() - self.behind_s
        return now_s if self.stop_at_s is None else min(now_s, self.stop_at_s)

    def wait_for(self, plays_at_s: float) -> float:
        """Stand still from then to now, if that is past, and return for how long: a client that has had nothing to play
        since the process stalled plays what comes now, and the frames that came due must not all go out at once."""
        late_s = self() - plays_at_s
        if late_s <= _ROUNDING_S:
            return 0.0
        self.behind_s += late_s
        return late_s

    def go_on(self) -> None:
        """Go on from the reading at which it stands."""
        self.behind_s = self._clock() - self()
        self.stop_at_s = None


class _Playback:
    """Due times of frames and words. `_made_s` counts the audio made, `_plays_at` is when its next sample plays."""

    def __init__(self, clock: Clock, lead_s: float, frame_s: float) -> None:
        self._clock, self._lead_s, self._frame_s = clock, lead_s, frame_s
        self._made_s = 0.0
        self._plays_at = 0.0
        self._words: deque[WordSpoken] = deque()

    def __call__(self, event: Unpaced | Event) -> Iterator[Due[ReplyAudio | Event]]:
        match event:
            case ReplyAudio(audio=audio):
                yield from self._frames(audio)
            case WordSpoken():
                self._words.append(event)
                yield from self._due_words()
            case Unpaced():
                pass  # only `ReplyAudio` derives from it: for the type checker
            case _:
                yield Due(self._clock(), event)

    def rest(self) -> Iterator[Due[ReplyAudio | Event]]:
        for word in self._words:
            yield Due(self._plays_at, word)
        yield Due(self._plays_at, None)

    def _frames(self, audio: Audio) -> Iterator[Due[ReplyAudio | Event]]:
        step = max(1, round(self._frame_s * audio.rate_hz))
        for start in range(0, len(audio.samples), step):
            yield from self._frame(Audio(audio.samples[start : start + step], audio.rate_hz))

    def _frame(self, frame: Audio) -> Iterator[Due[ReplyAudio | Event]]:
        self._plays_at = max(self._plays_at, self._clock())
        yield Due(self._plays_at - self._lead_s, ReplyAudio(frame))
        self._plays_at += frame.duration_s
        self._made_s += frame.duration_s
        yield from self._due_words()

    def _due_words(self) -> Iterator[Due[ReplyAudio | Event]]:
        """Yield the words that begin within the sound made so far."""
        while self._words and self._words[0].start_s < self._made_s:
            word = self._words.popleft()
            yield Due(self._plays_at - (self._made_s - word.start_s), word)


class Due(Generic[T]):
    """An item and its due time in seconds on the session's clock. Without an item it only takes time."""

    __slots__ = ("at_s", "item")

    def __init__(self, at_s: float, item: T | None) -> None:
        self.at_s, self.item = at_s, item


def release_at() -> Stage[Due[T], T]:
    """Release items at their due times, the earliest first, equal ones in the order of arrival; overdue ones at once.

    One timer runs at a time, whatever the length of the queue. Completes when the source has completed and the queue is
    empty; an error of the source is passed on at once, and drops the queue. The queue is unbounded: its source bounds
    it.

    .. marbles::

        source       (abc|)        a due now, b at 40 ms, c at 80 ms
        release_at   a-b-(c|)
    """

    return _released(_Queue[T])


def _released(make: Callable[[abc.ObserverBase[T], LoopScheduler], _Queue[T]]) -> Stage[Due[T], T]:
    def stage(source: Observable[Due[T]]) -> Observable[T]:
        def subscribe(observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            queue = make(observer, scheduler_of(scheduler))
            subscription = source.subscribe(queue.push, observer.on_error, queue.finish, scheduler=scheduler)
            return CompositeDisposable(subscription, queue.running)

        return LoopObservable(subscribe)

    return stage


class _Queue(Generic[T]):
    behind_s = 0.0  # how much later than its due time an item is released

    def __init__(self, observer: abc.ObserverBase[T], scheduler: LoopScheduler) -> None:
        self._timer = SerialDisposable()
        self.running = CompositeDisposable(self._timer)
        self._observer, self._scheduler = observer, scheduler
        self._heap: list[tuple[float, int, T | None]] = []
        self._numbers = itertools.count()
        self._armed_for: float | None = None
        self._finished = False

    def push(self, due: Due[T]) -> None:
        heapq.heappush(self._heap, (due.at_s, next(self._numbers), due.item))
        self._release(self._now())

    def finish(self) -> None:
        self._finished = True
        self._release(self._now())

    def _now(self) -> float:
        return self._scheduler.clock()

    def _release(self, until_s: float) -> None:
        while self._heap and self._heap[0][0] <= until_s:
            until_s -= self._take(heapq.heappop(self._heap))
        if self._heap:
            self._arm(self._heap[0][0])
        elif self._finished and not self._is_waiting:
            self._observer.on_completed()

    @property
    def _is_waiting(self) -> bool:
        """Return whether items wait that are not in the heap."""
        return False

    def _take(self, due: tuple[float, int, T | None]) -> float:
        """Release an item; return by how many seconds the clock has been set back."""
        if due[2] is not None:
            self._observer.on_next(due[2])
        return 0.0

    def _arm(self, when_s: float) -> None:
        if self._armed_for != when_s:
            self._armed_for = when_s
            self._timer.disposable = self._scheduler.call_at(when_s + self.behind_s, lambda: self._fire(when_s))

    def _fire(self, when_s: float) -> None:
        """Release what is due; a loop may call early by its clock's resolution, and the timer's own item is due
        then."""
        self._armed_for = None
        self._release(max(when_s, self._now()))


class _HeldQueue(_Queue[ReplyAudio | Event]):
    """Releases by a playback clock. While the sound is held, what comes due of it waits aside."""

    def __init__(
        self,
        observer: abc.ObserverBase[ReplyAudio | Event],
        scheduler: LoopScheduler,
        clock: _PlaybackClock,
        lead_s: float,
    ) -> None:
        super().__init__(observer, scheduler)
        self._hold, self._clock, self._lead_s = scheduler.hold, clock, lead_s
        self._played_until_s = 0.0
        self._aside: list[tuple[float, int, ReplyAudio | Event | None]] = []
        self.running.add(self._hold.listen(self._hold_changed))
        if self._hold.is_on:
            self._hold_changed()

    def _hold_changed(self) -> None:
        if self._hold.is_on:
            self._clock.stop_at_s = max(self._played_until_s, self._clock())
            return
        self._clock.go_on()
        self.behind_s, self._armed_for = self._clock.behind_s, None
        self._heap = sorted(self._heap + self._aside, key=lambda due: due[:2])
        self._aside = []
        self._release(self._now())

    def _now(self) -> float:
        return self._clock()

    @property
    def _is_waiting(self) -> bool:
        return bool(self._aside)

    def _take(self, due: tuple[float, int, ReplyAudio | Event | None]) -> float:
        at_s, _, item = due
        if self._hold.is_on and self._waits(due):
            self._aside.append(due)
            return 0.0
        late_s = 0.0
        if isinstance(item, ReplyAudio):
            late_s = self._clock.wait_for(at_s + self._lead_s)
            self.behind_s = self._clock.behind_s
            self._played_until_s = at_s + self._lead_s + item.audio.duration_s
        super()._take(due)
        return late_s

    def _waits(self, due: tuple[float, int, ReplyAudio | Event | None]) -> bool:
        """Return whether an item belongs to sound that has not been released."""
        at_s, _, item = due
        if isinstance(item, WordSpoken):
            return at_s >= self._played_until_s
        return isinstance(item, ReplyAudio) or (item is None and bool(self._aside))
