"""A bounded pool of threads for blocking model work, shared by all sessions.

onnxruntime and llama.cpp let go of the GIL while they compute, so that threads are enough. Results come back to the
event loop that asked, in the context it asked from, so that a log line written there names the right session.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Generic, TypeVar

__all__ = ["Outcome", "Priority", "Ticket", "Workers"]

T = TypeVar("T")


class Priority(IntEnum):
    """Who goes first when all threads are busy."""

    TURN = 0
    """Somebody waits for it: the last words, the end of a turn, the first clause."""
    AHEAD = 1
    """It will be needed: the clauses after the first."""
    PARTIAL = 2
    """Nice to have: words while they are spoken."""


@dataclass(slots=True)
class Outcome(Generic[T]):
    """What a job came to: a value, or the exception that it raised."""

    value: T | None = None
    error: Exception | None = None


@dataclass(slots=True)
class Ticket:
    """A job in the pool. `cancel` keeps it from starting, or tells it to stop; then `done` is never called."""

    cancelled: bool = False
    started: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass(slots=True, order=True)
class _Job:
    priority: int
    number: int
    run: Callable[[], None] = field(compare=False)


class Workers:
    """`threads` daemon threads that take the most urgent job first; equals in the order of asking.

    The queue is unbounded on purpose: what bounds it are the boundaries in front of it (`voicepipe.boundary.threads`),
    which know whose work it is and what may be dropped.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{index}", daemon=True) for index in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Jobs that no thread has taken yet."""
        return self._jobs.qsize()

    def submit(
        self,
        work: Callable[[Ticket], T],
        done: Callable[[Outcome[T]], object],
        *,
        priority: Priority = Priority.TURN,
    ) -> Ticket:
        """Run `work(ticket)` in a thread, then `done(outcome)` on the calling event loop.

        Long work looks at `ticket.cancelled` now and then. Must be called on an event loop.
        """
        loop, context, ticket = asyncio.get_running_loop(), contextvars.copy_context(), Ticket()
        started, finished = _work_hooks(loop)

        def deliver(outcome: Outcome[T]) -> None:
            finished()
            if not ticket.cancelled:
                done(outcome)

        def run() -> None:
            outcome = Outcome[T]() if ticket.cancelled else _attempt(work, ticket)
            _post(loop, deliver, outcome, context)

        started()
        self._jobs.put(_Job(priority, next(self._numbers), run))
        return ticket

    def close(self, timeout_s: float) -> None:
        """Stop the threads after what they are doing; queued jobs are left undone. Blocks up to `timeout_s`."""
        for _ in self._threads:
            self._jobs.put(_Job(-1, next(self._numbers), _stop))
        for thread in self._threads:
            thread.join(timeout_s)

    def _work(self) -> None:
        while (job := self._jobs.get()).run is not _stop:
            job.run()


def _stop() -> None:
    """The last job of a thread."""


def _attempt(work: Callable[[Ticket], T], ticket: Ticket) -> Outcome[T]:
    ticket.started = True
    try:
        return Outcome(value=work(ticket))
    except Exception as error:
        return Outcome(error=error)


def _post(
    loop: asyncio.AbstractEventLoop, deliver: Callable[[Any], None], outcome: Any, context: contextvars.Context
) -> None:
    try:
        loop.call_soon_threadsafe(deliver, outcome, context=context)
    except RuntimeError:
        if not loop.is_closed():
            raise  # a closed loop has nobody left to tell


def _work_hooks(loop: asyncio.AbstractEventLoop) -> tuple[Callable[[], None], Callable[[], None]]:
    """A virtual loop wants to know that a thread is at work, so that its clock stands still meanwhile."""
    nothing = lambda: None
    return getattr(loop, "work_started", nothing), getattr(loop, "work_finished", nothing)
