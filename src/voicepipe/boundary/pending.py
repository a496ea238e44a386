"""What a session's ear has not done with: where sound leaves the graph, somebody may be at work on it.

Live sound waits for nobody. But whoever feeds a session from a recording can wait until the ear has caught up: then it
hears the same as in real time, whatever the speed of the machine, and no boundary is ever full.
"""

from __future__ import annotations

import asyncio

from reactivex import abc
from reactivex.disposable import Disposable

__all__ = ["PendingMark", "PendingWork"]


class PendingWork:
    """Counts what is under way.

    >>> backlog = PendingWork()
    >>> work = backlog.busy()
    >>> backlog.is_clear
    False
    >>> work.dispose()
    >>> backlog.is_clear
    True
    """

    def __init__(self) -> None:
        self._under_way = 0
        self._clear = asyncio.Event()
        self._clear.set()

    @property
    def is_clear(self) -> bool:
        return self._clear.is_set()

    async def cleared(self) -> None:
        """Returns when nothing is under way. Unbounded in time: who calls it has a deadline."""
        await self._clear.wait()

    def busy(self) -> abc.DisposableBase:
        """Something is under way, until it is disposed."""
        self._under_way += 1
        self._clear.clear()
        return Disposable(self._done)

    def _done(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._clear.set()


class PendingMark:
    """One boundary's share of a backlog: `show` whether it is behind, as often as you like."""

    def __init__(self, backlog: PendingWork | None) -> None:
        self._backlog = backlog
        self._work: abc.DisposableBase | None = None

    def show(self, *, behind: bool) -> None:
        if behind and self._work is None and self._backlog is not None:
            self._work = self._backlog.busy()
        elif not behind and self._work is not None:
            self._work.dispose()
            self._work = None
