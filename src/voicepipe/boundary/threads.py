"""The places where a session leaves its synchronous graph, each with a capacity and a policy.

Inside a session everything is fused Rx on the event loop; a hop costs 20–130 µs and can pile up. So each crossing names
how much may wait and what happens to the rest, and what it drops is said by an `Overflowed` event.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from voicepipe.boundary.overflow import BoundaryFull, Overflow
from voicepipe.boundary.pending import PendingMark, PendingWork
from voicepipe.boundary.workers import Outcome, Priority, Ticket, Workers
from voicepipe.events import Overflowed
from voicepipe.stage import Stage

__all__ = ["ask_worker", "from_worker", "in_worker"]


A = TypeVar("A")

B = TypeVar("B")


def _required(_: object) -> bool:
    return False


def _nothing_lost(_: object) -> float:
    return 0.0


def in_worker(
    work: Callable[[A, Ticket], B],
    workers: Workers,
    *,
    boundary: str,
    capacity: int,
    overflow: Overflow,
    optional: Callable[[A], bool] = _required,
    lost_ms: Callable[[A], float] = _nothing_lost,
    priority: Priority = Priority.TURN,
    backlog: PendingWork | None = None,
) -> Stage[A, B | Overflowed]:
    """Run blocking `work(item, ticket)` in the pool, one item at a time, results in the order of the items.

    At most `capacity` items wait. One more: `DROP_OLDEST` and `LATEST` let go of waiting ones and emit
    `Overflowed(boundary, lost_ms(item))`, `FAIL_TURN` and `FAIL_SESSION` end with `BoundaryFull`.

    An item that is `optional` is skipped without a word while an earlier one is under way, and is itself told to stop
    (`ticket.cancelled`) when one comes that is not: a guess must never delay an answer. An exception of `work` ends the
    stream. Disposing forgets what waits and cancels what runs; completes when the source has and nothing is left.
    In `backlog` stands every item, but for optional ones, until its result is out.

    .. marbles::

        source       a-b---|       work takes 40 ms
        in_worker    --A-B-|
    """

    def stage(source: Observable[A]) -> Observable[B | Overflowed]:
        def subscribe(
            observer: abc.ObserverBase[B | Overflowed], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            limits, gauge = _Limits(boundary, capacity, overflow), PendingMark(backlog)
            lane = _Lane(observer, work, workers, limits, optional, lost_ms, priority, gauge)
            subscription = source.subscribe(lane.push, observer.on_error, lane.finish, scheduler=scheduler)
            return CompositeDisposable(subscription, Disposable(lane.dispose))

        return Observable(subscribe)

    return stage


@dataclass(frozen=True, slots=True)
class _Limits:
    boundary: str
    capacity: int
    overflow: Overflow


class _Lane(Generic[A, B]):
    """One session's items on their way through the pool."""

    def __init__(
        self,
        observer: abc.ObserverBase[B | Overflowed],
        work: Callable[[A, Ticket], B],
        workers: Workers,
        limits: _Limits,
        optional: Callable[[A], bool],
        lost_ms: Callable[[A], float],
        priority: Priority,
        gauge: PendingMark,
    ) -> None:
        self._observer, self._work, self._workers, self._limits = observer, work, workers, limits
        self._optional, self._lost_ms, self._priority, self._gauge = optional, lost_ms, priority, gauge
        self._waiting: deque[A] = deque()
        self._running: Ticket | None = None
        self._running_optional = False
        self._finished = False

    def push(self, item: A) -> None:
        if self._optional(item):
            if self._running is None:
                self._start(item)
            return
        if self._running is not None and self._running_optional:
            self._running.cancel()
            self._running = None
        self._gauge.show(behind=True)
        if self._running is None:
            self._start(item)
        elif self._make_room():
            self._waiting.append(item)

    def finish(self) -> None:
        self._finished = True
        if self._running is None:
            self._observer.on_completed()

    def dispose(self) -> None:
        self._waiting.clear()
        self._gauge.show(behind=False)
        if self._running is not None:
            self._running.cancel()

    def _make_room(self) -> bool:
        limits = self._limits
        if limits.overflow in (Overflow.FAIL_TURN, Overflow.FAIL_SESSION) and len(self._waiting) >= limits.capacity:
            self.dispose()
            self._observer.on_error(BoundaryFull(limits.boundary, limits.capacity))
            return False
        keep = 0 if limits.overflow is Overflow.LATEST else limits.capacity - 1
        while len(self._waiting) > keep:
            self._observer.on_next(Overflowed(limits.boundary, self._lost_ms(self._waiting.popleft())))
        return True

    def _start(self, item: A) -> None:
        self._running_optional = self._optional(item)
        priority = Priority.PARTIAL if self._running_optional else self._priority
        self._running = self._workers.submit(lambda ticket: self._work(item, ticket), self._done, priority=priority)

    def _done(self, outcome: Outcome[B]) -> None:
        self._running = None
        if outcome.error is not None:
            self.dispose()
            self._observer.on_error(outcome.error)
            return
        if self._waiting:
            self._start(self._waiting.popleft())
        self._observer.on_next(outcome.value)  # pyright: ignore[reportArgumentType] — a value where there is no error
        self._gauge.show(behind=self._running is not None and not self._running_optional)
        if self._finished and self._running is None:
            self._observer.on_completed()


def ask_worker(work: Callable[[Ticket], B], workers: Workers, *, priority: Priority = Priority.TURN) -> Observable[B]:
    """One answer of one blocking call; each subscription asks anew, and disposing cancels the question."""

    def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        def answer(outcome: Outcome[B]) -> None:
            if outcome.error is not None:
                return observer.on_error(outcome.error)
            observer.on_next(outcome.value)  # pyright: ignore[reportArgumentType]
            return observer.on_completed()

        return Disposable(workers.submit(work, answer, priority=priority).cancel)

    return Observable(subscribe)


def from_worker(
    produce: Callable[[Callable[[B], None], Ticket], None], workers: Workers, *, priority: Priority = Priority.TURN
) -> Observable[B]:
    """What a blocking producer emits, item by item: `produce(emit, ticket)` runs in the pool and calls `emit(item)`.

    Completes when it returns, fails with what it raises. Disposing sets `ticket.cancelled`, and what is emitted after
    that is dropped; the thread is free again when the producer looks at its ticket. Nothing bounds the items on their
    way to the loop: a producer of text gives a hundred a second.
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

        return Disposable(workers.submit(work, answer, priority=priority).cancel)

    return Observable(subscribe)


class _Mailbox(Generic[B]):
    """Items from a thread to the loop, one wake-up for a burst, in the context of who subscribed."""

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
