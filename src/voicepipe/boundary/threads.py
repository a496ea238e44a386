"""Boundaries between a session's synchronous graph and worker threads, each with a capacity and a policy.

Inside a session everything is fused Rx on the event loop. A hop to a thread costs 20–130 µs, and items can queue. Each
boundary therefore states how many items may wait and what happens to the rest; an `Overflowed` event reports drops.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from voicepipe.boundary.lane import Lane, Limits, nothing_lost, required
from voicepipe.boundary.overflow import Overflow
from voicepipe.boundary.pending import PendingMark, PendingWork
from voicepipe.boundary.workers import Outcome, Priority, Ticket, Workers
from voicepipe.events import Overflowed
from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.stage import Stage

__all__ = ["ask_worker", "from_worker", "in_worker"]


A = TypeVar("A")

B = TypeVar("B")


def in_worker(
    work: Callable[[A, Ticket], B],
    workers: Workers,
    *,
    boundary: str,
    capacity: int,
    overflow: Overflow,
    optional: Callable[[A], bool] = required,
    lost_ms: Callable[[A], float] = nothing_lost,
    priority: Priority = Priority.TURN,
    backlog: PendingWork | None = None,
) -> Stage[A, B | Overflowed]:
    """Run the blocking `work(item, ticket)` in the pool, one item at a time; results keep the order of the items.

    Up to `capacity` items wait. On one more, `DROP_OLDEST` and `LATEST` drop waiting items and emit
    `Overflowed(boundary, lost_ms(item))`; `FAIL_TURN` and `FAIL_SESSION` end the stream with `BoundaryFull`.

    An `optional` item is skipped while an earlier item is under way, and is cancelled (`ticket.cancelled`) when an item
    arrives that is not optional: a guess must not delay an answer. An exception of `work` ends the stream. Disposing
    drops waiting items and cancels the running one. Completes when the source has completed and no item is left.

    Args:
        work: Called in a thread of the pool; it may look at `ticket.cancelled` to stop early.
        workers: The pool, shared by all sessions.
        boundary: The name of this boundary in errors and metrics.
        capacity: How many items of this subscription wait at the most.
        overflow: What happens on one more.
        optional: Tells which items may be skipped; by default none.
        lost_ms: The duration of a dropped item in milliseconds; by default 0.
        priority: Which items the pool takes first when several sessions wait.
        backlog: Counts every item that is not optional until its result is emitted.

    .. marbles::

        source       a-b---|       work takes 40 ms
        in_worker    --A-B-|
    """

    def stage(source: Observable[A]) -> Observable[B | Overflowed]:
        def subscribe(
            observer: abc.ObserverBase[B | Overflowed], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            def submit(item: A, done: Callable[[Outcome[B]], None]) -> Ticket:
                urgency = Priority.PARTIAL if optional(item) else priority
                return workers.submit(lambda ticket: work(item, ticket), done, priority=urgency, what=boundary)

            limits, gauge = Limits(boundary, capacity, overflow), PendingMark(backlog)
            lane = Lane(observer, submit, limits, optional, lost_ms, gauge)
            subscription = source.subscribe(lane.push, observer.on_error, lane.finish, scheduler=scheduler)
            return CompositeDisposable(subscription, Disposable(lane.dispose))

        return LoopObservable(subscribe)

    return stage


def ask_worker(
    work: Callable[[Ticket], B], workers: Workers, *, priority: Priority = Priority.TURN, what: str = "other"
) -> Observable[B]:
    """Emit the result of one blocking call. Each subscription makes a new call; disposing cancels it.

    `what` is the kind of work, in the pool's metrics.
    """

    def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        def answer(outcome: Outcome[B]) -> None:
            if outcome.error is not None:
                return observer.on_error(outcome.error)
            observer.on_next(outcome.value)  # pyright: ignore[reportArgumentType]
            return observer.on_completed()

        return Disposable(workers.submit(work, answer, priority=priority, what=what).cancel)

    return LoopObservable(subscribe)


def from_worker(
    produce: Callable[[Callable[[B], None], Ticket], None],
    workers: Workers,
    *,
    priority: Priority = Priority.TURN,
    what: str = "other",
) -> Observable[B]:
    """Emit what a blocking producer emits: `produce(emit, ticket)` runs in the pool and calls `emit(item)` for each
    item.

    Completes when `produce` returns, and fails with what it raises. Disposing sets `ticket.cancelled` and drops later
    items; the thread is free when the producer reads its ticket. The queue to the loop is unbounded: a producer of text
    emits about a hundred items a second. `what` is the kind of work, in the pool's metrics.
    """

    def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        mailbox = _Mailbox(observer)

        def answer(outcome: Outcome[None]) -> None:
            mailbox.empty()
            if outcome.error is not None:
                return observer.on_error(outcome.error)
            return observer.on_completed()

        def work(ticket: Ticket) -> None:
            produce(mailbox.emitter(ticket), ticket)

        return Disposable(workers.submit(work, answer, priority=priority, what=what).cancel)

    return LoopObservable(subscribe)


class _Mailbox(Generic[B]):
    """Items from a thread to the loop: one wake-up for a burst, in the subscriber's context."""

    def __init__(self, observer: abc.ObserverBase[B]) -> None:
        self._observer, self._loop = observer, asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._items: deque[Any] = deque()
        self._ticket: Ticket | None = None

    def emitter(self, ticket: Ticket) -> Callable[[B], None]:
        self._ticket = ticket

        def emit(item: B) -> None:
            self._items.append(item)
            if len(self._items) == 1:
                self._loop.call_soon_threadsafe(self.empty, context=self._context)

        return emit

    def empty(self) -> None:
        while self._items:
            item = self._items.popleft()
            if self._ticket is not None and not self._ticket.cancelled:
                self._observer.on_next(item)
