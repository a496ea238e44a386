"""The CPU time that one session may take of the event loop. All sessions share one thread: what one takes, others wait.

`CpuBudget` and `WorkSlots` are pure state machines; `ReceiveQueue` waits as they say, and `WorkMeter` measures.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from voicepipe.server.settings import ServerSettings

__all__ = ["CpuBudget", "WorkMeter", "WorkSlots"]

Clock = Callable[[], float]

# One stretch of work until other sessions have their turn: an answer takes four iterations of the event loop.
_SLICE_S = 0.002
# A session that takes more than this share for longer is a heavy one: a conversation takes a third.
_LIGHT_SHARE, _LIGHT_BURST_S = 0.08, 0.05
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
    def slice_s(self) -> float:
        """Return the work since others had their turn."""
        return self._slice_s

    def new_slice(self) -> None:
        """Note that others had their turn."""
        self._slice_s = 0.0


class WorkSlots:
    """Slots for the work of heavy sessions: one at a time, and all of them for a `share` of the core.

    However many there are, a light session waits for one slice of their work, and not for a slice of each.

    >>> slots = WorkSlots(share=0.5)
    >>> [round(slots.wait_s(0.002, now_s=0.0), 6) for _ in range(3)]
    [0.0, 0.004, 0.008]
    """

    __slots__ = ("_free_at_s", "_share")

    def __init__(self, *, share: float) -> None:
        self._share = share
        self._free_at_s = 0.0

    def wait_s(self, slice_s: float, now_s: float) -> float:
        """Take the next slot, for as much work as the last one took, and return how long it is until then."""
        at_s = max(self._free_at_s, now_s)
        self._free_at_s = at_s + max(slice_s, _SLICE_S) / self._share
        return at_s - now_s


class WorkMeter:
    """Measures a session's work in the event loop's thread, and puts it down to its budget.

    It takes the thread's CPU time, which does not run while other processes have the core, or the loop's time, if that
    is less: on a loop in virtual time work takes none.
    """

    def __init__(self, budget: CpuBudget, slots: WorkSlots, clock: Clock, cpu: Clock = time.thread_time) -> None:
        self._budget, self._slots, self._clock, self._cpu = budget, slots, clock, cpu
        self._light = CpuBudget(share=_LIGHT_SHARE, burst_s=_LIGHT_BURST_S)
        self._is_measuring = False

    @classmethod
    def of(cls, settings: ServerSettings, slots: WorkSlots, clock: Clock) -> WorkMeter:
        """Return the meter of one client, with a budget of its own; all clients of a server share `slots`."""
        return cls(CpuBudget(share=settings.session_cpu_share, burst_s=settings.session_cpu_burst_s), slots, clock)

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
            spent_s = min(now_s - began_s, self._cpu() - cpu_began_s)
            self._budget.spend(spent_s, now_s)
            self._light.spend(spent_s, now_s)

    @property
    def wait_s(self) -> float:
        """Return how long the session has to wait before it works on."""
        return self._budget.wait_s(self._clock())

    @property
    def slice_is_over(self) -> bool:
        """Return whether other sessions are due, debt or not."""
        return self._budget.slice_s >= _SLICE_S

    async def pause(self) -> None:
        """Let other sessions have their turn, and pay for the CPU time that this one has spent."""
        await asyncio.sleep(self.wait_s)
        now_s = self._clock()
        if self._light.wait_s(now_s):
            await asyncio.sleep(self._slots.wait_s(self._budget.slice_s, now_s))
        self._budget.new_slice()
