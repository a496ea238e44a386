"""Hot and cold observables from diagrams."""

import pytest
from reactivex import operators as ops

from voicepipe.testing import ScriptedError


def test_cold_plays_to_each_subscriber_from_the_beginning(marbles):
    """A later subscriber hears the same, later."""
    source = marbles.cold("a-b|")
    marbles.expect(source, "--(^a)-b|")
    marbles.expect(source.pipe(ops.repeat(2)), "a-ba-b|")


def test_hot_plays_with_and_without_subscribers(marbles):
    """A later subscriber has missed the items before."""
    marbles.expect(marbles.hot("a-b-c|"), "-^b-c|")


def test_hot_plays_anew_in_every_scene(marbles):
    """Two expectations of one source hear the same."""
    source = marbles.hot("a-b|")
    marbles.expect(source, "a-b|")
    marbles.expect(source, "a-b|")


def test_what_happened_before_the_subscription_sign_is_past(marbles):
    """A hot diagram with a ^ begins there."""
    marbles.expect(marbles.hot("a-b-^-c|"), "--c|")


def test_a_source_that_ended_tells_latecomers(marbles):
    """Subscribing to a hot observable after its end gives the end."""
    marbles.expect(marbles.hot("a|"), "--(^|)")


@pytest.mark.parametrize("kind", ["hot", "cold"])
def test_errors(marbles, kind):
    """# is the given error, an instance of the given class, or Boom."""
    make = getattr(marbles, kind)
    error = ValueError("no")
    assert marbles.record(make("#", error=error)) == [(0, "error", error)]
    assert isinstance(marbles.record(make("#", error=KeyError))[0].value, KeyError)
    assert isinstance(marbles.record(make("#"))[0].value, ScriptedError)


def test_items_of_a_group_stop_at_disposal(marbles):
    """A subscriber that disposes in the middle of an instant does not get the rest of it."""
    for source in (marbles.hot("(abc)|"), marbles.cold("(abc)|")):
        marbles.expect(source.pipe(ops.take(1)), "(a|)")
        marbles.expect_subscriptions(source, "(^!)")


def test_sources_of_one_instant_play_in_the_order_of_their_making(marbles):
    """The first made is the first to play."""
    first, second = marbles.hot("a-b|", a=1, b=2), marbles.hot("a-b|", a=3, b=4)
    marbles.expect(first.pipe(ops.merge(second)), "(13)-(24)|", **{"1": 1, "2": 2, "3": 3, "4": 4})


def test_a_source_plays_before_the_timers_of_its_operators(marbles):
    """At one instant the item comes first, and keeps a debounce of exactly that time from letting go."""
    marbles.expect(marbles.hot("a-b---|").pipe(ops.debounce(0.04)), "----b-|")


def test_a_hot_source_made_on_the_way_begins_at_once(marbles):
    """Within a running coroutine, its time 0 is now."""
    import asyncio

    async def main() -> list[tuple[float, str]]:
        await asyncio.sleep(1)
        heard = []
        marbles.hot("-a|").subscribe(lambda item: heard.append((marbles.now_ms(), item)))
        await asyncio.sleep(1)
        return heard

    assert marbles.run(main()) == [(1020, "a")]
