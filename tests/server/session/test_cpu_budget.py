"""The share of the event loop that one session may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.server.session.cpu_budget import CpuBudget, ThreadCpu, WorkMeter, WorkSlots


def test_a_burst_is_free_and_what_is_beyond_it_is_paid():
    """By waiting four times as long, at a quarter of a core."""
    budget = CpuBudget(share=0.25, burst_s=0.1)
    budget.spend(0.1, now_s=0.0)
    assert budget.wait_s(now_s=0.0) == 0.0
    budget.spend(0.05, now_s=0.0)
    assert round(budget.wait_s(now_s=0.0), 6) == 0.2
    assert budget.wait_s(now_s=0.2) == 0.0


def test_time_without_work_is_not_saved_beyond_the_burst():
    """An hour of silence does not buy a second of the core."""
    budget = CpuBudget(share=0.25, burst_s=0.1)
    budget.spend(1.0, now_s=3600.0)
    assert round(budget.wait_s(now_s=3600.0), 6) == 3.6


@given(st.lists(st.tuples(st.floats(0, 0.1), st.floats(0, 0.1)), max_size=100))
def test_no_more_than_the_share_is_taken(work: list[tuple[float, float]]):
    """Whatever the work is, and whenever: a client that waits as it is told takes its share and one piece of work."""
    budget, now_s, spent_s = CpuBudget(share=0.25, burst_s=0.1), 0.0, 0.0
    for cost_s, idle_s in work:
        now_s += idle_s
        now_s += budget.wait_s(now_s)
        spent_s += cost_s
        now_s += cost_s
        budget.spend(cost_s, now_s)
        assert spent_s <= 0.25 * now_s + 0.1 + 0.1 + 1e-6


class Worker:
    """Work of sessions on a loop in virtual time, where work takes none: here it takes the time that is stated."""

    def __init__(self, slots: WorkSlots) -> None:
        self._slots, self._loop, self._worked_s = slots, asyncio.get_running_loop(), 0.0

    def now_s(self) -> float:
        return self._loop.time() + self._worked_s

    def session(self) -> tuple[WorkMeter, Callable[[float], None]]:
        """Return a session's meter, and what works for so many seconds."""
        meter = WorkMeter(CpuBudget(share=1.0, burst_s=1.0), self._slots, self.now_s, ThreadCpu(lambda: self._worked_s))

        def work(seconds: float) -> None:
            with meter:
                self._worked_s += seconds

        return meter, work


async def test_other_sessions_are_due_after_a_slice():
    """They are due with and without debt."""
    meter, work = Worker(WorkSlots(share=1)).session()
    work(0.0015)
    assert not meter.must_pause
    work(0.0015)
    assert meter.must_pause
    await meter.pause()
    assert not meter.must_pause


async def test_other_sessions_have_had_their_turn_between_two_packets():
    """A conversation's packets come every 20 ms: however many there were, none makes another session due."""
    meter, work = Worker(WorkSlots(share=1)).session()
    for _ in range(10):
        work(0.0015)
        assert not meter.must_pause
        await asyncio.sleep(0.02)


async def test_a_heavy_session_waits_for_its_slot():
    """Though it takes less than its share."""
    slots = WorkSlots(share=0.5)
    slots.wait_s(1.0, now_s=0.0)
    meter, work = Worker(slots).session()
    work(0.06)
    assert meter.wait_s == 0.0
    await meter.pause()
    assert asyncio.get_running_loop().time() == pytest.approx(1.94)


async def test_a_light_session_does_not_wait_for_the_heavy_ones():
    """A conversation takes a third of what makes a session heavy."""
    slots = WorkSlots(share=0.5)
    slots.wait_s(1.0, now_s=0.0)
    meter, work = Worker(slots).session()
    for _ in range(100):
        work(0.0005)
        await asyncio.sleep(0.02)
        await meter.pause()
    assert asyncio.get_running_loop().time() < 2.001


def test_work_within_work_counts_once_and_less_than_the_time_that_passed():
    """Another process that has the core is not the session's doing; on a virtual loop no time passes."""
    loop_s, cpu_s = [0.0], [0.0]
    budget = CpuBudget(share=0.5, burst_s=0.0)
    meter = WorkMeter(budget, WorkSlots(share=1), lambda: loop_s[0], ThreadCpu(lambda: cpu_s[0]))
    with meter:
        with meter:
            loop_s[0], cpu_s[0] = 1.0, 0.1
        cpu_s[0] = 0.2
    assert round(meter.wait_s, 6) == 0.4
    still = CpuBudget(share=0.5, burst_s=0.0)
    with WorkMeter(still, WorkSlots(share=1), lambda: 0.0, ThreadCpu(lambda: cpu_s[0])):
        cpu_s[0] += 5.0
    assert still.wait_s(0.0) == 0.0
