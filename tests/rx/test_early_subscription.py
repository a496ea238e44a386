"""Sources that are subscribed before they are wanted."""

import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.rx import LoopScheduler, until_used
from voicepipe.rx.defer import defer
from voicepipe.rx.early_subscription import EarlySubscription
from voicepipe.testing import Marbles


def begun(source: Observable[str], use: Observable[object], capacity: int = 9) -> Observable[str]:
    """Subscribe `source` at once, and use it with the first item of `use`."""

    def make(scheduler: LoopScheduler) -> Observable[str]:
        ahead = EarlySubscription(source, scheduler, capacity)
        return use.pipe(rx_ops.take(1), rx_ops.flat_map(lambda _: ahead.used()))

    return defer(make)


def test_what_was_kept_comes_first_and_then_the_rest(marbles: Marbles) -> None:
    """The end, and an error, come as those of the source."""
    use = marbles.cold("---u|")
    marbles.expect(begun(marbles.cold("-a-b-c-|"), use), "---(ab)-c-|")
    marbles.expect(begun(marbles.cold("-a|"), use), "---(a|)")


def test_it_waits_only_in_what_was_begun_ahead(marbles: Marbles) -> None:
    """Elsewhere nothing waits."""
    marbles.expect(reactivex.concat(until_used(), reactivex.of("a")), "(a|)")


def test_what_waits_for_the_use_comes_behind_what_was_kept(marbles: Marbles) -> None:
    """In the same callback."""
    source = reactivex.concat(reactivex.of("a"), until_used(), reactivex.of("b"))
    marbles.expect(begun(source, marbles.cold("---u|")), "---(ab|)")


def test_the_wait_ends_with_its_subscription(marbles: Marbles) -> None:
    """Nothing happens for what was disposed."""
    ended = marbles.cold("-x|")
    source = reactivex.concat(until_used(), reactivex.of("b")).pipe(rx_ops.take_until(ended))
    marbles.expect(begun(source, marbles.cold("---u|")), "---|")
