"""`race`: several sources of one answer, in turn or in parallel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import structlog
from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable, SerialDisposable

from voicepipe.rx.scheduler import LoopScheduler, scheduler_of

__all__ = ["Attempt", "Plan", "Recall", "race"]

B = TypeVar("B")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Attempt(Generic[B]):
    """One source of the answer. `make` is called `after_s` after the attempt before has failed."""

    name: str
    make: Callable[[], Observable[B]]
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan(Generic[B]):
    """`answers(item)`: the item with which an attempt wins. `hedge_s`: start the next attempt beside the running ones
    if they have not answered for this time; None: never. `forgives(error)`: whether to continue after an error."""

    answers: Callable[[B], bool]
    hedge_s: float | None = None
    forgives: Callable[[Exception], bool] = lambda _: True


class Recall(Protocol):
    """The input of the attempts: the same for each, as long as it can be replayed."""

    def possible(self) -> bool:
        """Return whether another attempt would get the same input as the first."""
        ...

    def forget(self) -> None:
        """Note that no attempt follows."""
        ...

    def dispose(self) -> None:
        """Note that no attempt is left."""
        ...


def race(attempts: Sequence[Attempt[B]], plan: Plan[B], recall: Recall) -> Observable[B]:
    """Emit what the first attempt to answer gives; dispose the others, or do not start them.

    When an attempt fails before its answer the next one starts. The last one's error is passed on, and so is any error
    after the answer. Completing without an answer is an answer, too.

    Items before the answer are emitted as they come from the leading attempt, the one that began first. An attempt that
    takes over does not repeat emitted items. What other attempts give before they lead waits.

    .. marbles::

        first    --#
        second   --^-x-y|
        race     ----x-y|
    """

    def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        race = _Race(observer, scheduler_of(scheduler), attempts, plan, recall)
        race.start_next()
        return Disposable(race.dispose)

    return Observable(subscribe)


@dataclass(slots=True, eq=False)
class _Runner(Generic[B]):
    """A running attempt. `held` waits until it leads; `repeats` counts the items that were emitted before it led."""

    attempt: Attempt[B]
    subscription: SerialDisposable = field(default_factory=SerialDisposable)
    leads: bool = False
    held: list[B] = field(default_factory=list[B])
    repeats: list[B] = field(default_factory=list[B])


class _Race(Generic[B]):
    def __init__(
        self,
        observer: abc.ObserverBase[B],
        scheduler: LoopScheduler,
        attempts: Sequence[Attempt[B]],
        plan: Plan[B],
        recall: Recall,
    ) -> None:
        self._observer, self._scheduler, self._plan, self._recall = observer, scheduler, plan, recall
        self._to_come = list(attempts)
        self._running: list[_Runner[B]] = []
        self._winner: _Runner[B] | None = None
        self._early: list[B] = []
        self._failures: list[Exception] = []
        self._timer = SerialDisposable()
        self._over = False

    def dispose(self) -> None:
        self._over = True
        self._timer.dispose()
        self._stop(self._running)
        self._recall.dispose()

    # -- beginning -----------------------------------------------------------------------------------------------------

    def start_next(self) -> None:
        runner = _Runner(self._to_come.pop(0))
        self._running.append(runner)
        self._lead(self._running[0])
        if self._plan.hedge_s is not None and self._to_come:
            self._start_after(self._plan.hedge_s)
        try:
            source = runner.attempt.make()
        except Exception as error:
            self._failed(runner, error)
            return
        runner.subscription.disposable = source.subscribe(
            lambda item: self._next(runner, item),
            lambda error: self._failed(runner, error),
            lambda: self._completed(runner),
            scheduler=self._scheduler,
        )
        if not self._to_come:
            self._recall.forget()

    def _start_after(self, seconds: float) -> None:
        when_s = self._scheduler.clock() + seconds
        self._timer.disposable = self._scheduler.call_at(when_s, self._start_if_undecided)

    def _start_if_undecided(self) -> None:
        if self._winner is not None or self._over:
            return
        if self._recall.possible():
            self.start_next()
        elif not self._running:  # after the pause its input is no longer available
            self._give_up(self._failures[-1])

    # -- items ---------------------------------------------------------------------------------------------------------

    def _next(self, runner: _Runner[B], item: B) -> None:
        if self._winner is None and self._plan.answers(item):
            self._win(runner)
        if runner.leads:
            self._emit(runner, item)
        else:
            runner.held.append(item)

    def _emit(self, runner: _Runner[B], item: B) -> None:
        if item in runner.repeats:
            runner.repeats.remove(item)
            return
        if self._winner is None:
            self._early.append(item)
        self._observer.on_next(item)

    def _lead(self, runner: _Runner[B]) -> None:
        if not runner.leads:
            runner.leads, runner.repeats = True, self._early.copy()
            held, runner.held = runner.held, []
            for item in held:
                self._emit(runner, item)

    def _win(self, runner: _Runner[B]) -> None:
        self._winner = runner
        self._timer.dispose()
        self._stop([other for other in self._running if other is not runner])
        self._running = [runner]
        self._recall.forget()
        self._lead(runner)
        self._early = []

    # -- ends ----------------------------------------------------------------------------------------------------------

    def _completed(self, runner: _Runner[B]) -> None:
        if self._winner is None:
            self._win(runner)
        self._observer.on_completed()

    def _failed(self, runner: _Runner[B], error: Exception) -> None:
        if self._winner is runner:
            self._observer.on_error(error)
            return
        self._stop([runner])
        self._running.remove(runner)
        if self._running:
            self._note(runner, error)
            self._lead(self._running[0])
        elif self._to_come and self._plan.forgives(error) and self._recall.possible():
            self._note(runner, error)
            self._go_on()
        else:
            self._give_up(error)

    def _go_on(self) -> None:
        pause_s = self._to_come[0].after_s
        if pause_s > 0:
            self._start_after(pause_s)
        else:
            self._timer.disposable = Disposable()
            self.start_next()

    def _give_up(self, error: Exception) -> None:
        for failure in self._failures:
            if failure is not error:
                error.add_note(f"before it: {failure!r}")
        self._observer.on_error(error)

    def _note(self, runner: _Runner[B], error: Exception) -> None:
        self._failures.append(error)
        log.warning("stage.failed_before_answer", stage=runner.attempt.name, error=repr(error))

    def _stop(self, runners: Sequence[_Runner[B]]) -> None:
        CompositeDisposable(*(runner.subscription for runner in runners)).dispose()
