"""Async generators as stages: what waits, what is dropped, and what is closed when."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reactivex
from reactivex import operators as rx_ops

from voicepipe.boundary.overflow import BoundaryFull, Overflow
from voicepipe.boundary.tasks import async_stage
from voicepipe.events import Audio, Event, Overflowed, SettingsChanged, StageFailed, TurnEnded
from voicepipe.operators import respond
from voicepipe.rx import switch_turn
from voicepipe.stage import SessionError, Stage, StageError
from voicepipe.testing import Marbles, ScriptedError

LOST = Overflowed("test", 0.0)


def slow(delay_s: float) -> Callable[[AsyncIterator[str]], AsyncGenerator[str, None]]:
    """Upper case, each item after a while."""

    async def work(items: AsyncIterator[str]) -> AsyncGenerator[str, None]:
        async for item in items:
            await asyncio.sleep(delay_s)
            yield item.upper()

    return work


def through(
    work: Callable[[AsyncIterator[Any]], Any], overflow: Overflow = Overflow.FAIL_TURN, capacity: int = 8
) -> Stage[Any, Any]:
    return async_stage(work, boundary="test", capacity=capacity, overflow=overflow)


def test_it_gives_what_the_function_yields(marbles: Marbles) -> None:
    """In order, at its own pace, and ends when the function has seen the end."""
    marbles.expect(marbles.cold("a-b-c|").pipe(through(slow(0.03))), "30ms A 20ms B 20ms (C|)")


def test_a_burst_is_taken_item_by_item(marbles: Marbles) -> None:
    """Items that have not been taken yet wait."""
    marbles.expect(marbles.cold("(abc|)").pipe(through(slow(0.02), capacity=3)), "-AB(C|)")


def test_it_may_say_more_or_less_than_it_hears(marbles: Marbles) -> None:
    """And end before its source does."""

    async def first(items: AsyncIterator[str]) -> AsyncGenerator[str, None]:
        yield "x"
        async for item in items:
            yield item
            yield item
            return

    source = marbles.hot("-a-b-c|")
    marbles.expect(source.pipe(through(first)), "x(aa|)")
    marbles.expect_subscriptions(source, "^!")


def test_any_async_iterable_will_do(marbles: Marbles) -> None:
    """Such as a client library's stream, which has no `aclose`."""

    class Stream:
        def __init__(self, items: AsyncIterator[str]) -> None:
            self.items = items

        def __aiter__(self) -> AsyncIterator[str]:
            return self.items

    marbles.expect(marbles.cold("a-b|").pipe(through(Stream)), "a-b|")


@pytest.mark.parametrize(("overflow", "capacity"), [(Overflow.DROP_OLDEST, 2), (Overflow.LATEST, 1)])
def test_a_full_boundary_drops_by_its_policy_and_says_so(marbles: Marbles, overflow: Overflow, capacity: int) -> None:
    """Four items come while one is at work."""

    async def work(items: AsyncIterator[str]) -> AsyncGenerator[str, None]:
        async for item in items:
            if item == "a":
                await asyncio.sleep(0.1)
            else:
                yield item.upper()

    stage = through(work, overflow, capacity)
    out = marbles.record(marbles.cold("a-(bcde)|").pipe(stage))
    dropped = [one.value for one in out if isinstance(one.value, Overflowed)]
    assert dropped == [replace(LOST, policy=overflow.name.lower())] * (4 - capacity)
    assert [one.value for one in out if isinstance(one.value, str)] == ["D", "E"][-capacity:]


def test_lost_sound_is_counted_in_milliseconds(marbles: Marbles) -> None:
    """By itself for `Audio`."""
    sound = Audio(np.zeros(480, np.float32), 24_000)
    out = marbles.record(marbles.cold("(aa|)", a=sound).pipe(through(slow_sound, Overflow.DROP_OLDEST, 1)))
    assert out[0].value == Overflowed("test", 20.0)


async def slow_sound(items: AsyncIterator[Audio]) -> AsyncGenerator[Audio, None]:
    async for item in items:
        yield item


def test_where_nothing_may_be_lost_a_full_boundary_fails_the_turn(marbles: Marbles) -> None:
    """The error names the boundary; the task is cancelled."""
    stage = through(slow(0.1), Overflow.FAIL_TURN, 2)
    marbles.expect(marbles.cold("a-bcd|").pipe(stage), "----#", error=BoundaryFull("test", 2))


def test_where_the_session_cannot_go_on_no_turn_survives_it(marbles: Marbles) -> None:
    """Neither a reply of `respond` nor a turn of `switch_turn` makes it an event."""
    stage = through(slow(0.1), Overflow.FAIL_SESSION, 1)
    error = SessionError("test", BoundaryFull("test", 1))
    marbles.expect(marbles.cold("a-bc|").pipe(stage), "---#", error=error)
    turn = marbles.cold("a-bc|").pipe(stage)
    switching = switch_turn(on_cut=lambda: [], on_error=lambda error: [error], grace_s=1)
    marbles.expect(reactivex.of(turn).pipe(switching), "---#", error=error)
    replying = respond(
        lambda _: turn,
        idle_after_s=1,
        idle_prompts=0,
        uninterruptible_s=0,
        grace_s=1,
        min_voice_ms=800,
        resume_within_ms=350,
    )
    out = marbles.record(marbles.hot("e----|", e=TurnEnded("hi", 0)).pipe(replying))
    assert (out[-1].kind, str(out[-1].value)) == ("error", str(error))
    assert not [one for one in out if isinstance(one.value, StageFailed)]


