"""`publish` and `LoopSubject`: one stream for several observers of one event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from voicepipe.rx.loop_observable import Disposables, LoopObservable
from voicepipe.stage import Stage

__all__ = ["LoopSubject", "publish"]

A = TypeVar("A")
B = TypeVar("B")


class LoopSubject(LoopObservable[A], abc.ObserverBase[A]):
    """`reactivex.subject.Subject` without its locks: emits to its observers what it is told.

    An item goes to those that are subscribed when it comes, in their order. Late observers get the end, or the error.
    """

    def __init__(self) -> None:
        super().__init__(self._join)
        self._observers: tuple[abc.ObserverBase[A], ...] = ()
        self._end: Callable[[abc.ObserverBase[A]], None] | None = None

    def on_next(self, value: A) -> None:
        """Emit an item; nothing after the end."""
        for observer in self._observers:
            observer.on_next(value)

    def on_error(self, error: Exception) -> None:
        """End with an error."""
        self._over(lambda observer: observer.on_error(error))

    def on_completed(self) -> None:
        """Complete."""
        self._over(lambda observer: observer.on_completed())

    def _over(self, end: Callable[[abc.ObserverBase[A]], None]) -> None:
        if self._end is None:
            self._end = end
            observers, self._observers = self._observers, ()
            for observer in observers:
                end(observer)

    def _join(self, observer: abc.ObserverBase[A], _: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        if self._end is not None:
            self._end(observer)
            return Disposable()
        self._observers = (*self._observers, observer)
        return _Membership(self, observer)

    def leave(self, observer: abc.ObserverBase[A]) -> None:
        """Emit nothing more to an observer."""
        self._observers = tuple(one for one in self._observers if one is not observer)


class _Membership(abc.DisposableBase):
    __slots__ = ("_observer", "_subject")

    def __init__(self, subject: LoopSubject[A], observer: abc.ObserverBase[A]) -> None:
        self._subject, self._observer = subject, observer

    def dispose(self) -> None:
        self._subject.leave(self._observer)


def publish(parts: Callable[[Observable[A]], Observable[B]]) -> Stage[A, B]:
    """Subscribe the source once for all that `parts` makes of it: `rx_ops.publish(parts)` without its locks.

    The parts are subscribed before the source, so that they see its first item. Ends as what `parts` returns does;
    disposing disposes both.

    Args:
        parts: From the source, which it may use several times, to an observable.

    .. marbles::

        source    a-b-c|
        publish   A-B-C|     A: a and a
    """

    def stage(source: Observable[A]) -> Observable[B]:
        def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            subject: LoopSubject[A] = LoopSubject()
            running = parts(subject).subscribe(observer, scheduler=scheduler)
            return Disposables(running, source.subscribe(subject, scheduler=scheduler))

        return LoopObservable(subscribe)

    return stage
