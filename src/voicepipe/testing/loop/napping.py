"""Threads in virtual time.

A virtual loop's clock stands still while a thread works, so that computing takes no time. A scripted model has to take
some: it naps, and its thread counts as idle meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from voicepipe.boundary.workers import Outcome, Priority, Ticket, Workers
from voicepipe.testing.loop.virtual_loop import VirtualLoop

__all__ = ["NappingWorkers", "nap"]

T = TypeVar("T")


def nap(loop: VirtualLoop, seconds: float) -> None:
    """Sleep on a loop's clock, in a thread of `loop.run_in_executor`: a function that takes its time.

    Args:
        loop: The loop that waits for the thread, and does not while it sleeps.
        seconds: In virtual time.
    """
    awake = threading.Event()

    def wake() -> None:
        loop.work_started()
        awake.set()

    loop.call_soon_threadsafe(loop.call_later, seconds, wake)
    loop.work_finished()
    awake.wait()


class NappingWorkers(Workers):
    """A pool with threads in which `nap` takes virtual time. Jobs that wait for a napping thread wait in virtual time,
    too.

    The loop counts a job from its submission. While every thread naps, waiting jobs are taken off that count (`_off`);
    otherwise the clock would stand still for them, and no thread would wake.
    """

    def __init__(self, threads: int, name: str, loop: VirtualLoop) -> None:
        self._loop, self._awake, self._off = loop, threads, 0
        self._lock = threading.Lock()
        super().__init__(threads, name)

    def submit(
        self,
        work: Callable[[Ticket], T],
        done: Callable[[Outcome[T]], object],
        *,
        priority: Priority = Priority.TURN,
        what: str = "other",
    ) -> Ticket:
        with self._lock:
            ticket = super().submit(work, done, priority=priority, what=what)
            if not self._awake:
                self._take_off(1)
        return ticket

    def nap(self, seconds: float) -> None:
        """Sleep on the loop's clock, in a thread of this pool."""
        awake = threading.Event()

        def wake() -> None:
            with self._lock:
                self._put_back()
                self._awake += 1
                self._loop.work_started()
            awake.set()

        self._loop.call_soon_threadsafe(self._loop.call_later, seconds, wake)
        with self._lock:
            self._awake -= 1
            if not self._awake:
                self._take_off(self.waiting)
            self._loop.work_finished()
        awake.wait()

    def _take_off(self, jobs: int) -> None:
        self._off += jobs
        for _ in range(jobs):
            self._loop.work_finished()

    def _put_back(self) -> None:
        while self._off:
            self._off -= 1
            self._loop.work_started()
