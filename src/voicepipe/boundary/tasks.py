"""`async_stage`: an async generator function as a stage, a boundary between the graph and a task.

A remote service becomes a stage in this way: the function opens a socket, sends what it takes from its input, and
yields what it receives. Its `finally` and `async with` blocks close the socket at the end of the turn.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable
from functools import partial
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from voicepipe.boundary.overflow import BoundaryFull, Overflow
from voicepipe.events import Audio, Overflowed
from voicepipe.rx import LoopScheduler, scheduler_of
from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.stage import SessionError, Stage, StageError, called, stage_factory

__all__ = ["async_stage"]

A = TypeVar("A")
B = TypeVar("B")


def _audio_ms(item: object) -> float:
    return item.duration_s * 1000 if isinstance(item, Audio) else 0.0


@stage_factory()
def async_stage(
    work: Callable[[AsyncIterator[A]], AsyncIterable[B]],
    *,
    boundary: str,
    capacity: int,
    overflow: Overflow,
    lost_ms: Callable[[A], float] = _audio_ms,
) -> Stage[A, B | Overflowed]:
    """Return a stage that emits what `work(items)` yields; `work` returns an async iterable.

    Each subscription runs `work` in a task of its own, named `boundary`. `items` yields the source's items and ends
    when the source completes. Disposing cancels the task, and `switch_turn` waits for its clean-up. An error of the
    source cancels it, too, and is passed on at once. An exception of `work` becomes `StageError(boundary, …)`.

    Up to `capacity` items wait for `work`. On one more, `DROP_OLDEST` drops the oldest and emits
    `Overflowed(boundary, lost_ms(item))`, `LATEST` does so with a capacity of 1, `FAIL_TURN` fails with `BoundaryFull`,
    and `FAIL_SESSION` with a `SessionError`, which ends the session. `BLOCK` is refused: the graph cannot wait.

    Args:
        work: Called once per subscription with the items; usually an async generator function.
        boundary: The name of this boundary in errors, metrics and the name of the task.
        capacity: How many items wait for `work` at the most.
        overflow: What happens on one more.
        lost_ms: The duration of a dropped item in milliseconds; by default that of `Audio`, and 0 for other items.

    Raises:
        ValueError: The capacity or the policy is not possible here.
        TypeError: `work` has no `yield`.

    .. marbles::

        source        a-b-c--|      work takes 30 ms each
        async_stage   30ms A 20ms B 20ms C 10ms |
    """
    _check(work, boundary, capacity, overflow)

    def stage(source: Observable[A]) -> Observable[B | Overflowed]:
        def subscribe(
            observer: abc.ObserverBase[B | Overflowed], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            inbox = _Inbox[A](boundary, capacity, overflow, lost_ms)
            crossing = _Crossing(observer, work, inbox, scheduler_of(scheduler))
            subscription = source.subscribe(crossing.take, crossing.source_failed, inbox.finish, scheduler=scheduler)
            return CompositeDisposable(subscription, Disposable(crossing.dispose))

        return LoopObservable(subscribe)

    return stage


def _check(work: object, boundary: str, capacity: int, overflow: Overflow) -> None:
    where = f"boundary {boundary!r}"
    if overflow is Overflow.BLOCK:
        others = "DROP_OLDEST, LATEST, FAIL_TURN or FAIL_SESSION"
        raise ValueError(f"{where} cannot BLOCK, because what comes before it cannot wait; choose {others}")
    if capacity < 1:
        raise ValueError(f"{where} needs a capacity of 1 item at least, not {capacity}")
    if overflow is Overflow.LATEST and capacity != 1:
        raise ValueError(f"{where} keeps the LATEST item only, so its capacity is 1, not {capacity}")
    if inspect.iscoroutinefunction(work):
        raise TypeError(f"{where}: {called(work)} is async and has no `yield`; a stage yields what comes out of it")


class _Inbox(Generic[A]):
    """Items that wait for the task: an async iterator for the task, a bounded queue for the graph."""

    def __init__(self, boundary: str, capacity: int, overflow: Overflow, lost_ms: Callable[[A], float]) -> None:
        self.boundary, self.overflow = boundary, overflow
        self._capacity, self._lost_ms = capacity, lost_ms
        self._items: deque[A] = deque()
        self._finished = False
        self._wake: asyncio.Future[None] | None = None

    def put(self, item: A) -> Overflowed | None:
        """Return what was dropped to make room, if anything. Raises BoundaryFull, or a SessionError around one."""
        lost = None
        if len(self._items) >= self._capacity:
            self._refuse()
            lost = Overflowed(self.boundary, self._lost_ms(self._items.popleft()), self.overflow.name.lower())
        self._items.append(item)
        self._rouse()
        return lost

    def finish(self) -> None:
        self._finished = True
        self._rouse()

    def __aiter__(self) -> AsyncIterator[A]:
        return self

    async def __anext__(self) -> A:
        while not self._items:
            if self._finished:
                raise StopAsyncIteration
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        return self._items.popleft()

    def _refuse(self) -> None:
        full = BoundaryFull(self.boundary, self._capacity, self.overflow)
        if self.overflow is Overflow.FAIL_TURN:
            raise full
        if self.overflow is Overflow.FAIL_SESSION:
            raise SessionError(self.boundary, full)

    def _rouse(self) -> None:
        """Wake the task once for a burst."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class _Crossing(Generic[A, B]):
    """One subscription: its task, and how it ends."""

    def __init__(
        self,
        observer: abc.ObserverBase[B | Overflowed],
        work: Callable[[AsyncIterator[A]], AsyncIterable[B]],
        inbox: _Inbox[A],
        scheduler: LoopScheduler,
    ) -> None:
        self._observer, self._work, self._inbox = observer, work, inbox
        self._enter, self._over = scheduler.enter, False
        self._task = scheduler.spawn(self._run(), inbox.boundary)

    def take(self, item: A) -> None:
        if self._over:
            return
        try:
            lost = self._inbox.put(item)
        except (BoundaryFull, SessionError) as error:
            self.source_failed(error)
        else:
            if lost is not None:
                self._observer.on_next(lost)

    def source_failed(self, error: Exception) -> None:
        self.dispose()
        self._observer.on_error(error)

    def dispose(self) -> None:
        self._over = True
        self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._drain(self._work(self._inbox))
        except Exception as error:
            if not self._over:
                self._enter(partial(self._observer.on_error, _named(self._inbox.boundary, error)))
        else:
            self._enter(self._observer.on_completed)
        finally:
            self._over = True

    async def _drain(self, results: Any) -> None:
        if not hasattr(results, "__aiter__"):
            raise TypeError(
                f"{called(self._work)} returned {type(results).__name__}; a stage yields what comes out of it"
            )
        try:
            async for result in results:
                self._enter(partial(self._observer.on_next, result))
        finally:
            # Without this the garbage collector would close it at an unknown time.
            if hasattr(results, "aclose"):
                await results.aclose()


def _named(boundary: str, error: Exception) -> Exception:
    return error if isinstance(error, StageError) else StageError(boundary, error)
