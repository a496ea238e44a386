"""A scenario that fails tells why."""

from __future__ import annotations

import pytest
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe import Event, Session
from voicepipe import operators as ops
from voicepipe.testing import Scenario, ScenarioFailed, run


def broken(session: Session) -> Observable[Event]:
    names: dict[str, Event] = {}
    return session.received.pipe(ops.decode(session.codec), rx_ops.map(lambda _: names["x"]))


def returns_nothing(session: Session) -> None:
    session.received.pipe(ops.decode(session.codec))


def test_an_exception_is_shown_with_type_message_line_and_traceback() -> None:
    """The line is the one to mend."""
    with pytest.raises(ScenarioFailed, match=r"test_run\.py:16: KeyError: 'x'\nTraceback"):
        run(Scenario().by(1).bot_says("hello"), broken)


def test_a_mistake_in_the_declaration_is_told_as_check_tells_it() -> None:
    """One sentence, with file and line."""
    with pytest.raises(
        ScenarioFailed, match=r"returns_nothing \(.*test_run\.py:19\) returned None \(is its `return` mi"
    ):
        run(Scenario().by(1).bot_says("hello"), returns_nothing)  # type: ignore[arg-type]
