"""A source that reactivex lacks: an async iterable that is closed when its subscription is disposed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from voicepipe.rx.scheduler import scheduler_of

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
        task = scheduler_of(scheduler).spawn(_drain(make, observer), name)

        def stop() -> None:
            task.cancel()

        return Disposable(stop)

    return Observable(subscribe)


async def _drain(make: Callable[[], AsyncGenerator[T, None]], observer: abc.ObserverBase[T]) -> None:
    try:
        async with aclosing(make()) as items:
            async for item in items:
                observer.on_next(item)
    except Exception as error:
        observer.on_error(error)
    else:
        observer.on_completed()
