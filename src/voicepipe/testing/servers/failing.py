"""The ways in which a service fails, and how a test server is made to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum

__all__ = ["Fails", "FailsUntil"]


class Fails(StrEnum):
    """A failure of a server. The value is its name on the command line and in `POST /fails`."""

    DOWN = "down"
    """It refuses connections; open ones are cut."""
    FULL = "full"
    """It is at capacity, and says so in its protocol."""
    FORBIDDEN = "forbidden"
    """HTTP 401."""
    MISSING = "missing"
    """HTTP 404."""
    LIMITED = "limited"
    """HTTP 429 with `Retry-After`."""
    BROKEN = "broken"
    """HTTP 500."""
    SILENT = "silent"
    """It accepts the connection, and then sends nothing."""
    MUTE = "mute"
    """It begins as it should, and then sends nothing more."""
    DIES = "dies"
    """It cuts the connection in the middle of its work."""
    EARLY = "early"
    """It closes in order before it has finished."""
    GARBAGE = "garbage"
    """It sends invalid bytes."""
    SLOW = "slow"
    """It answers with 0.1 bytes a second."""
    ENDLESS = "endless"
    """It never stops (a language model)."""

    @property
    def status(self) -> int | None:
        """The HTTP status of this failure."""
        return _STATUSES.get(self)


_STATUSES = {Fails.FORBIDDEN: 401, Fails.MISSING: 404, Fails.LIMITED: 429, Fails.BROKEN: 500}


class FailsUntil:
    """The present failure of a server: its kind, the number of connections, and the time."""

    def __init__(self, recovered: Callable[[], object]) -> None:
        self.mode: Fails | None = None
        self._left: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._recovered = recovered

    def set(self, mode: Fails | None, *, times: int | None, for_s: float | None) -> None:
        """Fail in this way; None: recover. It ends after `times` connections or `for_s` seconds, else never."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.mode, self._left = mode, times
        if mode is not None and for_s is not None:
            self._timer = asyncio.get_running_loop().call_later(for_s, self._over)

    @property
    def for_all(self) -> Fails | None:
        """Return how open connections fail: none if the failure is for the next `times` connections."""
        return self.mode if self._left is None else None

    def next(self) -> Fails | None:
        """Return how a new connection fails, which uses up one of its `times`."""
        mode = self.mode
        if mode is not None and self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.mode = None
        return mode

    def _over(self) -> None:
        self._timer = None
        self.mode = None
        self._recovered()
