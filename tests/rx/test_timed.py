"""A state machine that asks to be called again at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from reactivex import Observable, abc
from reactivex import operators as rx_ops

from voicepipe.rx import Clock, LoopScheduler, transduce
from voicepipe.stage import Stage, StageError, stage_factory
from voicepipe.testing import Marbles


class Debounce:
    """Gives an item when no other has come for a time."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.held: list[str] = []
        self.due_s: float | None = None

    def __call__(self, item: str) -> Iterator[str]:
        self.held, self.due_s = [item], self.clock() + self.seconds
        yield from ()

    def elapsed(self) -> Iterator[str]:
        held, self.held, self.due_s = self.held, [], None
        yield from held


@stage_factory()
def debounce(*, seconds: float) -> Stage[str, str]:
    return transduce(lambda clock: Debounce(clock, seconds), finish=lambda machine: machine.held)


def test_it_is_called_at_the_time_that_it_has_asked_for(marbles: Marbles) -> None:
    """Though no item comes; a later item moves the time."""
    marbles.expect(marbles.cold("a-b----c-----|").pipe(debounce(seconds=0.06)), "-----b----c--|")


def test_what_is_left_comes_at_the_end(marbles: Marbles) -> None:
    """The source's completion does not wait for the time."""
    marbles.expect(marbles.cold("a|").pipe(debounce(seconds=0.06)), "-(a|)")


def test_disposing_ends_the_timer(marbles: Marbles) -> None:
    """Nothing is left on the loop, or the fixture fails the test."""
    marbles.expect(marbles.cold("a---").pipe(debounce(seconds=0.2), rx_ops.take_until(marbles.cold("--x"))), "--|")


def test_an_error_of_the_source_ends_the_timer(marbles: Marbles) -> None:
    """The held item is dropped, as in reactivex."""
    marbles.expect(marbles.cold("a-#").pipe(debounce(seconds=0.06)), "--#")


def test_a_time_that_has_come_is_before_an_item_of_that_time(marbles: Marbles) -> None:
    """In whatever order the loop has them."""
    marbles.expect(marbles.cold("a--b------|").pipe(debounce(seconds=0.06)), "---a--b---|")


class Metronome:
    """Ticks for ever, from the first item on."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.due_s: float | None = None

    def __call__(self, _: str) -> Iterator[str]:
        self.due_s = self.clock() + 0.04
        yield from ()

    def elapsed(self) -> Iterator[str]:
        self.due_s = (self.due_s or 0) + 0.04
        yield "t"


def test_it_may_ask_again_and_again(marbles: Marbles) -> None:
    """Each time for the next."""
    marbles.expect(marbles.cold("a------|").pipe(transduce(Metronome)), "--t-t-t|")


def test_times_that_were_missed_come_before_the_next_item(marbles: Marbles) -> None:
    """A loop that was late is late with a timer, and not out of order."""
    seen: list[str] = []

    def stall(item: str) -> str:
        if item == "b":
            marbles.loop.stall(0.06)
        return item

    source = marbles.cold("a--b---|").pipe(rx_ops.map(stall))
    marbles.record(source.pipe(transduce(Metronome), rx_ops.do_action(seen.append)))
    assert seen[0] == "t"


class Stuck(Metronome):
    def elapsed(self) -> Iterator[str]:
        yield "t"


class Broken(Metronome):
    def elapsed(self) -> Iterator[str]:
        yield "t"
        raise ValueError("no")


def test_a_machine_that_would_be_called_for_ever_is_an_error(marbles: Marbles) -> None:
    """Its time must move."""
    error = StageError("Stuck", ValueError("elapsed() has left due_s as it was, 0.04 s"))
    marbles.expect(marbles.cold("a------|").pipe(transduce(Stuck)), "--(t#)", error=error)


def test_a_machine_that_fails_at_a_time_ends_the_stream(marbles: Marbles) -> None:
    """With its name; the source is let go."""
    source = marbles.cold("a------|")
    marbles.expect(source.pipe(transduce(Broken)), "--(t#)", error=StageError("Broken", ValueError("no")))
    marbles.expect_subscriptions(source, "^-!")


def test_a_time_that_moves_with_each_item_makes_no_timer_each(
    marbles: Marbles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """50 items in a second: a timer each time that one has fired too early, every 200 ms."""
    made: list[float] = []
    call_at = LoopScheduler.call_at

    def counting(self: LoopScheduler, when_s: float, action: Callable[[], object]) -> abc.DisposableBase:
        made.append(when_s)
        return call_at(self, when_s, action)

    monkeypatch.setattr(LoopScheduler, "call_at", counting)
    source: Observable[str] = marbles.cold("a" * 50 + "-" * 12 + "|")
    marbles.expect(source.pipe(debounce(seconds=0.2)), "-" * 59 + "a--|")
    assert len(made) == 6
