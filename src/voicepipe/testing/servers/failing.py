"""The ways in which a service fails, and how a test server is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum

__all__ = ["Fails", "FailsUntil"]


class Fails(StrEnum):
    """What a server does wrong. The value is what the command line and `POST /fails` call it."""

    DOWN = "down"
    """It refuses connections; those that are open are cut."""
    FULL = "full"
    """It is at capacity, and says so as its protocol has it."""
    FORBIDDEN = "forbidden"
    """HTTP 401."""
    MISSING = "missing"
    """HTTP 404."""
    LIMITED = "limited"
    """HTTP 429 with `Retry-After`."""
    BROKEN = "broken"
    """HTTP 500."""
    SILENT = "silent"
    """It accepts the connection, and then says nothing."""
    MUTE = "mute"
    """It begins as it should, and then says nothing more."""
    DIES = "dies"
    """It cuts the connection in the middle of its work."""
    EARLY = "early"
    """It ends in order before it has finished."""
    GARBAGE = "garbage"
    """It sends bytes that mean nothing."""
    SLOW = "slow"
    """It answers with 0.1 bytes a second."""
    ENDLESS = "endless"
    """It never stops (a language model)."""

    @property
    def status(self) -> int | None:
        """The HTTP status that this failure is."""
        return _STATUSES.get(self)


_STATUSES = {Fails.FORBIDDEN: 401, Fails.MISSING: 404, Fails.LIMITED: 429, Fails.BROKEN: 500}


class FailsUntil:
    """How a server fails at present, for how many connections and how long."""

    def __init__(self, recovered: Callable[[], object]) -> None:
        self.mode: Fails | None = None
        self._left: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._recovered = recovered

    def set(self, mode: Fails | None, *, times: int | None, for_s: float | None) -> None:
        """Fail in this way; None: in none. It ends after `times` connections or `for_s` seconds, else never."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.mode, self._left = mode, times
        if mode is not None and for_s is not None:
            self._timer = asyncio.get_running_loop().call_later(for_s, self._over)

    @property
    def for_all(self) -> Fails | None:
        """How the connections that are open fail: not those before the next so many."""
        return self.mode if self._left is None else None

    def next(self) -> Fails | None:
        """How the connection that begins now is to fail, which uses up one of its `times`."""
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
