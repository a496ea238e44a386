"""Somebody else goes on."""

from voicepipe.operators import followed_by
from voicepipe.testing import Marbles, ScriptedError


def test_the_second_goes_on_when_the_first_has_ended(marbles: Marbles) -> None:
    """It knows all that the first has said."""
    asked = list[str]()
    second = marbles.cold("--c|")
    marbles.expect(
        marbles.cold("a-b|").pipe(followed_by(lambda said: asked.append(said) or second)), "a-b(_)-c|", _=" "
    )
    assert asked == ["ab"]


def test_an_error_of_either_is_passed_on(marbles: Marbles) -> None:
    """After a first that failed nobody goes on."""
    second = marbles.cold("-#", error=ScriptedError("second"))
    marbles.expect(marbles.cold("a#").pipe(followed_by(lambda _: second)), "a#")
    marbles.expect_subscriptions(second)
    marbles.expect(marbles.cold("a|").pipe(followed_by(lambda _: second)), "a_#", _=" ", error=ScriptedError("second"))


def test_disposing_stops_the_one_that_speaks(marbles: Marbles) -> None:
    """The second is never asked, or stopped."""
    first, second = marbles.cold("a--|"), marbles.cold("-c-d|")
    marbles.expect(first.pipe(followed_by(lambda _: second)), "a-!")
    marbles.expect_subscriptions(second)
    marbles.expect(first.pipe(followed_by(lambda _: second)), "a--_c!", _=" ")
    marbles.expect_subscriptions(second, "---^-!")
