"""`in_task`: asynchronous work on one item at a time, as a stage: requests of a session to a service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from voicepipe.boundary.lane import Lane, Limits, nothing_lost, required
from voicepipe.boundary.overflow import Overflow
from voicepipe.boundary.pending import PendingMark, PendingWork
from voicepipe.boundary.workers import Outcome
from voicepipe.events import Overflowed
from voicepipe.rx import scheduler_of
from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.stage import Stage

__all__ = ["in_task"]

A = TypeVar("A")
B = TypeVar("B")


def in_task(
    work: Callable[[A, Callable[[B], None]], Awaitable[B]],
    *,
    boundary: str,
    capacity: int,
    overflow: Overflow,
    optional: Callable[[A], bool] = required,
    lost_ms: Callable[[A], float] = nothing_lost,
    backlog: PendingWork | None = None,
) -> Stage[A, B | Overflowed]:
    """Await `work(item, emit)` in a task, one item at a time; results keep the order of the items.

    What `work` emits before it returns comes at once. The rest is as in `in_worker`: up to `capacity` items wait, an
    `optional` item is skipped while an earlier item is under way, and its task is cancelled when an item arrives that
    is not optional. An exception of `work` ends the stream. Disposing drops waiting items and cancels the task; its
    `finally` runs to its end. Completes when the source has completed and no item is left.

    Args:
        work: Called with an item, and with a function that emits a first result.
        boundary: The name of this boundary in errors, metrics and the name of the task.
        capacity: How many items of this subscription wait at the most.
        overflow: What happens on one more.
        optional: Tells which items may be skipped; by default none.
        lost_ms: The duration of a dropped item in milliseconds; by default 0.
        backlog: Counts every item that is not optional until its result is emitted.

    .. marbles::

        source    a-b---|       work takes 40 ms
        in_task   --A-B-|
    """

    def stage(source: Observable[A]) -> Observable[B | Overflowed]:
        def subscribe(
            observer: abc.ObserverBase[B | Overflowed], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            session = scheduler_of(scheduler)

            async def run(item: A, done: Callable[[Outcome[B]], None]) -> None:
                try:
                    outcome = Outcome(value=await work(item, observer.on_next))
                except Exception as error:
                    outcome = Outcome[B](error=error)
                done(outcome)

            def submit(item: A, done: Callable[[Outcome[B]], None]) -> asyncio.Task[None]:
                return session.spawn(run(item, done), boundary)

            lane = Lane(observer, submit, Limits(boundary, capacity, overflow), optional, lost_ms, PendingMark(backlog))
            subscription = source.subscribe(lane.push, observer.on_error, lane.finish, scheduler=scheduler)
            return CompositeDisposable(subscription, Disposable(lane.dispose))

        return LoopObservable(subscribe)

    return stage
