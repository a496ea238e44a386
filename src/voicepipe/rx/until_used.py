"""`until_used`: wait until a reply is used that was begun ahead."""

from __future__ import annotations

from typing import Any

from reactivex import Observable, abc

from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.rx.scheduler import scheduler_of

__all__ = ["until_used"]


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
