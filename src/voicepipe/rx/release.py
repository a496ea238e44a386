"""`release_at`: hold each item until it is due."""

from __future__ import annotations

import heapq
import itertools
from typing import Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, SerialDisposable

from voicepipe.rx.scheduler import LoopScheduler, scheduler_of
from voicepipe.stage import Stage

__all__ = ["Due", "release_at"]

T = TypeVar("T")


class Due(Generic[T]):
    """An item and the second, on the session's clock, at which it goes out. With no item it only takes time."""

    __slots__ = ("at_s", "item")

    def __init__(self, at_s: float, item: T | None) -> None:
        self.at_s, self.item = at_s, item


def release_at() -> Stage[Due[T], T]:
    """Release items at their due times, the earliest first, equals in the order of arrival; overdue ones at once.

    One timer runs at a time, whatever the queue holds. Completes when the source has and the queue is empty; an error
    of the source is passed on at once, and what waits is dropped with it. Nothing bounds the queue: what feeds it does.

    .. marbles::

        source       (abc|)        a due now, b at 40 ms, c at 80 ms
        release_at   a-b-(c|)
    """

    def stage(source: Observable[Due[T]]) -> Observable[T]:
        def subscribe(observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            queue = _Queue(observer, scheduler_of(scheduler))
            subscription = source.subscribe(queue.push, observer.on_error, queue.finish, scheduler=scheduler)
            return CompositeDisposable(subscription, queue.timer)

        return Observable(subscribe)

    return stage


class _Queue(Generic[T]):
    def __init__(self, observer: abc.ObserverBase[T], scheduler: LoopScheduler) -> None:
        self.timer = SerialDisposable()
        self._observer, self._scheduler = observer, scheduler
        self._heap: list[tuple[float, int, T | None]] = []
        self._numbers = itertools.count()
        self._armed_for: float | None = None
        self._finished = False

    def push(self, due: Due[T]) -> None:
        heapq.heappush(self._heap, (due.at_s, next(self._numbers), due.item))
        self._release(self._scheduler.clock())

    def finish(self) -> None:
        self._finished = True
        self._release(self._scheduler.clock())

    def _release(self, until_s: float) -> None:
        while self._heap and self._heap[0][0] <= until_s:
            item = heapq.heappop(self._heap)[2]
            if item is not None:
                self._observer.on_next(item)
        if self._heap:
            self._arm(self._heap[0][0])
        elif self._finished:
            self._observer.on_completed()

    def _arm(self, when_s: float) -> None:
        if self._armed_for != when_s:
            self._armed_for = when_s
            self.timer.disposable = self._scheduler.call_at(when_s, lambda: self._fire(when_s))

    def _fire(self, when_s: float) -> None:
        """A loop may call up to its clock's resolution early: what the timer was set for is due, whatever it reads."""
        self._armed_for = None
        self._release(max(when_s, self._scheduler.clock()))
