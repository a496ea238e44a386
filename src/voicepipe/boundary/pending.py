"""Work that a session's recognisers have not finished: items that left the graph for a worker or a service.

Live sound does not wait for it. A client of a recording can wait until it is finished: the recognisers then hear the
same as in real time on a machine of any speed, and no boundary overflows.
"""

from __future__ import annotations

import asyncio

from reactivex import abc
from reactivex.disposable import Disposable

__all__ = ["PendingMark", "PendingWork"]


class PendingWork:
    """Count the work that is under way.

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
        """Wait until no work is under way. Has no timeout: the caller sets one."""
        await self._clear.wait()

    def busy(self) -> abc.DisposableBase:
        """Count one piece of work until the returned disposable is disposed."""
        self._under_way += 1
        self._clear.clear()
        return Disposable(self._done)

    def _done(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._clear.set()


class PendingMark:
    """One boundary's share of the pending work. `show` may be called any number of times."""

    def __init__(self, backlog: PendingWork | None) -> None:
        self._backlog = backlog
        self._work: abc.DisposableBase | None = None

    def show(self, *, behind: bool) -> None:
        if behind and self._work is None and self._backlog is not None:
            self._work = self._backlog.busy()
        elif not behind and self._work is not None:
            self._work.dispose()
            self._work = None
