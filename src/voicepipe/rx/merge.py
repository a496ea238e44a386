"""`merge`: several streams of one event loop as one."""

from __future__ import annotations

from typing import Any, TypeVar

from reactivex import Observable, abc

from voicepipe.rx.loop_observable import Disposables, LoopObservable

__all__ = ["merge"]

A = TypeVar("A")


def merge(*sources: Observable[A]) -> Observable[A]:
    """Emit the items of all sources as they come; the sources are subscribed in order.

    This is `reactivex.merge` without its locks, which guard against other threads: a session has one thread. Completes
    when all have; an error of one ends all.

    Args:
        sources: The observables; one that two of them derive from needs a `share()`, or it runs twice.

    Returns:
        An observable of all their items.

    .. marbles::

        a       a---a-|
        b       -b---b--|
        merge   ab--ab--|
    """

    def subscribe(observer: abc.ObserverBase[A], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        merged = _Merged(observer, len(sources))
        for source in sources:
            if not merged.subscriptions.is_disposed:
                merged.subscriptions.add(source.subscribe(merged, scheduler=scheduler))
        return merged.subscriptions

    return LoopObservable(subscribe)


class _Merged(abc.ObserverBase[Any]):
    """The observer of all sources; an item passes it without a call."""

    __slots__ = ("_left", "_observer", "on_next", "subscriptions")

    def __init__(self, observer: abc.ObserverBase[Any], sources: int) -> None:
        self._observer, self._left = observer, sources
        self.subscriptions = Disposables()
        self.on_next: Any = observer.on_next

    def on_error(self, error: Exception) -> None:
        self.subscriptions.dispose()
        self._observer.on_error(error)

    def on_completed(self) -> None:
        self._left -= 1
        if not self._left:
            self._observer.on_completed()
