"""A bounded pool of threads."""

import contextvars
import subprocess
import sys
import threading

import pytest

from voicepipe.boundary.workers import Outcome, Priority, Workers
from voicepipe.testing import VirtualLoop

WHO = contextvars.ContextVar[str]("WHO")


def test_the_most_urgent_job_goes_first(virtual_loop: VirtualLoop) -> None:
    """Equals in the order of asking."""
    order: list[str] = []

    async def main() -> None:
        import asyncio

        pool, gate, done = Workers(1, "test"), threading.Event(), asyncio.Event()

        def job(name: str, priority: Priority) -> None:
            pool.submit(
                lambda _: order.append(name), lambda _: done.set() if len(order) == 4 else None, priority=priority
            )

        pool.submit(lambda _: gate.wait(5), lambda _: None)
        for name, priority in [("partial", 2), ("ahead", 1), ("turn", 0), ("turn too", 0)]:
            job(name, Priority(priority))
        gate.set()
        await done.wait()
        pool.close(timeout_s=5)

    virtual_loop.run(main())
    assert order == ["turn", "turn too", "ahead", "partial"]


def test_the_result_comes_in_the_callers_context(virtual_loop: VirtualLoop) -> None:
    """A log line written there names the right session."""
    told: list[tuple[str, str]] = []

    async def main() -> None:
        import asyncio

        pool, done = Workers(2, "test"), asyncio.Event()

        def answer(outcome: Outcome[str]) -> None:
            told.append((WHO.get(), str(outcome.value)))
            if len(told) == 2:
                done.set()

        for name in ("ann", "bob"):
            WHO.set(name)
            pool.submit(lambda _, name=name: name, answer)
        await done.wait()
        pool.close(timeout_s=5)

    virtual_loop.run(main())
    assert sorted(told) == [("ann", "ann"), ("bob", "bob")]


def test_a_cancelled_job_is_not_started_and_reports_nothing(virtual_loop: VirtualLoop) -> None:
    """And the jobs behind it go on."""
    ran: list[str] = []

    async def main() -> None:
        import asyncio

        pool, gate, done = Workers(1, "test"), threading.Event(), asyncio.Event()
        pool.submit(lambda _: gate.wait(5), lambda _: None)
        pool.submit(lambda _: ran.append("cancelled"), lambda _: ran.append("told")).cancel()
        pool.submit(lambda _: ran.append("next"), lambda _: done.set())
        gate.set()
        await done.wait()
        pool.close(timeout_s=5)

    virtual_loop.run(main())
    assert ran == ["next"]


def test_closing_ends_the_threads() -> None:
    """None is left behind."""
    before = set(threading.enumerate())
    pool = Workers(3, "test")
    assert len(set(threading.enumerate()) - before) == 3
    pool.close(timeout_s=5)
    assert set(threading.enumerate()) == before


@pytest.mark.programs
def test_the_process_ends_after_a_job_that_still_runs() -> None:
    """Not under it: a thread that comes back from native code into an interpreter that is gone crashes the process."""
    program = """
import asyncio, atexit, threading
from voicepipe.boundary.workers import Workers

async def main():
    pool = Workers(1, "test")
    pool.submit(work, lambda _: None)
    begins.wait(60)
    pool.close(timeout_s=0)
    atexit.register(exits.set)  # runs first

def work(_):
    begins.set()
    print("ended", exits.wait(60))

begins, exits = threading.Event(), threading.Event()
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended True\n", "")
