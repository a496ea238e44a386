"""The CPU time that one session may take of the event loop. All sessions share one thread: what one takes, others wait.

`CpuBudget` and `WorkSlots` are pure state machines; `ReceiveQueue` waits as they say, and `WorkMeter` measures.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from voicepipe.server.settings import ServerSettings

__all__ = ["CpuBudget", "ThreadCpu", "WorkMeter", "WorkSlots"]

Clock = Callable[[], float]

# One stretch of work until other sessions have their turn: an answer takes four iterations of the event loop.
_SLICE_S = 0.002
# Between two pieces of work of one stretch passes less: after more, others had their turn in any case.
_TURN_S = 0.001
# A session that takes more than this share for longer is a heavy one: a conversation takes a third.
_LIGHT_SHARE, _LIGHT_BURST_S = 0.08, 0.05
# Work so short that it hardly matters whether another process had the core meanwhile.
_SHORT_S = 0.002
# For so long the CPU time is not read again: what other sessions took meanwhile may count as the work's own, if another
# process has had the core, too.
_MOMENT_S = 0.005
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
        self._slice_s = self.slice_s(now_s - seconds) + seconds
        self._debt_s = max(0.0, self._debt_s - (now_s - self._paid_at_s) * self._share) + seconds
        self._paid_at_s = now_s

    def wait_s(self, now_s: float) -> float:
        """Return how long the session has to wait before it works on."""
        left_s = self._debt_s - self._burst_s - (now_s - self._paid_at_s) * self._share
        return left_s / self._share if left_s > _NOTHING_S else 0.0

    def slice_s(self, now_s: float) -> float:
        """Return the work since others had their turn."""
        return self._slice_s if now_s - self._paid_at_s < _TURN_S else 0.0

    def new_slice(self) -> None:
        """Note that others had their turn."""
        self._slice_s = 0.0


class ThreadCpu:
    """The CPU time of the event loop's thread, read some times a second: asking the system takes 0.3 to 20 µs.

    >>> cpu = ThreadCpu(iter((1.0, 1.25)).__next__)
    >>> cpu.mark(now_s=10.0)
    >>> cpu.mark(now_s=10.004)
    >>> cpu.since_mark()
    0.25
    """

    __slots__ = ("_at_s", "_cpu_s", "_read")

    def __init__(self, read: Clock = time.thread_time) -> None:
        self._read = read
        self._at_s, self._cpu_s = -1.0, 0.0

    def mark(self, now_s: float) -> None:
        """Read it, unless that was done a moment ago."""
        if not 0.0 <= now_s - self._at_s < _MOMENT_S:
            self._at_s, self._cpu_s = now_s, self._read()

    def since_mark(self) -> float:
        """Return the CPU time since the last mark, in seconds."""
        return self._read() - self._cpu_s


class WorkSlots:
    """Slots for the work of heavy sessions: one at a time, and all of them for a `share` of the core.

    However many there are, a light session waits for one slice of their work, and not for a slice of each.

    >>> slots = WorkSlots(share=0.5)
    >>> [round(slots.wait_s(0.002, now_s=0.0), 6) for _ in range(3)]
    [0.0, 0.004, 0.008]
    """

    __slots__ = ("_free_at_s", "_share", "cpu")

    def __init__(self, *, share: float) -> None:
        self._share = share
        self._free_at_s = 0.0
        # Of the thread in which all of them work.
        self.cpu = ThreadCpu()

    def wait_s(self, slice_s: float, now_s: float) -> float:
        """Take the next slot, for as much work as the last one took, and return how long it is until then."""
        at_s = max(self._free_at_s, now_s)
        self._free_at_s = at_s + max(slice_s, _SLICE_S) / self._share
        return at_s - now_s


class WorkMeter:
    """Measures a session's work in the event loop's thread, and puts it down to its budget: `with meter: work()`.

    It takes the loop's time: on a loop in virtual time work takes none. Of longer work it takes the thread's CPU time,
    which does not run while other processes have the core, if that is less. Within another measurement nothing is
    counted twice.
    """

    def __init__(self, budget: CpuBudget, slots: WorkSlots, clock: Clock, cpu: ThreadCpu) -> None:
        self._budget, self._slots, self._clock, self._cpu = budget, slots, clock, cpu
        self._light = CpuBudget(share=_LIGHT_SHARE, burst_s=_LIGHT_BURST_S)
        self._depth = 0
        self._began_s = 0.0

    @classmethod
    def of(cls, settings: ServerSettings, slots: WorkSlots, clock: Clock) -> WorkMeter:
        """Return the meter of one client, with a budget of its own; all clients of a server share `slots`."""
        budget = CpuBudget(share=settings.session_cpu_share, burst_s=settings.session_cpu_burst_s)
        return cls(budget, slots, clock, slots.cpu)

    def __enter__(self) -> None:
        self._depth += 1
        if self._depth == 1:
            self._began_s = self._clock()
            self._cpu.mark(self._began_s)

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if self._depth:
            return
        now_s = self._clock()
        spent_s = now_s - self._began_s
        if spent_s > _SHORT_S:
            spent_s = min(spent_s, self._cpu.since_mark())
        self._budget.spend(spent_s, now_s)
        self._light.spend(spent_s, now_s)

    @property
    def wait_s(self) -> float:
        """Return how long the session has to wait before it works on."""
        return self._budget.wait_s(self._clock())

    @property
    def must_pause(self) -> bool:
        """Return whether other sessions are due, or the session has to wait before it works on."""
        now_s = self._clock()
        return self._budget.slice_s(now_s) >= _SLICE_S or self._budget.wait_s(now_s) > 0.0

    async def pause(self) -> None:
        """Let other sessions have their turn, and pay for the CPU time that this one has spent."""
        slice_s = self._budget.slice_s(self._clock())
        await asyncio.sleep(self.wait_s)
        now_s = self._clock()
        if self._light.wait_s(now_s):
            await asyncio.sleep(self._slots.wait_s(slice_s, now_s))
        self._budget.new_slice()
