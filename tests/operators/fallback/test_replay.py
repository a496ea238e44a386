"""A replay of a source's items for a later listener."""

import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.operators.fallback.replay import Memory
from voicepipe.testing import Marbles, ScriptedError


def late(source: Observable[str], capacity: int, after_s: float) -> Observable[str]:
    """Return the items of a second listener that comes `after_s` later; the first one's items are in capitals."""
    memory = Memory(source, capacity)
    second = reactivex.timer(after_s).pipe(rx_ops.flat_map(lambda _: memory.items))
    return reactivex.merge(memory.items.pipe(rx_ops.map(str.upper)), second)


def test_a_late_listener_hears_everything_in_order_and_then_the_rest(marbles: Marbles) -> None:
    """The source is subscribed once, with the first listener, hot or cold."""
    source = marbles.hot("a-b-c|")
    out = marbles.record(late(source, 8, 0.05))
    assert [(one.t_ms, one.value) for one in out] == [
        (0, "A"), (40, "B"), (50, "a"), (50, "b"), (80, "C"), (80, "c"), (100, None),
    ]  # fmt: skip
    marbles.expect_subscriptions(source, "^----!")


def test_it_holds_as_much_as_it_says(marbles: Marbles) -> None:
    """One item more, and nobody new can hear everything: it says so, and keeps nothing."""
    for capacity, possible in ((3, True), (2, False)):
        memory = Memory(marbles.cold("abc|"), capacity)
        marbles.expect(memory.items, "abc|")
        assert memory.possible() is possible
        marbles.expect(memory.items, "(abc|)" if possible else "|")


def test_what_is_forgotten_is_gone_for_later_subscribers(marbles: Marbles) -> None:
    """An earlier listener goes on."""
    memory = Memory(marbles.cold("a-b|"), 8)
    forgetting = memory.items.pipe(rx_ops.do_action(lambda _: memory.forget()))
    marbles.expect(forgetting, "a-b|")
    assert memory.possible()
    marbles.expect(memory.items, "|")


def test_a_failing_source_cannot_be_asked_again(marbles: Marbles) -> None:
    """It is the source that has failed, not who listens; a late listener is told, too."""
    memory = Memory(marbles.cold("a#", error=ScriptedError("gone")), 8)
    marbles.expect(memory.items, "a#", error=ScriptedError("gone"))
    assert not memory.possible()
    marbles.expect(memory.items, "(a#)", error=ScriptedError("gone"))


def test_an_item_that_causes_a_subscription_reaches_it_once(marbles: Marbles) -> None:
    """In the midst of a cold source's items, all in one call."""
    memory = Memory(reactivex.of("a", "b", "c"), 8)
    joining = memory.items.pipe(
        rx_ops.flat_map(lambda item: memory.items if item == "b" else reactivex.just(item.upper()))
    )
    assert [one.value for one in marbles.record(joining) if one.kind == "next"] == ["A", "a", "b", "C", "c"]


def test_disposing_lets_the_source_go(marbles: Marbles) -> None:
    """Listeners that leave do not: another one may come."""
    source = marbles.hot("a-b-c-d|")
    memory = Memory(source, 8)
    marbles.record(memory.items, "^-!")
    marbles.expect_subscriptions(source, "^")
    memory.dispose()
