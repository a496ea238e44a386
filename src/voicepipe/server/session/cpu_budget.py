"""The CPU time that one session may take of the event loop. All sessions share one thread: what one takes, others wait.

`CpuBudget` is a pure state machine; `ReceiveQueue` pays its debt by waiting, and `WorkMeter` measures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from voicepipe.server.settings import ServerSettings

__all__ = ["CpuBudget", "WorkMeter"]

Clock = Callable[[], float]

# One stretch of work until other sessions have their turn on the event loop: a frame of sound comes each 20 ms.
_SLICE_S = 0.004
# What sums are off by.
_NOTHING_S = 1e-9


class CpuBudget:
    """A share of one core: work makes debt, time pays it, and `burst_s` of debt need not be waited for.

    >>> budget = CpuBudget(share=0.25, burst_s=0.1)
    >>> budget.spend(0.125, now_s=0.0)
    >>> round(budget.wait_s(now_s=0.0), 6), round(budget.wait_s(now_s=0.05), 6)
    (0.1, 0.05)
    """

    __slots__ = ("_burst_s", "_debt_s", "_paid_at_s", "_share", "_slice_s")

    def __init__(self, *, share: float, burst_s: float) -> None:
        self._share, self._burst_s = share, burst_s
        self._debt_s = self._slice_s = 0.0
        self._paid_at_s = 0.0

    def spend(self, seconds: float, now_s: float) -> None:
        """Note work that took so many seconds of CPU time, and has ended at `now_s`."""
        self._debt_s = max(0.0, self._debt_s - (now_s - self._paid_at_s) * self._share) + seconds
        self._paid_at_s = now_s
        self._slice_s += seconds

    def wait_s(self, now_s: float) -> float:
        """Return how long the session has to wait before it works on."""
        left_s = self._debt_s - self._burst_s - (now_s - self._paid_at_s) * self._share
        return left_s / self._share if left_s > _NOTHING_S else 0.0

    @property
    def slice_is_over(self) -> bool:
        """Return whether other sessions are due, debt or not."""
        return self._slice_s >= _SLICE_S

    def new_slice(self) -> None:
        """Note that others had their turn."""
        self._slice_s = 0.0


class WorkMeter:
    """Measures a session's work in the event loop's thread, and puts it down to its budget.

    It takes the thread's CPU time, which does not run while other processes have the core, or the loop's time, if that
    is less: on a loop in virtual time work takes none.
    """

    def __init__(self, budget: CpuBudget, clock: Clock, cpu: Clock = time.thread_time) -> None:
        self._budget, self._clock, self._cpu = budget, clock, cpu
        self._is_measuring = False

    @classmethod
    def of(cls, settings: ServerSettings, clock: Clock) -> WorkMeter:
        """Return the meter of one client, with a budget of its own."""
        return cls(CpuBudget(share=settings.session_cpu_share, burst_s=settings.session_cpu_burst_s), clock)

    @contextmanager
    def measured(self) -> Generator[None]:
        """Measure what is done inside; within another measurement nothing is counted twice."""
        if self._is_measuring:
            yield
            return
        self._is_measuring = True
        began_s, cpu_began_s = self._clock(), self._cpu()
        try:
            yield
        finally:
            self._is_measuring = False
            now_s = self._clock()
            self._budget.spend(min(now_s - began_s, self._cpu() - cpu_began_s), now_s)

    @property
    def wait_s(self) -> float:
        """Return how long the session has to wait before it works on."""
        return self._budget.wait_s(self._clock())

    @property
    def slice_is_over(self) -> bool:
        """Return whether other sessions are due."""
        return self._budget.slice_is_over

    def new_slice(self) -> None:
        """Note that others had their turn."""
        self._budget.new_slice()
