"""A stage that hears what is made of its own output."""

from collections.abc import Iterator

import pytest
import reactivex as rx
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.rx import feedback, transduce
from voicepipe.testing import Marbles, ScriptedError


def upper(item: str) -> Iterator[str]:
    yield item.upper()


def again(item: str) -> Iterator[str]:
    """An A comes back as an f."""
    if item == "A":
        yield "f"


def looped(later_ms: int = 0) -> Observable[str]:
    stage = transduce(lambda _: upper)
    late = lambda source: source.pipe(stage, rx_ops.delay(later_ms / 1000)) if later_ms else source.pipe(stage)
    return feedback(late, lambda _: again)


def test_an_item_goes_out_before_what_it_causes(marbles: Marbles) -> None:
    """In one callback, in this order; what causes nothing just passes."""
    marbles.expect(marbles.hot("-a-b|").pipe(looped()), "-(AF)-B|")


def test_a_stage_that_takes_its_time(marbles: Marbles) -> None:
    """A late output is fed back late."""
    marbles.expect(marbles.hot("a-----|").pipe(looped(40)), "--A-F---|")


def test_the_stage_is_given_one_item_at_a_time(marbles: Marbles) -> None:
    """An item that is fed back during its work waits until that has finished."""
    seen: list[str] = []

    def stage(source: Observable[str]) -> Observable[str]:
        def work(item: str) -> Iterator[str]:
            seen.append(f"{item} begins")
            yield item.upper()
            seen.append(f"{item} ends")

        return source.pipe(transduce(lambda _: work))

    marbles.record(marbles.cold("a|").pipe(feedback(stage, lambda _: again)))
    assert seen == ["a begins", "a ends", "f begins", "f ends"]


def test_the_source_may_end_in_the_middle_of_the_loop(marbles: Marbles) -> None:
    """Items that were fed back before are still processed."""
    marbles.expect(rx.of("a").pipe(looped()), "(AF|)")


def test_errors_come_through(marbles: Marbles) -> None:
    """Of the source, of the stage, and of the machine."""
    marbles.expect(marbles.hot("-#", error=ScriptedError("source")).pipe(looped()), "-#", error=ScriptedError("source"))
    failing = feedback(lambda source: rx.throw(ScriptedError("stage")), lambda _: again)
    marbles.expect(marbles.hot("-a").pipe(failing), "#", error=ScriptedError("stage"))

    def breaks(_: str) -> Iterator[str]:
        raise ScriptedError("machine")

    broken = feedback(transduce(lambda _: upper), lambda _: breaks)
    marbles.expect(marbles.hot("a").pipe(broken), "(A#)", error=ScriptedError("machine"))


@pytest.mark.parametrize("diagram", ["^--!", "^-!"])
def test_disposing_lets_go_of_the_source(marbles: Marbles, diagram: str) -> None:
    """And of the stage behind it."""
    source = marbles.cold("a-a-a-a-|")
    marbles.record(source.pipe(looped()), diagram)
    marbles.expect_subscriptions(source, diagram)
