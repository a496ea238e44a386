"""The boundary between a session's synchronous graph and threads: order, capacity, and dropped items."""

import contextvars
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.boundary.overflow import BoundaryFull, Overflow
from voicepipe.boundary.pending import PendingWork
from voicepipe.boundary.threads import ask_worker, from_worker, in_worker
from voicepipe.boundary.workers import Ticket, Workers
from voicepipe.events import Overflowed
from voicepipe.testing import Marbles


@pytest.fixture
def workers() -> Iterator[Workers]:
    pool = Workers(2, "test")
    yield pool
    pool.close(timeout_s=5)


class Gate:
    """Work that waits in its thread until it is let through; it opens by itself for an item in capitals."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._open = threading.Event()

    def __call__(self, item: str, ticket: Ticket) -> str:
        self.begun.append(item)
        if item.isupper():
            self._open.set()
        assert self._open.wait(5)
        return f"{item}{'!' if ticket.cancelled else ''}"


def through(
    work: Callable[[str, Ticket], str], workers: Workers, overflow: Overflow, capacity: int = 2
) -> Callable[[Observable[str]], Observable[str | Overflowed]]:
    return in_worker(
        work,
        workers,
        boundary="test",
        capacity=capacity,
        overflow=overflow,
        optional=lambda item: item in "xyz",
        lost_ms=lambda item: 10.0,
    )


def test_results_come_in_the_order_of_the_items(marbles: Marbles, workers: Workers) -> None:
    """One at a time, whatever the pool could do at once; thread work takes no virtual time."""
    stage = through(lambda item, _: item * 2, workers, Overflow.FAIL_TURN)
    marbles.expect(marbles.cold("a-b-c|").pipe(stage), "p-q-r|", p="aa", q="bb", r="cc")


def test_the_last_results_come_before_the_end(marbles: Marbles, workers: Workers) -> None:
    """The source may complete while work is under way."""
    stage = through(lambda item, _: item, workers, Overflow.FAIL_TURN)
    marbles.expect(marbles.cold("(abc|)").pipe(stage), "(abc|)")


def test_what_is_asked_for_stands_in_the_backlog_until_it_is_out(marbles: Marbles, workers: Workers) -> None:
    """A guess does not."""
    backlog, seen = PendingWork(), list[tuple[str, bool]]()
    stage = in_worker(
        lambda item, _: item,
        workers,
        boundary="test",
        capacity=2,
        overflow=Overflow.DROP_OLDEST,
        optional=lambda item: item == "x",
        backlog=backlog,
    )
    source = marbles.cold("x-(abc)-x-d|")
    marbles.record(source.pipe(stage, rx_ops.do_action(lambda item: seen.append((item, backlog.is_clear)))))
    assert seen == [("x", True), ("a", False), ("b", False), ("c", False), ("x", True), ("d", False)]
    assert backlog.is_clear


def test_a_boundary_that_is_left_leaves_no_backlog(marbles: Marbles, workers: Workers) -> None:
    """It holds for a boundary that was disposed and for one that has failed."""

    def fail(item: str, ticket: Ticket) -> str:
        raise ValueError(item)

    for work, until in ((lambda item, _: item, "1ms d"), (fail, "1s d")):
        backlog = PendingWork()
        limits = {"boundary": "test", "capacity": 2, "overflow": Overflow.DROP_OLDEST}
        stage = in_worker(work, workers, **limits, backlog=backlog)
        marbles.record(marbles.cold("(abc)-|").pipe(stage, rx_ops.take_until(marbles.cold(until))))
        assert backlog.is_clear


LOST = Overflowed("test", 10.0)


@pytest.mark.parametrize(
    ("overflow", "kept"),
    [(Overflow.DROP_OLDEST, ["o", "o", "a", "d", "E"]), (Overflow.LATEST, ["o", "o", "o", "a", "E"])],
)
def test_a_full_boundary_drops_by_its_policy_and_says_so(
    marbles: Marbles, workers: Workers, overflow: Overflow, kept: list[str]
) -> None:
    """Five items at once, one at work, room for two: what is dropped is counted."""
    gate = Gate()
    stage = through(lambda item, ticket: gate(item.upper() if item == "a" else item, ticket).lower(), workers, overflow)
    out = marbles.record(marbles.cold("(abcdE|)").pipe(stage))
    lost = replace(LOST, policy=overflow.name.lower())
    shown = ["o" if one.value == lost else one.value for one in out[:-1]]
    assert shown == [name.lower() for name in kept]


def test_where_nothing_may_be_lost_a_full_boundary_fails(marbles: Marbles, workers: Workers) -> None:
    """The error names the boundary and its capacity."""
    gate = Gate()
    out = marbles.record(marbles.cold("(Abcd|)").pipe(through(gate, workers, Overflow.FAIL_TURN)))
    assert isinstance(out[-1].value, BoundaryFull)
    assert str(out[-1].value) == "boundary test is full: 2 items wait, and its policy is to fail"


def test_a_guess_is_skipped_while_something_is_under_way(marbles: Marbles, workers: Workers) -> None:
    """Without a word: another one comes soon."""
    gate = Gate()
    out = marbles.record(marbles.cold("(Axyb|)").pipe(through(gate, workers, Overflow.FAIL_TURN)))
    assert [one.value for one in out[:-1]] == ["A", "b"]
    assert gate.begun == ["A", "b"]


def test_a_guess_makes_way_for_an_answer(marbles: Marbles, workers: Workers) -> None:
    """It is told to stop, and its result is not waited for."""
    gate = Gate()
    out = marbles.record(marbles.cold("(xA|)").pipe(through(gate, workers, Overflow.FAIL_TURN)))
    assert [one.value for one in out[:-1]] == ["A"]


def test_an_exception_of_the_work_ends_the_stream(marbles: Marbles, workers: Workers) -> None:
    """Earlier results are out, waiting items are forgotten."""

    def work(item: str, _: Ticket) -> str:
        if item == "b":
            raise ValueError("no b")
        return item

    stage = through(work, workers, Overflow.FAIL_TURN)
    marbles.expect(marbles.cold("(abc|)").pipe(stage), "(a#)", error=ValueError("no b"))


def test_disposing_cancels_what_runs(marbles: Marbles, workers: Workers) -> None:
    """Its thread sees the ticket and stops; its result goes nowhere."""
    running, stopped = threading.Event(), threading.Event()

    def work(item: str, ticket: Ticket) -> str:
        running.set()
        while not ticket.cancelled:
            threading.Event().wait(0.001)
        stopped.set()
        return item

    async def main() -> None:
        out: list[str | Overflowed] = []
        stage = through(work, workers, Overflow.FAIL_TURN)
        subscription = reactivex.just("a").pipe(stage).subscribe(out.append, scheduler=marbles.scheduler)
        assert running.wait(5)
        subscription.dispose()
        assert stopped.wait(5)
        assert out == []

    marbles.run(main())


def test_one_question_has_one_answer(marbles: Marbles, workers: Workers) -> None:
    """Each subscription asks anew."""
    answers = iter(["a", "b"])
    asked = ask_worker(lambda _: next(answers), workers)
    marbles.expect(asked, "(a|)")
    marbles.expect(asked, "(b|)")


def test_a_question_that_fails_is_an_error(marbles: Marbles, workers: Workers) -> None:
    """On the loop, not in the thread."""

    def work(_: Ticket) -> str:
        raise ValueError("no")

    marbles.expect(ask_worker(work, workers), "#", error=ValueError("no"))


def test_a_blocking_producer_gives_its_items_in_order(marbles: Marbles, workers: Workers) -> None:
    """And then completes, or fails with what it raised."""

    def produce(emit: Callable[[str], None], _: Ticket) -> None:
        for letter in "abc":
            emit(letter)

    def broken(emit: Callable[[str], None], _: Ticket) -> None:
        emit("a")
        raise ValueError("no")

    marbles.expect(from_worker(produce, workers), "(abc|)")
    marbles.expect(from_worker(broken, workers), "(a#)", error=ValueError("no"))


WHO = contextvars.ContextVar[str]("WHO", default="nobody")


def test_items_arrive_in_the_subscribers_context(marbles: Marbles, workers: Workers) -> None:
    """A log line that an item causes names the right session."""
    WHO.set("ann")
    source = from_worker(lambda emit, _: emit("a"), workers).pipe(rx_ops.map(lambda _: WHO.get()))
    assert [one.value for one in marbles.record(source)][:1] == ["ann"]
