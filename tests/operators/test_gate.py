"""Let through, or not."""

from reactivex import operators as rx_ops

from voicepipe.operators import gate
from voicepipe.testing import Marbles, ScriptedError


def test_an_observable_opens_and_closes_it(marbles: Marbles) -> None:
    """At the same instant the gate moves first."""
    opens = marbles.hot("--t---f", t=True, f=False)
    source = marbles.hot("a-b-c-d-e|")
    marbles.expect(source.pipe(gate(opens, is_open=False)), "--b-c----|")
    marbles.expect_subscriptions(opens, "^--------!")


def test_it_begins_as_it_is_told(marbles: Marbles) -> None:
    """Open, or closed; what `opens` says when it is subscribed counts before the first item."""
    marbles.expect(marbles.cold("ab|").pipe(gate(marbles.cold("1s |"), is_open=True)), "ab|")
    closing = marbles.cold("1s |").pipe(rx_ops.start_with(False))
    marbles.expect(marbles.cold("ab|").pipe(gate(closing, is_open=True)), "--|")


def test_a_function_is_asked_with_each_item(marbles: Marbles) -> None:
    """True opens with this item, False closes before it, None leaves it as it is."""
    verdicts = {"o": True, "c": False}
    source = marbles.cold("aobcdob|")
    marbles.expect(source.pipe(gate(verdicts.get, is_open=False)), "-ob--ob|")
    marbles.expect(source.pipe(gate(verdicts.get, is_open=True)), "aob--ob|")


def test_errors_of_either_are_passed_on(marbles: Marbles) -> None:
    """And what opens it may end without closing it."""
    marbles.expect(marbles.cold("a-#").pipe(gate(marbles.cold("---"), is_open=True)), "a-#")
    marbles.expect(
        marbles.cold("a---|").pipe(gate(marbles.cold("-#", error=ScriptedError("x")), is_open=True)),
        "a#",
        error=ScriptedError("x"),
    )
    marbles.expect(marbles.hot("a--b|").pipe(gate(marbles.hot("-|"), is_open=True)), "a--b|")
