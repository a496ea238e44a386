"""`defer`: an observable that is made for each subscription."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reactivex import Observable, abc

from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.rx.scheduler import LoopScheduler, scheduler_of

__all__ = ["defer"]

A = TypeVar("A")


def defer(make: Callable[[LoopScheduler], Observable[A]]) -> Observable[A]:
    """Subscribe what a function makes, once per subscription: `reactivex.defer` without its locks.

    Emits, completes and fails as what was made does; an exception of the function is an error. Disposing disposes it.

    Args:
        make: Called with the session's scheduler.

    .. marbles::

        made    a-b|
        defer   a-b|
    """

    def subscribe(observer: abc.ObserverBase[A], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        return make(scheduler_of(scheduler)).subscribe(observer, scheduler=scheduler)

    return LoopObservable(subscribe)
