"""An event loop with a clock that leaves out the time in which the process did not run.

A lid that is closed, a debugger, a virtual machine that is moved: a process stands still, and when it goes on, all its
timers are due at once, before it has read what clients and services have sent meanwhile. Every deadline of a server,
of aiohttp and of a pipeline is a timer of the event loop. So the loop's clock is the one place to correct: on it, no
deadline counts the time of a stop.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

__all__ = ["SteadyClock", "SteadyLoop"]

if TYPE_CHECKING or sys.platform != "win32":
    _Loop = asyncio.SelectorEventLoop
else:
    _Loop = asyncio.ProactorEventLoop

# The most that counts between two looks at the clock. A loop looks at it in each iteration, and `_LOOKS_EVERY_S` at
# least: more has passed only if the process was stopped, or one callback has blocked the loop for as long.
_COUNTS_S, _LOOKS_EVERY_S = 1.0, 0.5

log = structlog.get_logger()


class SteadyClock:
    """A clock that goes on by `most_s` at most from one look at it to the next.

    >>> now = [0.0]
    >>> clock = SteadyClock(lambda: now[0], most_s=1.0)
    >>> now[0] = 0.5; clock()
    0.5
    >>> now[0] = 25.5; clock(), clock.left_out_s
    (1.5, 24.0)

    Args:
        clock: Seconds, monotonic.
        most_s: What counts of a longer gap.
    """

    def __init__(self, clock: Callable[[], float], *, most_s: float) -> None:
        self._clock, self._most_s = clock, most_s
        self._looked_s = clock()
        self._lock = threading.Lock()
        self.left_out_s = 0.0

    def __call__(self) -> float:
        """Return the seconds without those that are left out. Threads may call it, too."""
        now_s = self._clock()
        if now_s - self._looked_s > self._most_s:
            with self._lock:
                self.left_out_s += max(0.0, now_s - self._looked_s - self._most_s)
                self._looked_s = max(self._looked_s, now_s)
        self._looked_s = now_s
        return now_s - self.left_out_s


class SteadyLoop(_Loop):
    """The platform's event loop, on a `SteadyClock`. It logs each stop of the process, and each longer block.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._steady = SteadyClock(clock, most_s=_COUNTS_S)
        self._told_s = 0.0
        super().__init__()
        self._look()

    def time(self) -> float:
        """Return the time of all timers."""
        return self._steady()

    def run_forever(self) -> None:
        """Run; between two runs no time is told to have been left out."""
        self.time()
        self._told_s = self._steady.left_out_s
        super().run_forever()

    def _look(self) -> None:
        left_out_s, self._told_s = self._steady.left_out_s - self._told_s, self._steady.left_out_s
        if left_out_s:
            log.warning("loop.stalled", seconds=round(left_out_s + _COUNTS_S, 1), consequence="no deadline counts them")
        self.call_later(_LOOKS_EVERY_S, self._look)
