"""Requests of a session: one at a time, in order, and dropped when they are not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from voicepipe.boundary.overflow import BoundaryFull, Overflow
from voicepipe.boundary.pending import PendingWork
from voicepipe.boundary.requests import in_task
from voicepipe.events import Overflowed
from voicepipe.testing import Marbles, ScriptedError


class Work:
    """Takes 40 ms; emits the item in small letters at half of the time. Knows what was begun, and what was dropped."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.cancelled: list[str] = []

    async def __call__(self, item: str, emit: Callable[[str], None]) -> str:
        self.begun.append(item)
        try:
            await asyncio.sleep(0.02)
            if item == "e":
                raise ScriptedError("told to fail")
            emit(item)
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            self.cancelled.append(item)
            raise
        return item.upper()


def through(work: Work, overflow: Overflow = Overflow.DROP_OLDEST, capacity: int = 2, **more: Any) -> Any:
    return in_task(
        work,
        boundary="test",
        capacity=capacity,
        overflow=overflow,
        optional=lambda item: item in "xyz",
        lost_ms=lambda _: 10.0,
        **more,
    )


def test_items_are_done_one_after_the_other(marbles: Marbles) -> None:
    """The results of the work come at once, and the end when nothing is left."""
    marbles.expect(marbles.cold("(ab)|").pipe(through(Work())), "-aAb(B|)")


def test_a_guess_gives_way(marbles: Marbles) -> None:
    """It is skipped while something is under way, and its task is cancelled by what is no guess."""
    work = Work()
    marbles.record(marbles.cold("x(ay)----b----|").pipe(through(work)))
    assert (work.begun, work.cancelled) == (["x", "a", "b"], ["x"])


def test_the_oldest_goes(marbles: Marbles) -> None:
    backlog = PendingWork()
    seen = [one.value for one in marbles.record(marbles.cold("(abcd)|").pipe(through(Work(), backlog=backlog)))]
    assert seen == [Overflowed("test", 10.0), "a", "A", "c", "C", "d", "D", None]
    assert backlog.is_clear


def test_a_full_boundary_fails(marbles: Marbles) -> None:
    marbles.expect(marbles.cold("(abcd)|").pipe(through(Work(), Overflow.FAIL_TURN)), "#", error=BoundaryFull)


@pytest.mark.parametrize("until", ["^!", "^-!"])
def test_disposing_cancels_the_work(marbles: Marbles, until: str) -> None:
    work, backlog = Work(), PendingWork()
    marbles.record(marbles.cold("(ab)").pipe(through(work, backlog=backlog)), until)
    assert (work.begun, work.cancelled) == (["a"], ["a"])
    assert backlog.is_clear


def test_an_error_of_the_work_ends_the_stream(marbles: Marbles) -> None:
    marbles.expect(marbles.cold("(eb)|").pipe(through(Work())), "-#", error=ScriptedError)
