"""`switch_turn`: run at most one turn, and start the next after the last has cleaned up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import structlog
from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable, SerialDisposable

from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.rx.scheduler import LoopScheduler, scheduler_of
from voicepipe.stage import SessionError, Stage

__all__ = ["switch_turn"]

B = TypeVar("B")

log = structlog.get_logger()


def switch_turn(
    *, on_cut: Callable[[], Iterable[B]], on_error: Callable[[Exception], Iterable[B]], grace_s: float
) -> Stage[Observable[B], B]:
    """Run the newest of the source's observables: `switch_latest` for turns that hold resources.

    When a turn arrives, in the same callback: the items of `on_cut()` are emitted, the running turn is disposed, and
    the new one is subscribed if the old one left no task. Otherwise it waits for these tasks; a still newer turn
    replaces the waiting one.

    A failing turn ends, and the stream goes on, unless the error is a `SessionError`, which is passed on. Completes
    when the source has completed and the last turn has ended. An error of the source is passed on.

    Args:
        on_cut: Returns the items that are emitted where a running turn is cut.
        on_error: Returns the items that end a failing turn.
        grace_s: How long a new turn waits for the tasks of the old one, in seconds.

    .. marbles::

        turns         a--------b------|
        a             ^x-x-x-x-!               cut off by b
        b             ---------^y-y|
        switch_turn   cx-x-x-x-cy-y---|        c: what on_cut() gives
    """

    def stage(source: Observable[Observable[B]]) -> Observable[B]:
        def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            turns = _Turns(observer, scheduler_of(scheduler), on_cut, on_error, grace_s)
            subscription = source.subscribe(turns.switch, observer.on_error, turns.finish, scheduler=scheduler)
            return CompositeDisposable(subscription, Disposable(turns.dispose))

        return LoopObservable(subscribe)

    return stage


class _Turns(Generic[B]):
    """The running turn, the turn that waits for its clean-up, and whether more can come."""

    def __init__(
        self,
        observer: abc.ObserverBase[B],
        scheduler: LoopScheduler,
        on_cut: Callable[[], Iterable[B]],
        on_error: Callable[[Exception], Iterable[B]],
        grace_s: float,
    ) -> None:
        self._observer, self._scheduler = observer, scheduler
        self._on_cut, self._on_error, self._grace_s = on_cut, on_error, grace_s
        self._running = SerialDisposable()
        self._overdue = SerialDisposable()
        self._below = scheduler.child()
        self._busy = False
        self._waiting: Observable[B] | None = None
        self._finished = False

    def switch(self, turn: Observable[B]) -> None:
        self._emit(self._on_cut())
        self._running.disposable = Disposable()
        self._busy, replaces = True, self._waiting is not None
        self._waiting = turn
        if not replaces:
            self._clean_up()

    def finish(self) -> None:
        self._finished = True
        if not self._busy:
            self._observer.on_completed()

    def dispose(self) -> None:
        self._waiting = None
        self._running.dispose()
        self._overdue.dispose()

    def _clean_up(self) -> None:
        """Start the waiting turn as soon as the last turn's tasks are done."""
        below = self._below

        def done() -> None:
            if self._below is below:
                self._start()

        left = below.after_tasks(done)
        if left is None:
            return self._start()
        self._overdue.disposable = self._scheduler.call_at(
            self._scheduler.clock() + self._grace_s, lambda: self._give_up(left)
        )
        return None

    def _give_up(self, left: Callable[[], list[str]]) -> None:
        log.warning("turn.clean_up_overran", grace_s=self._grace_s, tasks=left())
        self._start()

    def _start(self) -> None:
        turn, self._waiting = self._waiting, None
        if turn is None:
            return
        self._overdue.disposable = Disposable()
        self._below = self._scheduler.child()
        running = SerialDisposable()
        self._running.disposable = running
        running.disposable = turn.subscribe(self._observer.on_next, self._failed, self._ended, scheduler=self._below)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, SessionError):
            self._observer.on_error(error)
            return
        self._emit(self._on_error(error))
        self._ended()

    def _ended(self) -> None:
        self._busy = self._waiting is not None
        if self._finished and not self._busy:
            self._observer.on_completed()

    def _emit(self, events: Iterable[B]) -> None:
        for event in events:
            self._observer.on_next(event)
