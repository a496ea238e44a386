"""`Lane`: one item of a session at a time, in order, with bounded waiting: what boundaries with work have in common."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from reactivex import abc

from voicepipe.boundary.overflow import BoundaryFull, Overflow
from voicepipe.boundary.pending import PendingMark
from voicepipe.boundary.workers import Outcome
from voicepipe.events import Overflowed

__all__ = ["Cancellable", "Lane", "Limits", "nothing_lost", "required"]

A = TypeVar("A")
B = TypeVar("B")


class Cancellable(Protocol):
    """Work under way: a ticket of a pool, or a task."""

    def cancel(self) -> object:
        """Stop it; its outcome is not reported."""
        ...


def required(_: object) -> bool:
    """Return False: no item is optional."""
    return False


def nothing_lost(_: object) -> float:
    """Return 0: an item has no duration."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The name of a boundary, how many items wait, and what happens on one more."""

    boundary: str
    capacity: int
    overflow: Overflow


class Lane(Generic[A, B]):
    """The items of one session, one at a time on their way through a pool or a service.

    Args:
        observer: Gets the results, in the order of the items.
        submit: Begins the work on an item, and calls the function with its outcome, once and later, unless it is
            cancelled before.
        limits: How many items wait, and what happens on one more.
        optional: Tells which items are skipped while others are under way, and give way to later ones.
        lost_ms: The duration of a dropped item in milliseconds.
        gauge: Shows whether there is an item that is not optional.
    """

    def __init__(
        self,
        observer: abc.ObserverBase[B | Overflowed],
        submit: Callable[[A, Callable[[Outcome[B]], None]], Cancellable],
        limits: Limits,
        optional: Callable[[A], bool],
        lost_ms: Callable[[A], float],
        gauge: PendingMark,
    ) -> None:
        self._observer, self._submit, self._limits = observer, submit, limits
        self._optional, self._lost_ms, self._gauge = optional, lost_ms, gauge
        self._waiting: deque[A] = deque()
        self._running: Cancellable | None = None
        self._running_optional = False
        self._finished = False

    @property
    def is_idle(self) -> bool:
        """Return whether no item is under way."""
        return self._running is None

    def push(self, item: A) -> None:
        if self._optional(item):
            if self._running is None:
                self._start(item)
            return
        if self._running is not None and self._running_optional:
            self._running.cancel()
            self._running = None
        self._gauge.show(behind=True)
        if self._running is None:
            self._start(item)
        elif self._make_room():
            self._waiting.append(item)

    def finish(self) -> None:
        self._finished = True
        if self._running is None:
            self._observer.on_completed()

    def dispose(self) -> None:
        self._waiting.clear()
        self._gauge.show(behind=False)
        if self._running is not None:
            self._running.cancel()

    def _make_room(self) -> bool:
        limits = self._limits
        if limits.overflow in (Overflow.FAIL_TURN, Overflow.FAIL_SESSION) and len(self._waiting) >= limits.capacity:
            self.dispose()
            self._observer.on_error(BoundaryFull(limits.boundary, limits.capacity, limits.overflow))
            return False
        keep = 0 if limits.overflow is Overflow.LATEST else limits.capacity - 1
        while len(self._waiting) > keep:
            lost_ms, policy = self._lost_ms(self._waiting.popleft()), limits.overflow.name.lower()
            self._observer.on_next(Overflowed(limits.boundary, lost_ms, policy))
        return True

    def _start(self, item: A) -> None:
        self._running_optional = self._optional(item)
        self._running = self._submit(item, self._done)

    def _done(self, outcome: Outcome[B]) -> None:
        self._running = None
        if outcome.error is not None:
            self.dispose()
            self._observer.on_error(outcome.error)
            return
        if self._waiting:
            self._start(self._waiting.popleft())
        self._observer.on_next(outcome.value)  # pyright: ignore[reportArgumentType] — a value where there is no error
        self._gauge.show(behind=self._running is not None and not self._running_optional)
        if self._finished and self._running is None:
            self._observer.on_completed()
