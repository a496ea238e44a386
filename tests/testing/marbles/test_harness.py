"""Expectations in virtual time, of reactivex's own operators among others."""

import asyncio
import logging
from datetime import timedelta

import pytest
import reactivex
from reactivex import Subject
from reactivex import operators as ops

from voicepipe.rx import LoopScheduler
from voicepipe.testing import Deadlock, Leaked, Marbles


def test_map(marbles):
    """Values change, times do not."""
    marbles.expect(marbles.hot("a-b-(cd)|").pipe(ops.map(str.upper)), "A-B-(CD)|")


def test_debounce(marbles):
    """The last item comes when 40 ms have been silent, or with the end."""
    marbles.expect(marbles.hot("ab---c|").pipe(ops.debounce(0.04)), "---b--(c|)")


def test_switch_map(marbles):
    """A new item disposes the inner observable of the one before."""
    inner = marbles.cold("x-x-x|")
    marbles.expect(marbles.hot("a--b--------|").pipe(ops.switch_map(lambda _: inner)), "x-xx-x-x----|")
    marbles.expect_subscriptions(inner, "^--!", "---^----!")


def test_delay_timeout_and_retry(marbles):
    """Time operators take the scheduler of the subscription: no thread, no wall clock."""
    marbles.expect(marbles.hot("a-b|").pipe(ops.delay(timedelta(milliseconds=100))), "100ms a-b|")
    marbles.expect(marbles.hot("a-- 1s b").pipe(ops.timeout(0.5)), "a 480ms #")
    failing = marbles.cold("a#")
    marbles.expect(failing.pipe(ops.retry(2)), "aa#")
    marbles.expect_subscriptions(failing, "^!", "-^!")


def test_zip_and_buffers(marbles):
    """Sources play together."""
    marbles.expect(marbles.hot("a-b|").pipe(ops.zip(marbles.hot("-x-y|"))), "-p-(q|)", p=("a", "x"), q=("b", "y"))
    buffered = marbles.hot("abcdef|").pipe(ops.buffer_with_time(0.05))
    marbles.expect(buffered, "50ms p 30ms q (r|)", p=["a", "b", "c"], q=["d", "e", "f"], r=[])


def test_an_observable_that_goes_on_is_disposed_by_a_sign(marbles):
    """! ends the scene; what comes before it is compared."""
    marbles.expect(reactivex.interval(0.04), "--a-b-!", a=0, b=1)


def test_an_observable_that_goes_on_for_ever_is_reported(marbles):
    """Without a ! an endless observable fails after a minute of virtual time."""
    with pytest.raises(AssertionError, match="still going after 60s"):
        marbles.expect(reactivex.interval(0.04), "--a", a=0)


def test_one_that_never_ends_but_does_nothing_is_fine(marbles):
    """A scene is over when nothing more can happen."""
    marbles.expect(marbles.hot("a-b"), "a-b")
    marbles.expect(reactivex.never(), "")


def test_a_difference_is_an_assertion_error(marbles):
    """The report is in its message."""
    with pytest.raises(AssertionError, match=r"the first difference is at 40 ms"):
        marbles.expect(marbles.cold("a-b|"), "a-c|")


def test_record(marbles):
    """The record has times in ms."""
    assert marbles.record(marbles.cold("a-(b|)")) == [(0, "next", "a"), (40, "next", "b"), (40, "completed", None)]


def test_record_until(marbles):
    """A recording can be cut at a time, and begin at another."""
    ticks = reactivex.interval(1)
    assert marbles.record(ticks, until_ms=2500) == [(1000, "next", 0), (2000, "next", 1)]
    assert marbles.record(ticks, "500ms ^ 1.1s !") == [(1500, "next", 0)]


def test_exceptions_that_escape_into_the_loop_come_out(marbles, caplog):
    """A subscriber's own exception is raised where the recording is, not hidden in a log."""
    caplog.set_level(logging.CRITICAL)

    def fail(item: str) -> None:
        raise KeyError(item)

    source = marbles.hot("a|")
    source.subscribe(fail)
    with pytest.raises(KeyError):
        marbles.record(source)


def test_subscriptions_are_compared(marbles):
    """A source knows from when to when it was listened to."""
    source = marbles.cold("a-b-c|")
    marbles.expect(source.pipe(ops.take(2)), "a-(b|)")
    marbles.expect_subscriptions(source, "^-!")
    marbles.expect(source, "-(^a)-b-!")
    marbles.expect_subscriptions(source, "-^---!")
    with pytest.raises(AssertionError, match=r"from 20 ms to 100 ms"):
        marbles.expect_subscriptions(source, "^")
    with pytest.raises(ValueError, match="begins with"):
        marbles.expect_subscriptions(source, "--!")


def test_a_subscription_that_the_end_of_the_scene_disposed_has_no_end(marbles):
    """Only what an operator disposed counts as disposed."""
    source = marbles.hot("a-b")
    marbles.expect(source, "a-b")
    marbles.expect_subscriptions(source, "^")


def test_coroutines_run_in_virtual_time(marbles):
    """`run` gives the result, plays hot sources, and reports a deadlock."""

    async def main() -> list[tuple[float, str]]:
        heard = []
        running = source.subscribe(lambda item: heard.append((marbles.now_ms(), item)), scheduler=marbles.scheduler)
        await asyncio.sleep(60)
        running.dispose()
        return heard

    source = marbles.hot("a 30s b")
    assert marbles.run(main()) == [(0, "a"), (30020, "b")]
    with pytest.raises(Deadlock):
        marbles.run(asyncio.Event().wait())


def test_operators_get_the_loop_scheduler(marbles):
    """The operators below the subscription see a LoopScheduler on the virtual loop."""
    seen = []

    def subscribe(observer, scheduler=None):
        seen.append(scheduler)
        observer.on_completed()

    marbles.expect(reactivex.create(subscribe), "|")
    assert isinstance(seen[0], LoopScheduler)
    assert seen[0].loop is marbles.loop


def test_many_items_at_one_instant(marbles):
    """Hundreds of items at one instant are no problem, as they are for reactivex's HistoricalScheduler."""
    source = marbles.cold(f"({'a' * 500})|")
    assert len(marbles.record(source.pipe(ops.delay(0.1)))) == 501


def test_audio_is_compared_by_its_samples(marbles):
    """A timeline of audio is a source and an expectation."""
    microphone = marbles.microphone("sss__ss|")
    marbles.expect(microphone, marbles.audio("sss__ss|"))
    with pytest.raises(AssertionError, match=r"at 40 ms"):
        marbles.expect(microphone, marbles.audio("ss___ss|"))


def test_without_pytest():
    """As a context manager it closes its loop, and raises for what leaks."""
    with Marbles() as marbles:
        marbles.expect(marbles.cold("a|"), "a|")
    assert marbles.loop.is_closed()
    with pytest.raises(Leaked, match="a subscription"), Marbles() as marbles:
        marbles.cold("a").subscribe()


def test_reentrant_items_are_seen_in_order(marbles):
    """An item that a subscriber sends back at once is recorded after the one that caused it."""
    loopback: Subject[str] = Subject()
    source = marbles.hot("a|").pipe(ops.merge(loopback.pipe(ops.take_until(marbles.hot("-z")))))
    echoed = source.pipe(ops.do_action(lambda item: loopback.on_next("b") if item == "a" else None))
    assert {item.value for item in marbles.record(echoed)} == {"a", "b", None}
