"""Items that wait until they are due."""

from voicepipe.operators.pace import Due, release_at
from voicepipe.rx import transduce
from voicepipe.testing import Marbles


def due_in(clock, **seconds: float):
    return lambda item: [Due(clock() + seconds[item], None if item == "n" else item)]


def releasing(marbles: Marbles, diagram: str, **seconds: float):
    return marbles.cold(diagram).pipe(transduce(lambda clock: due_in(clock, **seconds)), release_at())


def test_items_go_out_when_they_are_due_the_earliest_first(marbles: Marbles) -> None:
    """Whatever the order in which they came."""
    marbles.expect(releasing(marbles, "(abc|)", a=0, b=0.08, c=0.04), "a-c-(b|)")


def test_overdue_items_go_out_at_once_and_equals_in_order(marbles: Marbles) -> None:
    """Nothing waits for a time that has passed."""
    marbles.expect(releasing(marbles, "(abc|)", a=-1, b=0, c=0), "(abc|)")


def test_an_earlier_item_overtakes_the_timer(marbles: Marbles) -> None:
    """One timer, always for the next one due."""
    marbles.expect(releasing(marbles, "a-b|", a=0.2, b=0.02), "---b------(a|)")


def test_nothing_takes_time_too(marbles: Marbles) -> None:
    """A due time without an item delays the end."""
    marbles.expect(releasing(marbles, "(an|)", a=0, n=0.1), "a----|")


def test_disposing_drops_the_rest_and_an_error_passes_at_once(marbles: Marbles) -> None:
    """No timer is left behind."""
    marbles.expect(releasing(marbles, "(ab|)", a=0, b=5), "a--!")
    marbles.expect(releasing(marbles, "(ab)-#", a=0, b=5), "a-#")
