"""A bounded pool of threads for blocking model work, shared by all sessions.

onnxruntime and llama.cpp release the GIL while they compute, so that threads are enough. Results return to the event
loop that asked, in the caller's context, so that log lines name the right session.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import itertools
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["Outcome", "Priority", "Ticket", "WorkObserver", "Workers"]

T = TypeVar("T")

_EXIT_S = 30.0  # no call into a model takes longer, on a busy machine


class Priority(IntEnum):
    """The order in which jobs run when all threads are busy."""

    TURN = 0
    """The user waits for it: the last words, the end of a turn, the first clause."""
    AHEAD = 1
    """It will be needed soon: the clauses after the first."""
    PARTIAL = 2
    """It is optional: words while the user speaks."""


@dataclass(slots=True)
class Outcome(Generic[T]):
    """The result of a job: a value, or the exception that it raised."""

    value: T | None = None
    error: Exception | None = None


class WorkObserver(Protocol):
    """Receives, in the threads of a pool and in the context of each caller, how long jobs wait and work."""

    def waited(self, pool: str, after_s: float) -> None:
        """A job of the pool was started this long after its submission."""

    def worked(self, what: str, after_s: float) -> None:
        """A job of this kind has ended after this time."""


@dataclass(slots=True)
class Ticket:
    """A job in the pool. `cancel` keeps it from starting, or asks it to stop; `done` is then not called."""

    cancelled: bool = False
    started: bool = False

    def cancel(self) -> None:
        """Ask the job to stop: it looks at `cancelled` now and then."""
        self.cancelled = True


@dataclass(slots=True, order=True)
class _Job:
    priority: int
    number: int
    run: Callable[[], None] = field(compare=False)


class Workers:
    """Run jobs in `threads` daemon threads, the most urgent first, equal ones in the order of their submission.

    The queue is unbounded: the boundaries in front of it (`voicepipe.boundary.threads`) bound it, because they know
    which session a job belongs to and what may be dropped.

    Args:
        threads: The number of threads.
        name: The pool's name, which its threads have.
        observer: Receives how long jobs wait and work, for metrics; None: nothing does.
    """

    def __init__(self, threads: int, name: str, observer: WorkObserver | None = None) -> None:
        self._name, self._observer = name, observer
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{index}", daemon=True) for index in range(threads)
        ]
        for thread in self._threads:
            thread.start()
        # A thread that is in a model's native code when the interpreter is torn down crashes the process.
        atexit.register(self.close, _EXIT_S)

    @property
    def waiting(self) -> int:
        """Number of jobs that no thread has started."""
        return self._jobs.qsize()

    def submit(
        self,
        work: Callable[[Ticket], T],
        done: Callable[[Outcome[T]], object],
        *,
        priority: Priority = Priority.TURN,
        what: str = "other",
    ) -> Ticket:
        """Run `work(ticket)` in a thread, then `done(outcome)` on the calling event loop.

        A long job reads `ticket.cancelled` now and then and stops. Must be called on an event loop.

        Args:
            work: The job, which may block.
            done: Called with its outcome, unless the ticket was cancelled.
            priority: Which jobs are taken first.
            what: The kind of work, for the pool's observer.
        """
        loop, context, ticket = asyncio.get_running_loop(), contextvars.copy_context(), Ticket()
        started, finished = _work_hooks(loop)

        def deliver(outcome: Outcome[T]) -> None:
            finished()
            if not ticket.cancelled:
                done(outcome)

        observed, submitted_s = self._observed(what, context), time.perf_counter()

        def run() -> None:
            outcome = Outcome[T]() if ticket.cancelled else observed(lambda: _attempt(work, ticket), submitted_s)
            _post(loop, deliver, outcome, context)

        started()
        self._jobs.put(_Job(priority, next(self._numbers), run))
        return ticket

    def close(self, timeout_s: float) -> None:
        """Stop the threads after their current jobs; queued jobs do not run. Blocks for up to `timeout_s`."""
        for _ in self._threads:
            self._jobs.put(_Job(-1, next(self._numbers), _stop))
        ends_at_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, ends_at_s - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            atexit.unregister(self.close)

    def _observed(self, what: str, context: contextvars.Context) -> Callable[[Callable[[], Any], float], Any]:
        """Return a function that runs a job that was submitted at a time, and reports how long it waited and worked."""
        observer = self._observer
        if observer is None:
            return lambda job, _: job()

        def run(job: Callable[[], Any], submitted_s: float) -> Any:
            began_s = time.perf_counter()
            result = job()
            context.run(observer.waited, self._name, began_s - submitted_s)
            context.run(observer.worked, what, time.perf_counter() - began_s)
            return result

        return run

    def _work(self) -> None:
        while (job := self._jobs.get()).run is not _stop:
            job.run()


def _stop() -> None:
    """The job that ends a thread."""


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
            raise  # a closed loop cannot receive the outcome


def _work_hooks(loop: asyncio.AbstractEventLoop) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return the hooks by which a virtual loop stops its clock while a thread works."""
    nothing = lambda: None
    return getattr(loop, "work_started", nothing), getattr(loop, "work_finished", nothing)
