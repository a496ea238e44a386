"""A stage for some of the items, begun anew after each of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import reactivex
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import Observable, operators
from reactivex.subject import Subject

from voicepipe.operators.text_only import per_run
from voicepipe.rx import transduce
from voicepipe.stage import NotAnObservable, Stage
from voicepipe.testing import Marbles, ScriptedError
from voicepipe.testing.marbles.sources import Cold

Log = list[str]


def belongs(item: str) -> bool:
    """Small letters and digits."""
    return item == item.lower()


def runs(stage: Stage[str, Any]) -> Callable[[Observable[str]], Observable[str]]:
    """Return the output, each item with the number of its run before it: "1a"."""
    numbered = per_run(stage, belongs)
    return lambda source: source.pipe(numbered, operators.map(lambda out: f"{out[0] or ''}{out[1]}"))


def expect(marbles: Marbles, source: Cold, stage: Stage[str, Any], diagram: str, *names: str, **values: Any) -> None:
    """Letters of the diagram stand for the names, in their order: a, b, c …"""
    letters = dict(zip("abcdefghij", names, strict=False))
    marbles.expect(source.pipe(runs(stage)), diagram, table=letters, **values)


class Counted:
    """A stage that tells when it is subscribed, when its source completes, and when it is disposed."""

    def __init__(self, inner: Callable[[Observable[str]], Observable[Any]] = lambda run: run) -> None:
        self.log = Log()
        self._inner = inner
        self._count = 0

    def __call__(self, source: Observable[str]) -> Observable[Any]:
        def begin(_: object) -> Observable[Any]:
            self._count += 1
            number = self._count
            self.log.append(f"{number} begins")
            ended = source.pipe(operators.do_action(on_completed=lambda: self.log.append(f"{number} is read")))
            return self._inner(ended).pipe(operators.finally_action(lambda: self.log.append(f"{number} ends")))

        return reactivex.defer(begin)


def test_a_run_ends_where_an_item_does_not_belong(marbles: Marbles) -> None:
    """The stage sees its source complete, and is made anew for the next item that belongs."""
    stage = Counted()
    expect(marbles, marbles.cold("abXcY|"), stage, "abXcY|", "1a", "1b", X="X", c="2c", Y="Y")
    assert stage.log == ["1 begins", "1 is read", "1 ends", "2 begins", "2 is read", "2 ends"]


def test_without_items_that_belong_there_are_no_runs(marbles: Marbles) -> None:
    """The stage is never made; an empty source is an empty stream."""
    stage = Counted()
    expect(marbles, marbles.cold("X-YX|"), stage, "X-YX|")
    expect(marbles, marbles.cold("--|"), stage, "--|")
    assert stage.log == []


def test_what_a_stage_kept_comes_at_the_end_of_its_run(marbles: Marbles) -> None:
    """Before the item that ended it: it says what it has."""
    joined: Stage[str, str] = operators.reduce(lambda text, item: text + item, "")
    expect(marbles, marbles.cold("abX-cY|"), joined, "--(aX)--(bY)|", "1ab", "2c")


def test_runs_come_out_one_after_the_other_however_long_each_takes(marbles: Marbles) -> None:
    """Items that pass wait for no run."""
    delays = iter([0.1, 0.02, 0.0])
    stage: Stage[str, str] = lambda run: run.pipe(operators.delay(next(delays)))
    expect(marbles, marbles.cold("aXbYc|"), stage, "-X-Y-a(bc|)", "1a", "2b", "3c")


def test_a_run_that_is_the_first_again_goes_on_live(marbles: Marbles) -> None:
    """Its earlier items are let out, and later ones pass at once."""
    delays = iter([0.1, 0.0])
    stage: Stage[str, str] = lambda run: run.pipe(operators.delay(next(delays)))
    expect(marbles, marbles.cold("aXb----c-d|"), stage, "-X---abc-d|", "1a", "2b", "2c", "2d")


def test_it_completes_when_the_last_run_has(marbles: Marbles) -> None:
    """Not with its source."""
    expect(marbles, marbles.cold("a|"), operators.delay(0.1), "-----a|", "1a")


def test_the_source_is_disposed_when_the_stage_has_enough(marbles: Marbles) -> None:
    """A filter that has heard a bad word: the model is told to stop, and nothing of it passes any more."""
    source = marbles.cold("abcXd|")
    expect(marbles, source, operators.take(2), "a(b|)", "1a", "1b")
    marbles.expect_subscriptions(source, "^!")


def test_the_runs_before_it_are_finished_when_a_stage_has_enough(marbles: Marbles) -> None:
    """They were said before."""
    stages = iter([operators.delay(0.1), operators.take(1)])
    source = marbles.cold("aXbcY|")
    expect(marbles, source, lambda run: run.pipe(next(stages)), "-X---a(b|)", "1a", "2b")
    marbles.expect_subscriptions(source, "^-!")


def test_a_stage_that_has_all_it_needs_before_it_is_told_anything(marbles: Marbles) -> None:
    """It gives what it gives, and nothing more is asked."""
    source = marbles.cold("-abX|")
    expect(marbles, source, lambda run: reactivex.of("hello"), "-(a|)", "1hello")
    marbles.expect_subscriptions(source, "^!")


def test_an_error_of_a_run_ends_all(marbles: Marbles) -> None:
    """Also where another one is still to come out, or coming."""
    source = marbles.cold("aXbYc---|")
    failing = iter([operators.delay(0.2), fails_at("b"), operators.delay(0.01)])
    expect(marbles, source, lambda run: run.pipe(next(failing)), "-X#", error=ScriptedError("b"))
    marbles.expect_subscriptions(source, "^-!")
    late = iter([fails_at("a", after_s=0.08), operators.delay(0.02), operators.delay(0.02)])
    expect(marbles, source, lambda run: run.pipe(next(late)), "-X-Y#", error=ScriptedError("a"))
    marbles.expect_subscriptions(source, "^---!")


def fails_at(item: str, after_s: float = 0.0) -> Stage[str, str]:
    def check(given: str) -> Observable[str]:
        if given != item:
            return reactivex.of(given)
        failing = reactivex.throw(ScriptedError(item))
        return failing if not after_s else reactivex.timer(after_s).pipe(operators.flat_map(lambda _: failing))

    return operators.flat_map(check)


def test_an_error_of_the_source_ends_all_at_once(marbles: Marbles) -> None:
    """Unfinished runs are dropped, and the stage is disposed."""
    stage = Counted(operators.delay(0.5))
    expect(marbles, marbles.cold("aXb#"), stage, "-X-#")
    assert stage.log == ["1 begins", "1 is read", "2 begins", "1 ends", "2 ends"]


def test_disposing_disposes_the_source_and_all_runs(marbles: Marbles) -> None:
    """No timer of theirs is left."""
    stage, source = Counted(operators.delay(0.5)), marbles.cold("aXbYc----d")
    expect(marbles, source, stage, "-X-Y--!")
    marbles.expect_subscriptions(source, "^-----!")
    assert stage.log[-3:] == ["1 ends", "2 ends", "3 ends"]


def test_a_stage_that_gives_no_observable_is_an_error_of_the_stream(marbles: Marbles) -> None:
    """It is named, and nothing flies to where the item came from."""
    source = marbles.cold("-a-b|")

    def forgotten(run: Observable[str]) -> Any:
        run.pipe(operators.delay(1))

    (failed,) = marbles.record(source.pipe(transduce(lambda _: lambda item: [item]), runs(forgotten)))
    assert isinstance(failed.value, NotAnObservable)
    assert str(failed.value).startswith("forgotten (")
    marbles.expect_subscriptions(source, "^!")


def test_a_source_without_time_is_read_no_further_than_the_error(marbles: Marbles) -> None:
    """It gives all its items before its subscription is there to be disposed."""
    stage = Counted(fails_at("b"))
    source: Observable[str] = reactivex.of("a", "b", "c", "X", "d")
    expect_now(marbles, source, stage, ["1a", ScriptedError])
    assert stage.log == ["1 begins", "1 ends"]


def test_a_source_without_time_is_read_no_further_than_enough(marbles: Marbles) -> None:
    """The same for a stage that has had enough."""
    stage = Counted(operators.take(1))
    expect_now(marbles, reactivex.of("a", "b", "X", "c"), stage, ["1a", "completed"])
    assert stage.log == ["1 begins", "1 ends"]


def expect_now(marbles: Marbles, source: Observable[str], stage: Stage[str, Any], expected: list[Any]) -> None:
    out = marbles.record(source.pipe(runs(stage)))
    assert [one.t_ms for one in out] == [0] * len(expected)
    assert [one.value if one.kind == "next" else type(one.value) if one.value else one.kind for one in out] == expected


def test_an_item_that_brings_forth_others_comes_before_them(marbles: Marbles) -> None:
    """A listener may feed the source in the same call."""
    source, heard = Subject[str](), list[str]()
    inner = Subject[str]()
    slow: Stage[str, str] = operators.delay(0.1)
    with_others: Stage[str, str] = lambda run: reactivex.merge(run, inner)
    stages = iter([slow, with_others])

    def hear(item: str) -> None:
        heard.append(item)
        if item == "2b":
            inner.on_next("z")  # in the midst of what is let out
        if item == "2c":
            source.on_next("Y")
            source.on_completed()
            inner.on_completed()

    async def main() -> None:
        piped = source.pipe(runs(lambda run: next(stages)(run)))
        piped.subscribe(hear, on_completed=lambda: heard.append("completed"), scheduler=marbles.scheduler)
        for item in "aXbc":
            source.on_next(item)
        await asyncio.sleep(1)

    marbles.run(main())
    assert heard == ["X", "1a", "2b", "2c", "Y", "2z", "completed"]


def test_each_subscription_has_runs_of_its_own(marbles: Marbles) -> None:
    """Numbers begin anew."""
    piped = marbles.cold("aXb|").pipe(runs(lambda run: run))
    for _ in range(2):
        marbles.expect(piped, "aXb|", a="1a", b="2b")


@settings(max_examples=examples(50))
@given(st.lists(st.sampled_from("abcX"), max_size=10), st.lists(st.integers(0, 5), min_size=10, max_size=10))
def test_whatever_each_run_takes_the_order_is_that_of_the_source(items: list[str], delays: list[int]) -> None:
    """Of the runs among themselves, and of what passes; nothing is lost, and it ends."""
    with Marbles() as marbles:
        waits = iter(delays)
        source: Observable[str] = reactivex.from_iterable(items)
        stage: Stage[str, str] = lambda run: run.pipe(operators.delay(next(waits) / 100))
        *out, end = marbles.record(source.pipe(per_run(stage, belongs)))
    assert end.kind == "completed"
    made = [out.value for out in out if out.value[0]]
    assert [item for _, item in made] == [item for item in items if belongs(item)]
    assert [number for number, _ in made] == sorted(number for number, _ in made)
    assert [item.value[1] for item in out if not item.value[0]] == [item for item in items if item == "X"]


def test_a_stage_inherits_the_sessions_scheduler(marbles: Marbles) -> None:
    """Its time and its tasks are those of the turn."""
    seen = list[object]()
    stage: Stage[str, str] = lambda run: reactivex.defer(lambda given: seen.append(given) or run)
    expect(marbles, marbles.cold("aX|"), stage, "aX|", "1a")
    assert seen == [marbles.scheduler]


def test_a_thousand_runs_are_begun_and_ended(marbles: Marbles) -> None:
    """Without a stack that grows with them."""
    stage = Counted()
    out = marbles.record(reactivex.from_iterable(["a", "X"] * 1000).pipe(runs(stage)))
    assert len(out) == 2001
    assert [line for line in stage.log if line.endswith("ends")] == [f"{run} ends" for run in range(1, 1001)]
