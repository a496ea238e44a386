"""A source that reactivex lacks: an async iterable that is closed when its subscription is disposed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from voicepipe.rx.scheduler import LoopScheduler, scheduler_of

__all__ = ["from_async"]

T = TypeVar("T")


def from_async(make: Callable[[], AsyncGenerator[T, None]], name: str) -> Observable[T]:
    """Emit what an async generator yields. Each subscription calls `make` and drains it in a task named `name`.

    Disposing cancels the task. The generator's `finally` runs to its end (`contextlib.aclosing`), so that an HTTP
    request or a WebSocket is closed, and `switch_turn` can wait for it. An exception becomes `on_error`.

    Args:
        make: Returns a fresh generator.
        name: The name of the task, for debuggers and reports of leaks.

    Returns:
        A cold observable, on the session's loop.
    """

    def subscribe(observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        own = scheduler_of(scheduler)
        task = own.spawn(_drain(make, observer, own), name)

        def stop() -> None:
            task.cancel()

        return Disposable(stop)

    return Observable(subscribe)


async def _drain(
    make: Callable[[], AsyncGenerator[T, None]], observer: abc.ObserverBase[T], scheduler: LoopScheduler
) -> None:
    try:
        async with aclosing(make()) as items:
            async for item in items:
                scheduler.enter(partial(observer.on_next, item))
    except Exception as error:
        scheduler.enter(partial(observer.on_error, error))
    else:
        scheduler.enter(observer.on_completed)
