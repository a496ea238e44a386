"""Several streams of one loop as one."""

import reactivex

from voicepipe.rx import merge
from voicepipe.testing import Marbles


def test_items_come_as_they_are_given_and_the_end_with_the_last(marbles: Marbles) -> None:
    """In the order of the sources where they come at once."""
    a, b = marbles.cold("a---a-|"), marbles.cold("-b--b--|")
    marbles.expect(merge(a, b), "ab--(ab)--|")


def test_an_error_ends_all(marbles: Marbles) -> None:
    """The others are let go."""
    a, b = marbles.cold("a-#"), marbles.cold("-b 1s |")
    marbles.expect(merge(a, b), "ab#")
    marbles.expect_subscriptions(b, "^-!")


def test_an_error_at_once_keeps_the_rest_from_beginning(marbles: Marbles) -> None:
    """Nobody is subscribed for nothing."""
    late = marbles.cold("a|")
    marbles.expect(merge(reactivex.throw(ValueError("no")), late), "#", error=ValueError("no"))
    marbles.expect_subscriptions(late)


def test_sources_that_end_at_once_are_counted(marbles: Marbles) -> None:
    """The end waits for the others."""
    marbles.expect(merge(reactivex.just("x"), marbles.cold("-a|")), "xa|")


def test_disposing_lets_all_go(marbles: Marbles) -> None:
    """Every source."""
    a, b = marbles.cold("1s |"), marbles.cold("1s |")
    marbles.expect(merge(a, b), "--!")
    for source in (a, b):
        marbles.expect_subscriptions(source, "^-!")
