"""A small state machine as an operator."""

from collections.abc import Iterator

from voicepipe.operators import by_clause
from voicepipe.rx import Clock, transduce
from voicepipe.stage import Stage, StageError
from voicepipe.testing import Marbles


class Pairs:
    """Gives items two at a time, and when."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.kept = clock, []

    def __call__(self, item: str) -> Iterator[str]:
        self.kept.append(item)
        if item == "!":
            raise ValueError("no")
        if len(self.kept) == 2:
            yield from self.kept
            self.kept = []


def test_an_item_gives_any_number_of_items_at_its_own_time(marbles: Marbles) -> None:
    """None, or several."""
    marbles.expect(marbles.cold("a-b-c|").pipe(transduce(Pairs)), "--(ab)--|")


def test_what_is_left_comes_at_the_end(marbles: Marbles) -> None:
    """`finish` sees the machine when the source has completed."""
    stage = transduce(Pairs, finish=lambda pairs: pairs.kept)
    marbles.expect(marbles.cold("a-b-c|").pipe(stage), "--(ab)--(c|)")


def test_each_subscription_has_a_machine_of_its_own(marbles: Marbles) -> None:
    """State is not shared between sessions."""
    paired = marbles.cold("a-b|").pipe(transduce(Pairs))
    marbles.expect(paired, "--(ab)|")
    marbles.expect(paired, "--(ab)|")


def test_a_failing_machine_ends_the_stream(marbles: Marbles) -> None:
    """The error travels down, never up to the producer; the source is let go."""
    source = marbles.cold("ax-c|", x="!")
    marbles.expect(source.pipe(transduce(Pairs)), "-#", error=StageError("Pairs", ValueError("no")))
    marbles.expect_subscriptions(source, "^!")


def test_a_failing_finish_ends_the_stream_with_its_error(marbles: Marbles) -> None:
    """Not with a completion."""

    def finish(_: Pairs) -> list[str]:
        raise ValueError("late")

    marbles.expect(
        marbles.cold("a|").pipe(transduce(Pairs, finish=finish)), "-#", error=StageError("Pairs", ValueError("late"))
    )


def test_the_machine_is_given_the_sessions_clock(marbles: Marbles) -> None:
    """Seconds on the loop."""
    times = marbles.cold("a-b|").pipe(transduce(lambda clock: lambda _: [round(clock() - marbles.scene.begin_s, 3)]))
    marbles.expect(times, "x-y|", x=0.0, y=0.04)


def test_a_machine_that_gets_what_it_does_not_understand_fails_with_the_name_of_its_stage(marbles: Marbles) -> None:
    """The name that stands in the pipeline, not that of the machinery below it."""

    def lower() -> Stage[str, str]:
        return transduce(lambda _: lambda word: [word.lower()])

    (failed,) = marbles.record(marbles.cold("n|", n=3).pipe(lower()))
    error = failed.value
    assert isinstance(error, StageError)
    assert isinstance(error.cause, AttributeError)
    assert str(error).endswith(": 'int' object has no attribute 'lower'")
    (named,) = marbles.record(marbles.cold("n|", n=3).pipe(by_clause(first_words=8, min_words=4, max_words=24)))
    assert named.value.stage == "by_clause"
