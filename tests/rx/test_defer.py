"""An observable is made for each subscription."""

import reactivex
from reactivex import Observable

from voicepipe.rx import LoopScheduler
from voicepipe.rx.defer import defer
from voicepipe.testing import Marbles


def test_each_subscription_has_its_own(marbles: Marbles) -> None:
    """The function is called with the session's scheduler."""
    made: list[LoopScheduler] = []

    def make(scheduler: LoopScheduler) -> Observable[str]:
        made.append(scheduler)
        return marbles.cold("-a|")

    deferred = defer(make)
    marbles.expect(deferred, "-a|")
    marbles.expect(deferred, "-a|")
    assert made == [marbles.scheduler, marbles.scheduler]


def test_an_exception_of_the_function_is_an_error(marbles: Marbles) -> None:
    """It does not reach the subscriber's stack."""

    def make(_: LoopScheduler) -> Observable[str]:
        raise ValueError("no")

    marbles.expect(defer(make), "#", error=ValueError("no"))


def test_disposing_lets_the_source_go(marbles: Marbles) -> None:
    """As if it had been subscribed itself."""
    made = marbles.cold("a 1s |")
    marbles.expect(defer(lambda _: made), "a-!")
    marbles.expect_subscriptions(made, "^-!")


def test_an_error_of_what_is_made_passes(marbles: Marbles) -> None:
    """With what came before it."""
    marbles.expect(defer(lambda _: marbles.cold("a-#")), "a-#")
    marbles.expect(defer(lambda _: reactivex.empty()), "|")
