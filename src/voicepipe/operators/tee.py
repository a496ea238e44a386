"""`tee`: let a side branch see the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import structlog
from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, SerialDisposable
from reactivex.subject import Subject

from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.stage import Stage, StageError, checked, stage_factory, stage_name

__all__ = ["side_branch", "tee"]


A = TypeVar("A")

log = structlog.get_logger()


@stage_factory(passes=True)
def tee(stage: Stage[A, Any]) -> Stage[A, A]:
    """Pass everything; `stage` sees it, too: a transcript, a recorder, a meter. Its output is dropped.

    A failure of `stage` does not affect the main stream: it is logged as an error, with its traceback, and the side
    branch is over until the next subscription. It is not a `StageFailed`, which says that a turn has ended. The side
    branch is disposed with the main stream, after it has seen its completion. A blocking `stage` blocks the main
    stream, as every stage would: let it write through `async_stage` or `in_worker`.

    Args:
        stage: The stage beside the stream.

    .. marbles::

        source   a-b-c|
        stage    --#           fails at b, and c does not reach it
        tee      a-b-c|
    """

    def failed(error: Exception) -> None:
        name, cause = (error.stage, error.cause) if isinstance(error, StageError) else (stage_name(stage), error)
        log.error("tee.failed", stage=name, exc_info=cause)

    return side_branch(stage, failed)


def side_branch(stage: Stage[A, Any], failed: Callable[[Exception], object]) -> Stage[A, A]:
    """Pass everything, and then give it to `stage` in the same call; drop its output.

    When the stage fails, at setup or later, `failed(error)` is called once, the stage is disposed, and the main stream
    goes on. The stage receives the main stream's end first, and is disposed with it.

    .. marbles::

        source        a-b-c|
        stage         --#           fails at b
        side_branch   a-b-c|
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

        return LoopObservable(subscribe)

    return together


class _Branch(Generic[A]):
    """The side branch of one subscription. An exception ends the branch, and nothing else."""

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
    """Drop the output of the side branch."""