def test_where_a_turn_fails_respond_goes_on(marbles: Marbles) -> None:
    """The difference between the two policies."""
    turn = marbles.cold("a-bc|").pipe(through(slow(0.1), Overflow.FAIL_TURN, 1))
    replying = respond(
        lambda _: turn,
        idle_after_s=1,
        idle_prompts=0,
        uninterruptible_s=0,
        grace_s=1,
        min_voice_ms=800,
        resume_within_ms=350,
    )
    out: list[Event] = [one.value for one in marbles.record(marbles.hot("e----|", e=TurnEnded("hi", 0)).pipe(replying))]
    assert [failed.stage for failed in out if isinstance(failed, StageFailed)] == ["reply"]


@pytest.mark.parametrize(
    ("overflow", "capacity", "says"),
    [
        (
            Overflow.BLOCK,
            4,
            "boundary 'test' cannot BLOCK, because what comes before it cannot wait; choose DROP_OLDEST",
        ),
        (Overflow.DROP_OLDEST, 0, "boundary 'test' needs a capacity of 1 item at least, not 0"),
        (Overflow.LATEST, 2, "boundary 'test' keeps the LATEST item only, so its capacity is 1, not 2"),
    ],
)
def test_what_cannot_be_honoured_is_refused_where_it_is_written(overflow: Overflow, capacity: int, says: str) -> None:
    """Before any session begins."""
    with pytest.raises(ValueError, match=says):
        through(slow(1), overflow, capacity)


def test_capacity_and_policy_have_no_default() -> None:
    """They are written in the pipeline, where they are read."""
    with pytest.raises(TypeError, match=r"async_stage\(\) missing 2 required keyword-only .*'capacity' and 'overflow'"):
        async_stage(slow(1), boundary="test")  # pyright: ignore[reportCallIssue]


def test_a_function_that_yields_nothing_is_refused(marbles: Marbles) -> None:
    """With its name and its line: at once where that can be seen, or when it is called."""

    async def forgetful(items: AsyncIterator[str]) -> str:
        return "x"

    with pytest.raises(TypeError, match=r"forgetful \(.*test_tasks.py:\d+\) is async and has no `yield`"):
        through(forgetful)
    (failed,) = marbles.record(marbles.cold("a|").pipe(through(lambda _: 3)))
    assert isinstance(failed.value, StageError)
    assert "returned int; a stage yields what comes out of it" in str(failed.value)


def closing(log: list[str], clean_up_s: float = 0.0) -> Callable[[AsyncIterator[str]], AsyncGenerator[str, None]]:
    async def work(items: AsyncIterator[str]) -> AsyncGenerator[str, None]:
        try:
            async for item in items:
                if item == "!":
                    raise ScriptedError("no")
                yield item
        finally:
            await asyncio.sleep(clean_up_s)
            log.append("closed")

    return work


@pytest.mark.parametrize(
    ("source", "expected"), [("a-b", "a-b!"), ("a-!", "a- 10ms #"), ("a-#", "a-#"), ("a-b|", "a-b 10ms |")]
)
def test_it_is_closed_however_it_ends(marbles: Marbles, source: str, expected: str) -> None:
    """Disposed, failed by itself or by its source, or done: its `finally` runs to the end."""
    log = list[str]()
    script = marbles.cold(source.replace("!", "x"), table={"x": "!"})
    marbles.expect(script.pipe(through(closing(log, 0.01))), expected)
    marbles.run(asyncio.sleep(1))
    assert log == ["closed"]


def test_an_exception_has_the_boundarys_name(marbles: Marbles) -> None:
    """An error of the source keeps its own."""
    marbles.expect(
        marbles.cold("a|", a="!").pipe(through(closing([]))), "#", error=StageError("test", ScriptedError("no"))
    )
    marbles.expect(
        marbles.cold("#", error=ScriptedError("mic")).pipe(through(closing([]))), "#", error=ScriptedError("mic")
    )


def test_the_next_turn_waits_until_the_last_ones_task_is_done(marbles: Marbles) -> None:
    """Two requests of one session never overlap."""
    log = list[str]()
    stage = through(closing(log, 0.04))
    turns = {
        "p": marbles.cold("a 1s |").pipe(stage),
        "q": marbles.cold("b|").pipe(rx_ops.do_action(lambda _: log.append("next"))),
    }
    switching = switch_turn(on_cut=lambda: [], on_error=lambda error: [error], grace_s=1)
    marbles.expect(marbles.hot("p--q|", table=turns).pipe(switching), "a----b|")
    assert log == ["closed", "next"]


def test_what_flows_keeps_its_type(marbles: Marbles) -> None:
    """A pass-through of settings, for the sake of an event that is no sound."""
    settings = SettingsChanged("Hi.")
    marbles.expect(marbles.cold("s|", s=settings).pipe(through(slow_sound)), "s|", s=settings)
