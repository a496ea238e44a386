"""One subscription of a `TimedMachine`: its calls, and the one timer that it may need."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, SerialDisposable

from voicepipe.rx.machine import TimedMachine
from voicepipe.rx.scheduler import LoopScheduler

__all__ = ["TimedRun"]

A = TypeVar("A")
B = TypeVar("B")

_ROUNDING_S = 1e-6  # a timer may fire a rounding before its time


class TimedRun(Generic[A, B]):
    """Calls a machine with items, and when the time comes that it has asked for.

    There is one timer at most, and none is made where one that is set fires early enough: a machine that moves its time
    with each frame of sound costs no timer each.

    Args:
        machine: It is called in the caller's stack, or in that of the timer.
        observer: Gets what the machine makes.
        scheduler: The session's.
        named: Gives an exception of the machine its name.
    """

    def __init__(
        self,
        machine: TimedMachine[A, B],
        observer: abc.ObserverBase[B],
        scheduler: LoopScheduler,
        named: Callable[[Exception], Exception],
    ) -> None:
        self._machine, self._observer, self._scheduler, self._named = machine, observer, scheduler, named
        self._timer = SerialDisposable()
        self._fires_s: float | None = None

    def subscribe(self, source: Observable[A], left: Callable[[], Iterable[B]]) -> abc.DisposableBase:
        """Run the source's items; `left` returns what is left when it completes."""
        running = source.subscribe(self._on_next, self._fail, lambda: self._finish(left), scheduler=self._scheduler)
        return CompositeDisposable(running, self._timer)

    def _on_next(self, item: A) -> None:
        """Call the machine with an item; what was due before comes before it."""
        if self._elapse() and self._emit(lambda: self._machine(item)):
            self._set_timer()

    def _finish(self, left: Callable[[], Iterable[B]]) -> None:
        """Complete with what is left; the machine is not called any more."""
        if self._emit(left):
            self._timer.dispose()
            self._observer.on_completed()

    def _fail(self, error: Exception) -> None:
        self._timer.dispose()
        self._observer.on_error(error)

    def _elapse(self) -> bool:
        """Call the machine for a time that has come. Return whether it goes on."""
        due_s = self._machine.due_s
        if due_s is None or self._scheduler.clock() < due_s - _ROUNDING_S:
            return True
        if not self._emit(self._machine.elapsed):
            return False
        if self._machine.due_s == due_s:  # it would be called forever
            self._fail(self._named(ValueError(f"elapsed() has left due_s as it was, {due_s:g} s")))
            return False
        return True

    def _set_timer(self) -> None:
        due_s = self._machine.due_s
        if due_s is None or (self._fires_s is not None and self._fires_s <= due_s):
            return  # one that fires too early sets the next
        self._fires_s = due_s
        self._timer.disposable = self._scheduler.call_at(due_s, self._fired)

    def _fired(self) -> None:
        self._fires_s = None
        if self._elapse():
            self._set_timer()

    def _emit(self, made: Callable[[], Iterable[B]]) -> bool:
        try:
            for output in made():
                self._observer.on_next(output)
        except Exception as error:
            self._fail(self._named(error))
            return False
        return True
