"""`feedback`: feed a stage with what is made of its own output."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from voicepipe.rx.loop_observable import Disposables, LoopObservable
from voicepipe.rx.scheduler import scheduler_of
from voicepipe.rx.transduce import Clock, Machine
from voicepipe.stage import Stage, stage_factory

__all__ = ["feedback"]

A = TypeVar("A")
B = TypeVar("B")


@stage_factory()
def feedback(stage: Stage[A, B], back: Callable[[Clock], Machine[B, A]]) -> Stage[A, B]:
    """Return `stage` with two inputs: the source, and what a fresh machine of `back` makes of the stage's output.

    An item is emitted before what it causes is fed back. The stage gets one item at a time: others wait while it works
    on one, and while one that it has emitted is delivered (see `one_at_a_time`). Completes and fails as the stage does;
    the source's end completes the stage's input. An exception of the machine is an error.

    Args:
        stage: The stage; its input is the source and what is fed back.
        back: Called once per subscription with the session's clock.

    .. marbles::

        source     a-----b|
        stage      A---f-B|    f: what the stage makes of the x that it is fed
        back       x           made of A
        feedback   A---f-B|
    """

    def looped(source: Observable[A]) -> Observable[B]:
        def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            loop = _Loop(observer, back(scheduler_of(scheduler).clock))
            running = stage(LoopObservable(loop.attach)).subscribe(
                loop.out, observer.on_error, observer.on_completed, scheduler=scheduler
            )
            feeding = source.subscribe(loop.put, loop.fail, loop.finish, scheduler=scheduler)
            return Disposables(running, feeding)

        return LoopObservable(subscribe)

    return looped


def one_at_a_time(stage: Stage[A, B]) -> Stage[A, B]:
    """Return `stage`, re-entrant: an input that is caused by an item of its own output waits.

    Every observer has then seen an item before the stage acts on what the item has caused, so that each sees the same
    order. Completes and fails as the stage does.

    Args:
        stage: A stage whose observers may send to its source while they receive.

    .. marbles::

        source          a---b|     sends b as soon as it sees B
        stage           A---B|
        one_at_a_time   A---B|
    """
    return feedback(stage, lambda _: _nothing)


def _nothing(_: object) -> tuple[()]:
    return ()


def _send(item: A, inlet: abc.ObserverBase[A]) -> None:
    inlet.on_next(item)


class _Loop(Generic[A, B]):
    """The queue of items for the stage."""

    def __init__(self, observer: abc.ObserverBase[B], machine: Machine[B, A]) -> None:
        self._observer, self._machine = observer, machine
        self._inlets: tuple[abc.ObserverBase[A], ...] = ()
        self._queue: deque[Callable[[abc.ObserverBase[A]], None]] = deque()
        self._busy = False

    def attach(self, inlet: abc.ObserverBase[A], scheduler: Any = None) -> abc.DisposableBase:
        """Subscribe the stage to its input."""
        self._inlets = (*self._inlets, inlet)
        return Disposable(lambda: self._detach(inlet))

    def _detach(self, inlet: abc.ObserverBase[A]) -> None:
        self._inlets = tuple(one for one in self._inlets if one is not inlet)

    def put(self, item: A) -> None:
        """Give the stage an item: at once, unless it works on one."""
        if self._busy:
            self._queue.append(partial(_send, item))
            return
        self._busy = True
        try:
            for inlet in self._inlets:
                inlet.on_next(item)
            if self._queue:
                self._drain()
        finally:
            self._busy = False

    def fail(self, error: Exception) -> None:
        self._deliver(lambda inlet: inlet.on_error(error))

    def finish(self) -> None:
        self._deliver(lambda inlet: inlet.on_completed())

    def out(self, item: B) -> None:
        """Emit an item, feed back what the machine makes of it, and then what its observers have sent meanwhile."""
        outermost, self._busy = not self._busy, True
        try:
            self._observer.on_next(item)
            self._feed(item)
            if outermost:
                self._drain()
        finally:
            if outermost:
                self._busy = False

    def _feed(self, item: B) -> None:
        try:
            fed = list(self._machine(item))
        except Exception as error:
            self._observer.on_error(error)
        else:
            for one in fed:
                self._queue.append(partial(_send, one))

    def _deliver(self, tell: Callable[[abc.ObserverBase[A]], None]) -> None:
        self._queue.append(tell)
        if self._busy:
            return
        self._busy = True
        try:
            self._drain()
        finally:
            self._busy = False

    def _drain(self) -> None:
        while self._queue:
            tell = self._queue.popleft()
            for inlet in self._inlets:
                tell(inlet)
