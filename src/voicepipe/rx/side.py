"""`beside`: a side branch that cannot hurt the main one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, SerialDisposable
from reactivex.subject import Subject

from voicepipe.stage import Stage, checked

__all__ = ["beside"]

A = TypeVar("A")


def beside(stage: Stage[A, Any], failed: Callable[[Exception], object]) -> Stage[A, A]:
    """Everything passes, and then `stage` gets it, too, in the same call; what it gives goes nowhere.

    When the stage fails, while it is set up or later, `failed(error)` is called once, the stage is disposed, and the
    main stream goes on. It is told of the main stream's end before that goes on, and disposed with it.

    .. marbles::

        source   a-b-c|
        stage    --#           fails at b
        beside   a-b-c|
    """

    def together(source: Observable[A]) -> Observable[A]:
        def subscribe(observer: abc.ObserverBase[A], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            branch = _Branch(stage, failed)
            branch.begin(scheduler)

            def on_next(item: A) -> None:
                observer.on_next(item)
                branch.tell(lambda side: side.on_next(item))

            def on_error(error: Exception) -> None:
                branch.subscription.dispose()
                observer.on_error(error)

            def on_completed() -> None:
                branch.tell(Subject[A].on_completed)
                observer.on_completed()

            main = source.subscribe(on_next, on_error, on_completed, scheduler=scheduler)
            return CompositeDisposable(main, branch.subscription)

        return Observable(subscribe)

    return together


class _Branch(Generic[A]):
    """The side branch of one subscription. Whatever it raises ends it, and nothing else."""

    def __init__(self, stage: Stage[A, Any], failed: Callable[[Exception], object]) -> None:
        self.subscription = SerialDisposable()
        self._stage, self._failed = stage, failed
        self._input: Subject[A] = Subject()
        self._over = False

    def begin(self, scheduler: abc.SchedulerBase | None) -> None:
        try:
            self.subscription.disposable = checked(self._stage, self._stage(self._input)).subscribe(
                _ignore, self._fail, self._end, scheduler=scheduler
            )
        except Exception as error:
            self._fail(error)

    def tell(self, what: Callable[[Subject[A]], None]) -> None:
        if self._over:
            return
        try:
            what(self._input)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._over:
            self._end()
            self._failed(error)

    def _end(self) -> None:
        self._over = True
        self.subscription.dispose()


def _ignore(_: object) -> None:
    """What a side branch gives goes nowhere."""
