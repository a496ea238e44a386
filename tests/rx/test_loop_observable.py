"""The promises of a subscription of reactivex hold for one without locks: each test runs with both."""

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from voicepipe.rx import LoopScheduler
from voicepipe.rx.loop_observable import Disposables, LoopObservable
from voicepipe.rx.publish import LoopSubject
from voicepipe.testing import Marbles, VirtualLoop

Make = Callable[[abc.Subscription[str]], Observable[str]]


@pytest.fixture
def scheduler(virtual_loop: VirtualLoop) -> LoopScheduler:
    """Of a loop in virtual time."""
    return LoopScheduler(virtual_loop)


class Source:
    """Notes its disposal, and tells its observer what a test wants."""

    def __init__(self, at_once: Callable[[abc.ObserverBase[str]], object] = lambda _: None) -> None:
        self.disposed, self._at_once = 0, at_once

    def __call__(self, observer: abc.ObserverBase[str], _: object = None) -> abc.DisposableBase:
        self.observer = observer
        self._at_once(observer)
        return Disposable(self._dispose)

    def _dispose(self) -> None:
        self.disposed += 1


class Seen:
    """Writes down what an observer gets."""

    def __init__(self) -> None:
        self.log: list[object] = []

    def on_next(self, value: str) -> None:
        self.log.append(value)

    def on_error(self, error: Exception) -> None:
        self.log.append(repr(error))

    def on_completed(self) -> None:
        self.log.append("|")


both = pytest.mark.parametrize("make", [Observable, LoopObservable])


@both
@pytest.mark.parametrize("as_functions", [False, True])
def test_nothing_comes_after_the_end_and_the_source_is_let_go(
    make: Make, scheduler: LoopScheduler, as_functions: bool
) -> None:
    """Once, with an observer and with functions."""
    source, seen = Source(), Seen()
    target: tuple[Any, ...] = (seen.on_next, seen.on_error, seen.on_completed) if as_functions else (seen,)
    make(source).subscribe(*target, scheduler=scheduler)
    source.observer.on_next("a")
    source.observer.on_completed()
    source.observer.on_next("b")
    source.observer.on_completed()
    source.observer.on_error(ValueError("late"))
    assert (seen.log, source.disposed) == (["a", "|"], 1)


@both
def test_nothing_comes_after_an_error_and_the_source_is_let_go(make: Make, scheduler: LoopScheduler) -> None:
    """Once."""
    source, seen = Source(), Seen()
    make(source).subscribe(seen, scheduler=scheduler)
    source.observer.on_error(ValueError("no"))
    source.observer.on_next("b")
    assert (seen.log, source.disposed) == (["ValueError('no')"], 1)


@both
def test_nothing_comes_after_the_disposal(make: Make, scheduler: LoopScheduler) -> None:
    """The source is disposed once, however often the subscription is."""
    source, seen = Source(), Seen()
    subscription = make(source).subscribe(seen, scheduler=scheduler)
    subscription.dispose()
    subscription.dispose()
    source.observer.on_next("b")
    source.observer.on_completed()
    assert (seen.log, source.disposed) == ([], 1)


@both
def test_a_source_that_ends_while_it_is_subscribed_is_let_go(make: Make, scheduler: LoopScheduler) -> None:
    """Its disposable comes behind its end."""
    source, seen = Source(lambda observer: observer.on_completed()), Seen()
    make(source).subscribe(seen, scheduler=scheduler)
    assert (seen.log, source.disposed) == (["|"], 1)


@both
def test_an_exception_while_it_is_subscribed_is_an_error(make: Make, scheduler: LoopScheduler) -> None:
    """Behind the end it is raised: there is nothing that could take it."""

    def fail(observer: abc.ObserverBase[str]) -> None:
        observer.on_next("a")
        raise ValueError("no")

    def end_and_fail(observer: abc.ObserverBase[str]) -> None:
        observer.on_completed()
        raise ValueError("late")

    seen, late = Seen(), Seen()
    make(Source(fail)).subscribe(seen, scheduler=scheduler)
    with pytest.raises(ValueError, match="late"):
        make(Source(end_and_fail)).subscribe(late, scheduler=scheduler)
    assert (seen.log, late.log) == (["a", "ValueError('no')"], ["|"])


@both
def test_an_error_that_has_no_taker_is_raised(make: Make, scheduler: LoopScheduler) -> None:
    """Functions may be left out."""
    source = Source()
    make(source).subscribe(scheduler=scheduler)
    source.observer.on_next("a")
    with pytest.raises(ValueError, match="no"):
        source.observer.on_error(ValueError("no"))


@both
def test_the_source_is_let_go_where_the_observer_fails_at_its_end(make: Make, scheduler: LoopScheduler) -> None:
    """The exception goes on to the source."""
    source = Source()

    def fail() -> None:
        raise ValueError("no")

    make(source).subscribe(on_completed=fail, scheduler=scheduler)
    with pytest.raises(ValueError, match="no"):
        source.observer.on_completed()
    assert source.disposed == 1


def test_without_a_loops_scheduler_it_is_reactivexs_own() -> None:
    """A subscription that another thread may dispose keeps its locks."""
    source, seen = Source(), Seen()
    subscription = LoopObservable(source).subscribe(seen)
    source.observer.on_next("a")
    thread = Thread(target=subscription.dispose)
    thread.start()
    thread.join()
    source.observer.on_next("b")
    assert (seen.log, source.disposed) == (["a"], 1)


@pytest.mark.parametrize("make", [Subject, LoopSubject])
def test_a_subject_tells_those_that_are_there(make: Callable[[], Any], scheduler: LoopScheduler) -> None:
    """Observers that come or go while it emits count from the next item on; late ones get the end."""
    subject, first, second, late = make(), Seen(), Seen(), Seen()
    subject.subscribe(first, scheduler=scheduler)
    joined = subject.subscribe(
        lambda item: subject.subscribe(second, scheduler=scheduler) if item == "a" else None, scheduler=scheduler
    )
    subject.on_next("a")
    joined.dispose()
    subject.on_next("b")
    subject.on_completed()
    subject.on_next("c")
    subject.subscribe(late, scheduler=scheduler)
    assert (first.log, second.log, late.log) == (["a", "b", "|"], ["b", "|"], ["|"])


@pytest.mark.parametrize("make", [Subject, LoopSubject])
def test_a_subject_tells_late_ones_of_an_error(make: Callable[[], Any], scheduler: LoopScheduler) -> None:
    """As those that were there."""
    subject, there, late = make(), Seen(), Seen()
    subject.subscribe(there, scheduler=scheduler)
    subject.on_error(ValueError("no"))
    subject.subscribe(late, scheduler=scheduler)
    assert there.log == late.log == ["ValueError('no')"]


def test_what_is_added_to_a_disposed_group_is_disposed() -> None:
    """And the others once, in their order."""
    order: list[str] = []
    group = Disposables(Disposable(lambda: order.append("a")))
    group.add(Disposable(lambda: order.append("b")))
    group.dispose()
    group.dispose()
    group.add(Disposable(lambda: order.append("c")))
    assert order == ["a", "b", "c"]


def test_it_runs_in_virtual_time(marbles: Marbles) -> None:
    """As any observable does."""
    marbles.expect(
        LoopObservable(lambda observer, scheduler: marbles.cold("a-b|").subscribe(observer, scheduler=scheduler)),
        "a-b|",
    )
