"""A scenario that fails tells why."""

from __future__ import annotations

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops
from reactivex.scheduler import TimeoutScheduler

from voicepipe import Event, Session
from voicepipe import operators as ops
from voicepipe.testing import Scenario, ScenarioFailed, run
from voicepipe.testing.marbles.clocks import AnotherClock


def broken(session: Session) -> Observable[Event]:
    names: dict[str, Event] = {}
    return session.received.pipe(ops.decode(session.codec), rx_ops.map(lambda _: names["x"]))


def returns_nothing(session: Session) -> None:
    session.received.pipe(ops.decode(session.codec))


def test_an_exception_is_shown_with_type_message_line_and_traceback() -> None:
    """The line is the one to change."""
    with pytest.raises(ScenarioFailed, match=r"test_run\.py:19: KeyError: 'x'\nTraceback"):
        run(Scenario().by(1).bot_says("hello"), broken)


def test_a_mistake_in_the_declaration_is_told_as_check_tells_it() -> None:
    """One sentence, with file and line."""
    with pytest.raises(
        ScenarioFailed, match=r"returns_nothing \(.*test_run\.py:22\) returned None \(is its `return` mi"
    ):
        run(Scenario().by(1).bot_says("hello"), returns_nothing)  # type: ignore[arg-type]


def real_time(session: Session) -> Observable[Event]:
    late = rx_ops.flat_map(lambda _: reactivex.timer(1.0, scheduler=TimeoutScheduler()))
    return session.received.pipe(ops.decode(session.codec), late, rx_ops.ignore_elements())


def test_a_scheduler_with_real_time_is_an_error() -> None:
    """It would wait in another thread, while the scenario goes on."""
    with pytest.raises(AnotherClock, match=r"test_run\.py:\d+: TimeoutScheduler has a clock of its own"):
        run(Scenario().by(1).bot_says("hello"), real_time)
