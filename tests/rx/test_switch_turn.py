"""At most one turn runs, and the next begins when the last has cleaned up."""

import asyncio
from collections.abc import AsyncGenerator

from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.rx import from_async, switch_turn
from voicepipe.testing import Marbles


def switching(marbles: Marbles, turns: Observable[str], **inner: Observable[str]) -> Observable[str]:
    return turns.pipe(
        rx_ops.map(lambda name: inner[name]),
        switch_turn(on_cut=lambda: ["c"], on_error=lambda error: [f"failed: {error}"], grace_s=0.1),
    )


def test_a_new_turn_cuts_the_running_one_in_the_same_callback(marbles: Marbles) -> None:
    """The cut is told first, then the old turn is disposed, then the new one runs."""
    a, b = marbles.cold("-x-x-x-x-x|"), marbles.cold("y-y|")
    turns = marbles.hot("a-----b---|")
    marbles.expect(switching(marbles, turns, a=a, b=b), "cx-x-x(cy)-y-|".replace("cx", "(c)x"))
    marbles.expect_subscriptions(a, "^-----!")
    marbles.expect_subscriptions(b, "------^--!")


def test_it_completes_after_the_last_turn(marbles: Marbles) -> None:
    """Turns outlive the source that gave them."""
    marbles.expect(switching(marbles, marbles.hot("a|"), a=marbles.cold("-x-x|")), "cx-x|")
    marbles.expect(switching(marbles, marbles.hot("--|")), "--|")


def test_a_failing_turn_becomes_an_event_and_the_next_one_runs(marbles: Marbles) -> None:
    """The stream of turns lives on."""
    turns = marbles.hot("a---b|")
    out = switching(marbles, turns, a=marbles.cold("x#", error=ValueError("no")), b=marbles.cold("y|"))
    marbles.expect(out, "(cx)f--(cy)|", f="failed: no")


def test_an_error_of_the_source_is_passed_on(marbles: Marbles) -> None:
    """No stage is left to take turns."""
    a = marbles.cold("x 1s |")
    marbles.expect(switching(marbles, marbles.hot("a-#"), a=a), "(cx)-#")
    marbles.expect_subscriptions(a, "^-!")


def busy(marbles: Marbles, clean_up_s: float, log: list[str]) -> Observable[str]:
    """A turn with a task that takes its time to end."""

    async def items() -> AsyncGenerator[str, None]:
        try:
            yield "x"
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(clean_up_s)
            log.append(f"clean at {marbles.now_ms():g}")

    return from_async(items, "busy")


def test_the_next_turn_waits_until_the_last_has_cleaned_up(marbles: Marbles) -> None:
    """A request that is being closed must not overlap with the next one."""
    log: list[str] = []
    turns = switching(marbles, marbles.hot("a--b|"), a=busy(marbles, 0.04, log), b=marbles.cold("y|"))
    marbles.expect(turns, "(cx)--c-y|")
    assert log == ["clean at 100"]


def test_a_clean_up_longer_than_the_grace_is_not_waited_for(marbles: Marbles) -> None:
    """The conversation goes on; the task still ends in its own time."""
    log: list[str] = []
    turns = switching(marbles, marbles.hot("a--b|"), a=busy(marbles, 0.2, log), b=marbles.cold("y-|"))
    marbles.expect(turns, "(cx)--c 80ms y-|")
    assert log == []
    marbles.run(asyncio.sleep(1))
    assert len(log) == 1


def test_while_one_waits_a_newer_turn_takes_its_place(marbles: Marbles) -> None:
    """Only the newest matters."""
    waiting, newest = marbles.cold("n|"), marbles.cold("y|")
    turns = switching(marbles, marbles.hot("a-bd|"), a=busy(marbles, 0.06, []), b=waiting, d=newest)
    marbles.expect(turns, "(cx)-cc-y|")
    marbles.expect_subscriptions(waiting)


def test_disposing_ends_the_turn_and_the_waiting_one(marbles: Marbles) -> None:
    """A session that closes leaves nothing behind."""
    waiting, log = marbles.cold("n|"), list[str]()
    turns = switching(marbles, marbles.hot("a-b 1s |"), a=busy(marbles, 0.06, log), b=waiting)
    marbles.expect(turns, "(cx)-c!")
    marbles.run(asyncio.sleep(1))
    assert log == ["clean at 40"]
    marbles.expect_subscriptions(waiting)
