"""A side branch that looks on."""

import pytest
import reactivex
import structlog
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.operators import tee
from voicepipe.rx import transduce
from voicepipe.stage import Stage
from voicepipe.testing import Marbles, ScriptedError


def writing(log: list[str], *, fail_at: str = "") -> Stage[str, str]:
    def write(item: str) -> str:
        if item == fail_at:
            raise ScriptedError(item)
        log.append(item)
        return item.upper()

    return lambda source: source.pipe(rx_ops.map(write))


def test_everything_passes_and_the_side_branch_sees_it(marbles: Marbles) -> None:
    """The side branch's own output is dropped."""
    log = list[str]()
    source = marbles.hot("a-b|")
    marbles.expect(source.pipe(tee(writing(log))), "a-b|")
    assert log == ["a", "b"]
    marbles.expect_subscriptions(source, "^--!")


def test_its_failure_touches_nothing_else(marbles: Marbles) -> None:
    """It is logged, with its stage, once, and the main stream goes on without it."""
    log = list[str]()
    with structlog.testing.capture_logs() as logs:
        marbles.expect(marbles.cold("a-b-c-b|").pipe(tee(writing(log, fail_at="b"))), "a-b-c-b|")
    assert log == ["a"]
    assert [(one["event"], one["stage"], str(one["exc_info"])) for one in logs] == [("tee.failed", "writing", "b")]


@pytest.mark.parametrize("when", ["built", "subscribed", "given an item"])
def test_whatever_it_raises_stays_there(marbles: Marbles, when: str) -> None:
    """Also where reactivex would let it through to the producer."""

    def careless(source: Observable[str]) -> Observable[str]:
        def subscribe(observer: object, scheduler: object = None) -> object:
            if when == "subscribed":
                raise ScriptedError(when)

            def on_next(item: str) -> None:
                raise ScriptedError(item)

            return source.subscribe(on_next)

        if when == "built":
            raise ScriptedError(when)
        return Observable(subscribe)  # pyright: ignore[reportArgumentType]

    with structlog.testing.capture_logs() as logs:
        marbles.expect(marbles.cold("a-b|").pipe(tee(careless)), "a-b|")
    assert [one["event"] for one in logs] == ["tee.failed"]


def test_it_sees_the_end_before_the_main_stream_goes_on(marbles: Marbles) -> None:
    """So that it can write its last line; an error just ends it."""
    log = list[str]()

    def lines(source: Observable[str]) -> Observable[str]:
        return source.pipe(transduce(lambda _: lambda item: [item], finish=lambda _: log.append("end") or []))

    marbles.expect(marbles.cold("a|").pipe(tee(lines)), "a|")
    assert log == ["end"]
    with structlog.testing.capture_logs() as logs:
        marbles.expect(marbles.cold("a#").pipe(tee(lines)), "a#")
    assert log == ["end"]
    assert logs == []


def test_disposing_the_main_stream_disposes_it(marbles: Marbles) -> None:
    """Nothing goes on behind a session that has ended."""
    ticking = marbles.cold("--x--x--x")
    marbles.expect(marbles.hot("a------").pipe(tee(lambda _: ticking)), "a--!")
    marbles.expect_subscriptions(ticking, "^--!")


def test_one_that_has_had_enough_is_left_alone(marbles: Marbles) -> None:
    """It may end before the main stream does."""
    log = list[str]()
    first = lambda source: source.pipe(rx_ops.take(1), writing(log))
    marbles.expect(reactivex.of("a", "b").pipe(tee(first)), "(ab|)")
    assert log == ["a"]
