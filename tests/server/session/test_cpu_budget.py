"""What one session may take of the event loop."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicepipe.server.session.cpu_budget import CpuBudget, WorkMeter


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


def test_other_sessions_are_due_after_a_slice():
    """Whether there is debt or not."""
    budget = CpuBudget(share=1.0, burst_s=1.0)
    budget.spend(0.003, now_s=0.0)
    assert not budget.slice_is_over
    budget.spend(0.003, now_s=1.0)
    assert budget.slice_is_over
    budget.new_slice()
    assert not budget.slice_is_over


def test_work_within_work_counts_once_and_less_than_the_time_that_passed():
    """Another process that has the core is not the session's doing; on a virtual loop no time passes."""
    loop_s, cpu_s = [0.0], [0.0]
    budget = CpuBudget(share=0.5, burst_s=0.0)
    meter = WorkMeter(budget, lambda: loop_s[0], lambda: cpu_s[0])
    with meter.measured():
        with meter.measured():
            loop_s[0], cpu_s[0] = 1.0, 0.1
        cpu_s[0] = 0.2
    assert round(meter.wait_s, 6) == 0.4
    still = CpuBudget(share=0.5, burst_s=0.0)
    with WorkMeter(still, lambda: 0.0, lambda: cpu_s[0]).measured():
        cpu_s[0] += 5.0
    assert still.wait_s(0.0) == 0.0
