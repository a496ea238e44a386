"""`Background`: what a session goes on with after the turn that began it, and what that tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

__all__ = ["Background", "Work"]


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """A task that outlives its turn.

    Args:
        name: a name, unique among what is kept
        does: what it does: two works that are equal in it would do the same twice
        task: the task
        tell: returns the item that is emitted when the task has ended
    """

    name: str
    does: object
    task: asyncio.Task[Any]
    tell: Callable[[asyncio.Task[Any]], object]


class Background:
    """The works of a session that outlive their turns. A scheduler has one, with its children.

    Args:
        adopt: Makes a task one of the session's, so that the end of the session waits for its clean-up.
    """

    def __init__(self, adopt: Callable[[asyncio.Task[Any]], None]) -> None:
        self._adopt = adopt
        self._works: list[Work] = []
        self._observers: list[abc.ObserverBase[Any]] = []

    @property
    def is_heard(self) -> bool:
        """Return whether there is an observer. Without that no work may be kept."""
        return bool(self._observers)

    @property
    def names(self) -> frozenset[str]:
        """The names of the works that are kept."""
        return frozenset(work.name for work in self._works)

    def merged_with(self, source: Observable[Any]) -> Observable[Any]:
        """Return a source with what is emitted here. Its end, or disposal, cancels all works.

        Args:
            source: Passes; completes and fails the result.
        """

        def subscribe(
            observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            self._observers.append(observer)
            return CompositeDisposable(
                source.subscribe(observer, scheduler=scheduler), Disposable(lambda: self._leave(observer))
            )

        return Observable(subscribe)

    def emit(self, item: object) -> None:
        """Emit an item beside the sources."""
        for observer in self._observers.copy():
            observer.on_next(item)

    def keep(self, work: Work) -> None:
        """Let a work go on. When it ends, what it tells is emitted; if it was cancelled, nothing is."""
        self._works.append(work)
        self._adopt(work.task)
        work.task.add_done_callback(lambda _: self._ended(work))

    def taken(self, does: object) -> Work | None:
        """Return a work that does this, which is no longer kept; None if there is none."""
        work = next((one for one in self._works if one.does == does), None)
        if work is not None:
            self._works.remove(work)
        return work

    def _ended(self, work: Work) -> None:
        if work in self._works:
            self._works.remove(work)
            if not work.task.cancelled():
                self.emit(work.tell(work.task))

    def _leave(self, observer: abc.ObserverBase[Any]) -> None:
        self._observers.remove(observer)
        if not self._observers:
            for work in self._works:
                work.task.cancel()
