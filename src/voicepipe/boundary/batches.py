"""A boundary to a model that is quicker with the items of several sessions at once.

A model that works on the event loop for less than a millisecond gains from batches, as most do: what a call costs is
then shared. What belongs to a session stays with it: the model is a function of an item and of the session's own state,
and returns the state for its next item.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from voicepipe.boundary.lane import Lane, Limits, nothing_lost, required
from voicepipe.boundary.overflow import Overflow
from voicepipe.boundary.pending import PendingMark, PendingWork
from voicepipe.boundary.workers import Outcome
from voicepipe.events import Overflowed
from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.stage import Stage

__all__ = ["Batches", "Step", "in_batches"]

A = TypeVar("A")
S = TypeVar("S")
B = TypeVar("B")

Step: TypeAlias = Callable[[Sequence[tuple[A, S]]], Sequence[tuple[B, S]]]
"""`step(pairs)` takes an item and the state before it, of each session, and returns its result and the state behind it,
in the same order. It changes no state that it was given: a batch that fails is run again, item by item."""


@dataclass(slots=True, eq=False)
class _Job(Generic[A, S, B]):
    pair: tuple[A, S]
    done: Callable[[Outcome[tuple[B, S]]], object]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True

    def deliver(self, outcome: Outcome[tuple[B, S]]) -> None:
        if not self.cancelled:
            self.done(outcome)


class Batches(Generic[A, S, B]):
    """The batches of one model on one event loop, with the items of all its sessions.

    A batch is run when each session has an item in it, when it is full, or `wait_s` after its first item came. An item
    that follows the result of a batch does not wait again: it is run with the others that do. An item that makes a
    batch fail has that error for itself; the others have their results.

    Args:
        step: Runs a batch, on the event loop.
        begin: The state of a session that begins.
        most: The items of a batch, at most.
        wait_s: How long the first item of a batch waits for others, in seconds.
        worth_from: With fewer sessions than that each item is run alone and at once: a batch would be so small that
            what waits, and is called back, costs more than the batch saves.
    """

    def __init__(self, step: Step[A, S, B], begin: S, *, most: int, wait_s: float, worth_from: int) -> None:
        self.begin = begin
        self._step, self._most, self._wait_s, self._worth_from = step, most, wait_s, worth_from
        self._waiting: list[_Job[A, S, B]] = []
        self._sessions = 0
        self._timer: asyncio.TimerHandle | None = None
        self._delivering = False

    @property
    def is_worth_it(self) -> bool:
        """Return whether there are sessions enough for batches."""
        return self._sessions >= self._worth_from

    def enter(self) -> abc.DisposableBase:
        """Count one more session, until the returned disposable is disposed."""
        self._sessions += 1
        return Disposable(self._leave)

    def alone(self, item: A, state: S) -> Outcome[tuple[B, S]]:
        """Run the item now, in a batch of its own."""
        (outcome,) = self._outcomes(((item, state),))
        return outcome

    def submit(self, item: A, state: S, done: Callable[[Outcome[tuple[B, S]]], object]) -> _Job[A, S, B]:
        """Run the item in the next batch, and call `done` with its outcome, later and in this context.

        The returned job's `cancel` keeps `done` from being called.
        """
        job = _Job((item, state), done)
        self._waiting.append(job)
        if not self._delivering:
            if self._is_due():
                self._run()
            elif self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(self._wait_s, self._run)
        return job

    def _is_due(self) -> bool:
        return len(self._waiting) >= min(self._most, self._sessions)

    def _leave(self) -> None:
        self._sessions -= 1

    def _run(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = [job for job in self._waiting if not job.cancelled]
        batch, self._waiting = waiting[: self._most], waiting[self._most :]
        loop = asyncio.get_running_loop()
        for job, outcome in zip(batch, self._outcomes([job.pair for job in batch]), strict=True):
            loop.call_soon(job.deliver, outcome, context=job.context)  # an error of one session's graph is its own
        self._delivering = True
        loop.call_soon(self._run_rest)

    def _run_rest(self) -> None:
        """Run what has come while the results were delivered."""
        self._delivering = False
        if self._waiting:
            self._run()

    def _outcomes(self, pairs: Sequence[tuple[A, S]]) -> Sequence[Outcome[tuple[B, S]]]:
        if not pairs:
            return ()
        try:
            return [Outcome(value) for _, value in zip(pairs, self._step(pairs), strict=True)]
        except Exception as error:
            if len(pairs) == 1:
                return (Outcome(error=error),)
            return [outcome for pair in pairs for outcome in self._outcomes((pair,))]


def in_batches(
    batches: Batches[A, S, B],
    *,
    boundary: str,
    capacity: int,
    overflow: Overflow,
    lost_ms: Callable[[A], float] = nothing_lost,
    backlog: PendingWork | None = None,
) -> Stage[A, B | Overflowed]:
    """Emit the model's result for each item, in their order: one item of a subscription at a time, in batches with
    those of others.

    Up to `capacity` items wait, and one more is treated as in `in_worker`. An exception of the model for an item ends
    its stream alone. Disposing drops waiting items. Completes when the source has completed and no item is left.

    Args:
        batches: The model's batches, shared by all sessions.
        boundary: The name of this boundary in errors and metrics.
        capacity: How many items of this subscription wait at the most.
        overflow: What happens on one more.
        lost_ms: The duration of a dropped item in milliseconds; by default 0.
        backlog: Counts every item until its result is emitted.

    .. marbles::

        source       a----b-|       a batch waits 40 ms for other sessions
        in_batches   --A----(B|)
    """

    def stage(source: Observable[A]) -> Observable[B | Overflowed]:
        def subscribe(
            observer: abc.ObserverBase[B | Overflowed], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            session = _Session(batches, observer)
            gauge = PendingMark(backlog)
            session.lane = Lane(
                observer, session.submit, Limits(boundary, capacity, overflow), required, lost_ms, gauge
            )
            entered = batches.enter()
            subscription = source.subscribe(session.push, observer.on_error, session.lane.finish, scheduler=scheduler)
            return CompositeDisposable(subscription, Disposable(session.lane.dispose), entered)

        return LoopObservable(subscribe)

    return stage


class _Session(Generic[A, S, B]):
    """One subscription: its state, and its items, which go through a lane where they wait for others."""

    def __init__(self, batches: Batches[A, S, B], observer: abc.ObserverBase[B | Overflowed]) -> None:
        self._batches, self._observer, self._state = batches, observer, batches.begin
        self.lane: Lane[A, B]

    def push(self, item: A) -> None:
        if self._batches.is_worth_it or not self.lane.is_idle:
            return self.lane.push(item)
        outcome = self._kept(self._batches.alone(item, self._state))
        if outcome.error is not None:
            return self._observer.on_error(outcome.error)
        return self._observer.on_next(outcome.value)  # pyright: ignore[reportArgumentType] — a value without an error

    def submit(self, item: A, done: Callable[[Outcome[B]], None]) -> _Job[A, S, B]:
        return self._batches.submit(item, self._state, lambda outcome: done(self._kept(outcome)))

    def _kept(self, outcome: Outcome[tuple[B, S]]) -> Outcome[B]:
        """Keep the state of an outcome, and return the rest."""
        if outcome.value is None:
            return Outcome(error=outcome.error)
        value, self._state = outcome.value
        return Outcome(value)
