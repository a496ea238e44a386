"""`LoopObservable`: an observable that takes no lock for a subscription, because a session has one thread.

reactivex guards each subscription against other threads: it makes eight objects, two of them locks, and each item
passes a method that asks whether the subscription is over. A session's graph has about a hundred subscriptions, and a
packet of sound passes thirty. Here a subscription is one object, and an item passes it without a call.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Protocol, TypeVar

from reactivex import Observable, abc
from reactivex.internal import default_error, noop

from voicepipe.rx.scheduler import LoopScheduler

__all__ = ["Disposables", "LoopObservable"]

A = TypeVar("A")
A_contra = TypeVar("A_contra", contravariant=True)


class LoopObservable(Observable[A]):
    """An observable for one event loop. With another scheduler than a `LoopScheduler` it is reactivex's own.

    What holds there, holds here: after an end, an error or its disposal an observer gets nothing, and the source is
    disposed; an exception while it is subscribed is an error.

    Args:
        subscribe: As of `reactivex.Observable`.
    """

    # An attribute of each instance in reactivex; operators of reactivex enter it.
    lock: Any = nullcontext()

    def __init__(self, subscribe: abc.Subscription[A] | None = None) -> None:
        self._subscribe = subscribe  # the base's own would make a lock

    def subscribe(
        self,
        on_next: abc.ObserverBase[A] | abc.OnNext[A] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        """Subscribe an observer, or functions, as in reactivex."""
        if not isinstance(scheduler, LoopScheduler):
            return super().subscribe(on_next, on_error, on_completed, scheduler=scheduler)
        target: Any = on_next if hasattr(on_next, "on_next") else _Functions(on_next, on_error, on_completed)
        subscription: _Subscription[A] = _Subscription(target)  # `_Subscription[A](…)` would look for a `__dict__`
        try:
            subscription.attach(self._subscribe_core(subscription, scheduler))
        except Exception as error:
            if not subscription.fail(error):
                raise
        return subscription


class _Target(Protocol[A_contra]):
    """An observer as it is used here."""

    @property
    def on_next(self) -> Callable[[A_contra], object]: ...

    def on_error(self, error: Exception, /) -> object: ...

    def on_completed(self) -> object: ...


class _Functions:
    """An observer of functions."""

    __slots__ = ("on_completed", "on_error", "on_next")

    def __init__(self, on_next: Any, on_error: abc.OnError | None, on_completed: abc.OnCompleted | None) -> None:
        self.on_next = on_next or noop
        self.on_error = on_error or default_error
        self.on_completed = on_completed or noop


class _Subscription(abc.ObserverBase[A], abc.DisposableBase):
    """The observer that a source sees, and the disposable that the subscriber gets.

    `on_next` is the subscriber's own function, and one that drops its argument when the subscription is over.
    """

    __slots__ = ("_source", "_target", "on_next")

    def __init__(self, target: _Target[A]) -> None:
        self._target: _Target[A] | None = target
        self._source: abc.DisposableBase | None = None
        self.on_next: Any = target.on_next

    def attach(self, source: abc.DisposableBase) -> None:
        """Dispose `source` when the subscription is over: now, if it is over already."""
        if self._target is None:
            source.dispose()
        else:
            self._source = source

    def on_error(self, error: Exception) -> None:
        if (target := self._stopped()) is not None:
            try:
                target.on_error(error)
            finally:
                self.dispose()

    def on_completed(self) -> None:
        if (target := self._stopped()) is not None:
            try:
                target.on_completed()
            finally:
                self.dispose()

    def fail(self, error: Exception) -> bool:
        """Pass on an error of the source's subscribing; return whether the subscription was not over before."""
        target = self._stopped()
        if target is not None:
            target.on_error(error)
        return target is not None

    def dispose(self) -> None:
        self._stopped()
        source, self._source = self._source, None
        if source is not None:
            source.dispose()

    def _stopped(self) -> _Target[A] | None:
        """Return the observer, if the subscription was not over; it is over then."""
        target, self._target = self._target, None
        self.on_next = noop
        return target


class Disposables(abc.DisposableBase):
    """Disposables that are disposed together, in order. More may be added; after the disposal these are disposed at
    once."""

    __slots__ = ("_parts",)

    def __init__(self, *parts: abc.DisposableBase) -> None:
        self._parts: list[abc.DisposableBase] | None = list(parts)

    @property
    def is_disposed(self) -> bool:
        return self._parts is None

    def add(self, part: abc.DisposableBase) -> None:
        """Add a disposable."""
        if self._parts is None:
            part.dispose()
        else:
            self._parts.append(part)

    def dispose(self) -> None:
        parts, self._parts = self._parts, None
        for part in parts or ():
            part.dispose()
