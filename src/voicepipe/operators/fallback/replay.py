"""`Memory`: keep what a source has sent, for a stage that subscribes later."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable, SerialDisposable

__all__ = ["Memory"]

A = TypeVar("A")


class Memory(Generic[A]):
    """One subscription to `source`, from the first subscriber on, shared by any number of subscribers.

    Each subscriber of `items` gets what the source has sent so far, then the rest as it comes, then its end. Up to
    `capacity` items are kept; at one more all are dropped, and no later subscriber can get everything. `forget` drops
    them when no subscriber is expected.
    """

    def __init__(self, source: Observable[A], capacity: int) -> None:
        self.items: Observable[A] = Observable(self._listen)
        self._source, self._capacity = source, capacity
        self._kept: list[A] = []
        self._keeping = True
        self._overrun = False
        self._listeners: list[_Listener[A]] = []
        self._connected = False
        self._ended = False
        self._error: Exception | None = None
        self._subscription = SerialDisposable()

    def possible(self) -> bool:
        """Return whether a new subscriber would get everything, and the source has not failed."""
        return not self._overrun and self._error is None

    def forget(self) -> None:
        """Keep nothing from now on."""
        self._keeping = False
        self._kept = []

    def dispose(self) -> None:
        """Dispose the subscription to the source."""
        self.forget()
        self._subscription.dispose()

    def _listen(self, observer: abc.ObserverBase[A], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        listener = _Listener(observer, self._kept)
        self._listeners.append(listener)
        if self._ended:
            listener.end(self._error)
        listener.drain()
        if not self._connected:
            self._connected = True
            self._subscription.disposable = self._source.subscribe(
                self._next, self._end, lambda: self._end(None), scheduler=scheduler
            )

        def leave() -> None:
            listener.left = True
            if listener in self._listeners:
                self._listeners.remove(listener)

        return Disposable(leave)

    def _next(self, item: A) -> None:
        if self._keeping:
            self._keep(item)
        # A copy: a subscriber that this item adds gets it from the kept ones.
        for listener in self._listeners.copy():
            listener.waiting.append(item)
            listener.drain()

    def _keep(self, item: A) -> None:
        if len(self._kept) < self._capacity:
            self._kept.append(item)
        else:
            self._overrun = True
            self.forget()

    def _end(self, error: Exception | None) -> None:
        self._ended, self._error = True, error
        for listener in self._listeners.copy():
            listener.end(error)
            listener.drain()


class _Listener(Generic[A]):
    """A subscriber and its pending items: in order, also when one item causes the next."""

    def __init__(self, observer: abc.ObserverBase[A], kept: list[A]) -> None:
        self.waiting = deque(kept)
        self.left = False
        self._observer = observer
        self._draining = False
        self._ended = False
        self._error: Exception | None = None

    def end(self, error: Exception | None) -> None:
        self._ended, self._error = True, error

    def drain(self) -> None:
        if self._draining:
            return
        self._draining = True
        while self.waiting and not self.left:
            self._observer.on_next(self.waiting.popleft())
        self._draining = False
        if self._ended and not self.left:
            self._close()

    def _close(self) -> None:
        self.left = True
        if self._error is None:
            self._observer.on_completed()
        else:
            self._observer.on_error(self._error)
