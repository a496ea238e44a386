"""Batches of several sessions' items: when they run, and that sessions stay apart."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import reactivex
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.boundary.batches import Batches, in_batches
from voicepipe.boundary.overflow import BoundaryFull, Overflow
from voicepipe.boundary.pending import PendingWork
from voicepipe.testing import Marbles

WAIT_MS = 20


class Spelling:
    """A recurrent model: its result is all letters so far. It notes its batches, and fails for an x."""

    def __init__(self) -> None:
        self.batches: list[str] = []

    def step(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        letters = "".join(letter for letter, _ in pairs)
        self.batches.append(letters)
        if "x" in letters:
            raise ValueError("x is no letter")
        return [(before + letter, before + letter) for letter, before in pairs]


def batches_of(model: Spelling, most: int = 8, worth_from: int = 2) -> Batches[str, str, str]:
    return Batches(model.step, "", most=most, wait_s=WAIT_MS / 1000, worth_from=worth_from)


def spelled(
    batches: Batches[str, str, str],
    source: Observable[str],
    overflow: Overflow = Overflow.DROP_OLDEST,
    backlog: PendingWork | None = None,
    capacity: int = 2,
) -> Observable[str]:
    """The results of one session; an error is an item, so that the other sessions of a test go on."""
    stage = in_batches(
        batches, boundary="test", capacity=capacity, overflow=overflow, lost_ms=lambda _: 10.0, backlog=backlog
    )
    return source.pipe(stage, rx_ops.map(str), rx_ops.catch(lambda error, _: reactivex.just(f"{error}")))


def test_a_batch_runs_when_its_first_item_has_waited(marbles: Marbles) -> None:
    """A third session says nothing."""
    model = Spelling()
    batches = batches_of(model)
    sessions = [spelled(batches, marbles.cold(script)) for script in ("a---|", "1ms b---|", "-----|")]
    marbles.expect(reactivex.merge(*sessions), "-(ab)---|")
    assert model.batches == ["ab"]


def test_a_batch_with_an_item_of_each_session_runs_at_once(marbles: Marbles) -> None:
    """Nothing else could come."""
    batches = batches_of(Spelling())
    sessions = [spelled(batches, marbles.cold(script)) for script in ("a---|", "5ms b---|")]
    marbles.expect(reactivex.merge(*sessions), "5ms (ab) 60ms |")


def test_a_full_batch_runs_at_once(marbles: Marbles) -> None:
    """The rest is in the next one."""
    model = Spelling()
    batches = batches_of(model, most=2)
    sessions = [spelled(batches, marbles.cold(script)) for script in ("a---|", "b---|", "c---|", "----|")]
    marbles.record(reactivex.merge(*sessions))
    assert model.batches == ["ab", "c"]


def test_an_item_that_follows_a_result_does_not_wait_again(marbles: Marbles) -> None:
    """A packet of several frames is heard within one wait."""
    model = Spelling()
    batches = batches_of(model)
    sessions = [spelled(batches, marbles.cold(script)) for script in ("(abc)----|", "1ms (de)---|", "------|")]
    out = marbles.record(reactivex.merge(*sessions))
    assert [(one.t_ms, one.value) for one in out[:-1]] == [
        (20, "a"),
        (20, "d"),
        (20, "ab"),
        (20, "de"),
        (20, "abc"),
    ]
    assert model.batches == ["ad", "be", "c"]


def test_few_sessions_do_not_wait(marbles: Marbles) -> None:
    """From the number on that is worth it they do."""
    model = Spelling()
    batches = batches_of(model, worth_from=3)
    first = spelled(batches, marbles.cold("a---c---|"))
    second = spelled(batches, marbles.cold("b---d---|"))
    third = marbles.cold("--p-------|").pipe(rx_ops.flat_map(lambda _: spelled(batches, marbles.cold("--------|"))))
    marbles.expect(reactivex.merge(first, second, third), "(ab)----(pq)----|", p="ac", q="bd")
    assert model.batches == ["a", "b", "cd"]


def test_an_item_that_fails_a_batch_fails_its_own_session_only(marbles: Marbles) -> None:
    """The others have their results, and go on."""
    batches = batches_of(Spelling())
    sessions = [spelled(batches, marbles.cold(script)) for script in ("a--b---|", "x--c---|", "d--e---|")]
    marbles.expect(
        reactivex.merge(*sessions),
        "(aed)--(fg)---|",
        e="x is no letter",
        f="ab",
        g="de",
    )


@pytest.mark.parametrize("worth_from", [1, 99])
def test_a_failed_session_is_over(marbles: Marbles, worth_from: int) -> None:
    """In a batch as alone."""
    failing = spelled(batches_of(Spelling(), worth_from=worth_from), marbles.cold("x-b|"))
    marbles.expect(failing, "(e|)", e="x is no letter")


def test_more_than_the_capacity_is_dropped_or_fails(marbles: Marbles) -> None:
    """By the policy, as at every boundary."""
    for overflow, last in ((Overflow.DROP_OLDEST, "acd"), (Overflow.FAIL_SESSION, None)):
        batches = batches_of(Spelling(), worth_from=1)
        sessions = [spelled(batches, marbles.cold(script), overflow) for script in ("(abcd)---|", "----|")]
        out = marbles.record(reactivex.merge(*sessions))
        said = str(BoundaryFull("test", 2, overflow)) if last is None else last
        assert out[-2].value == said


def test_what_waits_is_in_the_backlog_until_it_is_out(marbles: Marbles) -> None:
    """A session that has gone has left nothing in the next batch."""
    model, backlog, seen = Spelling(), PendingWork(), list[tuple[str, bool]]()
    batches = batches_of(model)
    note = rx_ops.do_action(lambda item: seen.append((item, backlog.is_clear)))
    first = spelled(batches, marbles.cold("(ab)-c---|"), backlog=backlog).pipe(note)
    left = spelled(batches, marbles.cold("p-----|"), backlog=backlog).pipe(rx_ops.take_until(marbles.cold("10ms d")))
    silent = spelled(batches, marbles.cold("------|"))
    out = marbles.record(reactivex.merge(first, left, silent))
    assert seen == [("a", False), ("ab", False), ("abc", False)]
    assert backlog.is_clear
    assert model.batches == ["a", "b", "c"]
    assert [one.t_ms for one in out[:-1]] == [20, 20, 60]


MOST_IN_BURST = 3
"""A burst may come at the end of the wait, when the one before still waits."""
BURSTS = st.text("abcx", min_size=1, max_size=MOST_IN_BURST)
COLUMN_MS = 20


@settings(max_examples=examples(30), deadline=None)
@given(
    sessions=st.lists(st.lists(st.tuples(st.integers(0, 50), BURSTS), max_size=4), min_size=1, max_size=6),
    most=st.integers(1, 4),
    worth_from=st.integers(1, 4),
)
def test_sessions_in_batches_have_the_results_that_they_have_alone(
    sessions: list[list[tuple[int, str]]], most: int, worth_from: int
) -> None:
    """In their order, none later than one wait after its item came."""

    batches = batches_of(Spelling(), most, worth_from)
    with Marbles() as marbles:
        scripts = ["".join(f" {gap}ms ({burst})" for gap, burst in items) + " 99ms |" for items in sessions]
        results = [
            spelled(batches, marbles.cold(script), capacity=2 * MOST_IN_BURST).pipe(
                rx_ops.map(lambda text, number=number: (number, text))
            )
            for number, script in enumerate(scripts)
        ]
        out = marbles.record(reactivex.merge(*results))[:-1]
    for number, items in enumerate(sessions):
        have = [(one.value[1], one.t_ms) for one in out if one.value[0] == number]
        assert [text for text, _ in have] == [text for text, _ in alone(items)]
        assert all(at_ms <= t_ms <= at_ms + WAIT_MS for (_, t_ms), (_, at_ms) in zip(have, alone(items), strict=True))


def alone(items: list[tuple[int, str]]) -> list[tuple[str, int]]:
    """The results of a session, and when their items came."""
    text, at_ms, results = "", 0, list[tuple[str, int]]()
    for gap_ms, burst in items:
        at_ms += gap_ms
        for letter in burst:
            if letter == "x":
                return [*results, ("x is no letter", at_ms)]
            text += letter
            results.append((text, at_ms))
        at_ms += COLUMN_MS
    return results
