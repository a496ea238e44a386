"""Time and tasks of one session."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
import reactivex as rx
from reactivex import operators as rx_ops

from voicepipe.rx import LoopScheduler, scheduler_of
from voicepipe.rx.scheduler import AnotherThread
from voicepipe.testing import Marbles, VirtualLoop


def test_work_without_delay_runs_in_the_callers_stack(virtual_loop: VirtualLoop) -> None:
    """No hop through the loop, so that no other event gets in between."""
    ran: list[str] = []
    LoopScheduler(virtual_loop).schedule(lambda *_: ran.append("now"))
    assert ran == ["now"]


def test_time_operators_keep_the_loops_time(marbles: Marbles) -> None:
    """`interval`, `delay` and `debounce` inherit the scheduler from the subscription."""
    marbles.expect(rx.interval(0.04).pipe(rx_ops.take(3)), "--a-b-(c|)", a=0, b=1, c=2)
    marbles.expect(marbles.cold("ab---c|").pipe(rx_ops.debounce(0.04)), "---b--(c|)")


def test_a_disposed_timer_never_fires(marbles: Marbles) -> None:
    """And does not keep the loop awake."""
    marbles.expect(rx.timer(10.0), "--!")


def test_a_childs_tasks_are_the_parents_too() -> None:
    """A turn's tasks can be awaited apart; a session knows of all."""

    async def main() -> None:
        parent = LoopScheduler(asyncio.get_running_loop())
        child = parent.child()
        task = child.spawn(asyncio.sleep(1), "nap")
        assert (parent.tasks, child.tasks) == ({task}, {task})
        await task
        await asyncio.sleep(0)
        assert (parent.tasks, child.tasks) == (set(), set())

    with VirtualLoop() as loop:
        loop.run(main())


def test_another_scheduler_is_refused_with_the_way_out() -> None:
    """A pipeline without its scheduler would start threads and tell two times."""
    with pytest.raises(RuntimeError, match="NoneType as scheduler; a pipeline needs a voicepipe LoopScheduler"):
        scheduler_of(None)


def test_another_thread_may_not_enter() -> None:
    """The message names the thread."""
    loop = asyncio.new_event_loop()
    scheduler = LoopScheduler(loop)
    with ThreadPoolExecutor(1, "mine") as pool:
        for enter in (scheduler.check_thread, lambda: scheduler.schedule_relative(1, lambda *_: None)):
            with pytest.raises(AnotherThread, match=r"from the thread 'mine_0'"):
                pool.submit(enter).result()
    loop.close()
