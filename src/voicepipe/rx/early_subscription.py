"""`EarlySubscription`: a source that is subscribed before it is wanted. `until_used` waits for its use."""

from __future__ import annotations

from collections import deque
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import SerialDisposable

from voicepipe.rx.loop_observable import Disposables, LoopObservable
from voicepipe.rx.scheduler import LoopScheduler, scheduler_of

__all__ = ["EarlySubscription", "until_used"]

A = TypeVar("A")


class EarlySubscription(abc.ObserverBase[A], Generic[A]):
    """A subscription that keeps what its source emits until it is used, once, or disposed.

    Sound below it is held (`LoopScheduler.ahead`). It is not `usable` when its source has failed, or has emitted more
    than `capacity` items: it is disposed then.

    Args:
        source: Subscribed at once.
        scheduler: The session's.
        capacity: How many items are kept.
    """

    def __init__(self, source: Observable[A], scheduler: LoopScheduler, capacity: int) -> None:
        self._scheduler, self._capacity = scheduler.ahead(), capacity
        self.kept: deque[A] = deque()
        self.usable = True
        self._observer: abc.ObserverBase[A] | None = None
        self._completed = False
        self._running = SerialDisposable()
        running = source.subscribe(self, scheduler=self._scheduler)
        if self.usable:
            self._running.disposable = running
        else:
            running.dispose()

    def used(self) -> Observable[A]:
        """Emit what was kept, and go on as the source does: for one subscriber. Disposing disposes the source."""

        def subscribe(observer: abc.ObserverBase[A], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            self.usable = False
            using = Disposables(self._running)
            while self.kept and not using.is_disposed:
                observer.on_next(self.kept.popleft())
            self._observer = observer
            using.add(self._scheduler.used_by(scheduler_of(scheduler)))
            if self._completed:
                observer.on_completed()
            return using

        return LoopObservable(subscribe)

    def dispose(self) -> None:
        """Throw it away."""
        self.usable = False
        self._running.dispose()

    def on_next(self, value: A) -> None:
        if self._observer is not None:
            self._observer.on_next(value)
        elif len(self.kept) < self._capacity:
            self.kept.append(value)
        else:
            self.dispose()

    def on_error(self, error: Exception) -> None:
        if self._observer is not None:
            self._observer.on_error(error)
        else:
            self.dispose()

    def on_completed(self) -> None:
        self._completed = True
        if self._observer is not None:
            self._observer.on_completed()


def until_used() -> Observable[Any]:
    """Complete when the reply is used in which it stands: at once, unless that was begun ahead (`speculate`).

    What has an effect outside of a reply stands behind it, so that it never happens for a reply that is thrown away:
    `concat(until_used(), booking)`. Disposing ends the wait.

    .. marbles::

        used         --u|     u: a reply that was begun ahead is used
        until_used   --|
    """

    def subscribe(observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        return scheduler_of(scheduler).when_used(observer.on_completed)

    return LoopObservable(subscribe)
