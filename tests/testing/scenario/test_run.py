"""A scenario that fails tells why."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import ModuleType

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops
from reactivex.scheduler import TimeoutScheduler

from voicepipe import Event, Session
from voicepipe import operators as ops
from voicepipe.events import ConversationEnded
from voicepipe.testing import Scenario, ScenarioFailed, run
from voicepipe.testing.marbles.clocks import AnotherClock


def broken(session: Session) -> Observable[Event]:
    names: dict[str, Event] = {}
    return session.received.pipe(ops.decode(session.codec), rx_ops.map(lambda _: names["x"]))


def returns_nothing(session: Session) -> None:
    session.received.pipe(ops.decode(session.codec))


def test_an_exception_is_shown_with_type_message_line_and_traceback() -> None:
    """The line is the one to change."""
    with pytest.raises(ScenarioFailed, match=r"test_run\.py:26: KeyError: 'x'\nTraceback"):
        run(Scenario().by(1).bot_says("hello"), broken)


def test_a_mistake_in_the_declaration_is_told_as_check_tells_it() -> None:
    """One sentence, with file and line."""
    with pytest.raises(
        ScenarioFailed, match=r"returns_nothing \(.*test_run\.py:29\) returned None \(is its `return` mi"
    ):
        run(Scenario().by(1).bot_says("hello"), returns_nothing)  # type: ignore[arg-type]


def real_time(session: Session) -> Observable[Event]:
    late = rx_ops.flat_map(lambda _: reactivex.timer(1.0, scheduler=TimeoutScheduler()))
    return session.received.pipe(ops.decode(session.codec), late, rx_ops.ignore_elements())


def test_a_scheduler_with_real_time_is_an_error() -> None:
    """It would wait in another thread, while the scenario goes on."""
    with pytest.raises(AnotherClock, match=r"test_run\.py:\d+: TimeoutScheduler has a clock of its own"):
        run(Scenario().by(1).bot_says("hello"), real_time)


def declared_wrongly(session: Session) -> Observable[Event]:
    return ops.decode(session.codec, volume=2)(session.received)  # type: ignore[call-arg]


def test_what_ended_the_conversation_is_told_first_and_once() -> None:
    """It is why no expectation was met."""
    with pytest.raises(ScenarioFailed) as failed:
        run(Scenario("Hello").by(1).bot_says("hello"), declared_wrongly)
    text = str(failed.value)
    assert text.startswith("Hello\n\n")
    assert text.count("TypeError") == 2  # above and below the traceback
    assert text.index("Traceback") < text.index("by(1).bot_says") < text.index("the user")


opened: list[str] = []


@asynccontextmanager
async def pool() -> AsyncGenerator[None]:
    opened.append("pool")
    try:
        yield
    finally:
        await asyncio.sleep(0.1)
        opened.remove("pool")


def answers_with_pool(session: Session) -> Observable[Event]:
    """The first packet ends the conversation, with what is open then."""
    return session.received.pipe(ops.decode(session.codec), rx_ops.map(lambda _: ConversationEnded(f"{opened}")))


def test_a_lifespan_is_entered_before_the_conversation_and_left_behind_it() -> None:
    """On the scenario's loop, in virtual time."""
    played = run(Scenario().ever(times=1).bot_hangs_up(), answers_with_pool, lifespan=pool)
    assert played.reason == "['pool']"
    assert opened == []


def test_a_lifespan_that_was_not_entered_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server would have entered it."""
    module = ModuleType("shop")
    module.__dict__["lifespan"] = pool
    monkeypatch.setitem(sys.modules, "shop", module)
    monkeypatch.setattr(answers_with_pool, "__module__", "shop")
    with pytest.raises(ScenarioFailed, match=r"has a lifespan, .* here it is run\(…, lifespan=lifespan\)"):
        run(Scenario().by(1).bot_says("hello"), answers_with_pool)
    with pytest.raises(ScenarioFailed) as failed:
        run(Scenario().by(1).bot_says("hello"), answers_with_pool, lifespan=pool)
    assert "lifespan" not in str(failed.value)


@asynccontextmanager
async def slow() -> AsyncGenerator[None]:
    await asyncio.sleep(0.5)
    yield


def test_a_lifespan_that_waits_is_an_error() -> None:
    """The scenario's times begin at 0."""
    with pytest.raises(ValueError, match=r"waits for 0\.5 s of virtual time"):
        run(Scenario(), answers_with_pool, lifespan=slow)
