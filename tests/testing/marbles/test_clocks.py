"""A scheduler with real time in a marble test."""

from __future__ import annotations

import pytest
import reactivex
from reactivex import operators as rx_ops
from reactivex.scheduler import NewThreadScheduler, TimeoutScheduler

from voicepipe.testing import Marbles
from voicepipe.testing.marbles.clocks import AnotherClock


def test_a_scheduler_of_another_clock_is_an_error(marbles: Marbles) -> None:
    """It is named, with the line of the test, also where an error is expected."""
    late = marbles.cold("a|").pipe(rx_ops.delay(0.1, scheduler=TimeoutScheduler()))
    with pytest.raises(AnotherClock, match=r"test_clocks\.py:\d+: TimeoutScheduler has a clock of its own"):
        marbles.expect(late, "#")


def test_a_stage_that_makes_one_of_its_own_is_an_error(marbles: Marbles) -> None:
    """Whatever thread it would run in."""
    with pytest.raises(AnotherClock, match="NewThreadScheduler"):
        marbles.record(reactivex.timer(1.0, scheduler=NewThreadScheduler()))


def test_the_schedulers_work_again_after_a_scene(marbles: Marbles) -> None:
    """Only virtual time refuses them."""
    before = TimeoutScheduler.schedule
    marbles.expect(marbles.cold("a|"), "a|")
    assert TimeoutScheduler.schedule is before


def test_an_unexpected_error_is_shown_with_its_line(marbles: Marbles) -> None:
    """File, line, type, message, and the traceback."""
    with pytest.raises(AssertionError, match=r"test_clocks\.py:\d+: KeyError: 'a'\nTraceback"):
        marbles.expect(marbles.cold("a|").pipe(rx_ops.map(lambda letter: {}[letter])), "a|")
