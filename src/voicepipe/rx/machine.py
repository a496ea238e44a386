"""`Machine` and `TimedMachine`: the state machines that `transduce` runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar, runtime_checkable

__all__ = ["Clock", "Machine", "TimedMachine"]

A_contra = TypeVar("A_contra", contravariant=True)
B_co = TypeVar("B_co", covariant=True)

Clock = Callable[[], float]
"""Seconds on the session's one clock."""


class Machine(Protocol[A_contra, B_co]):
    """A state machine: one item in, any number of items out. Its state lives as long as the subscription."""

    def __call__(self, item: A_contra, /) -> Iterable[B_co]: ...


@runtime_checkable
class TimedMachine(Machine[A_contra, B_co], Protocol[A_contra, B_co]):
    """A state machine that may ask to be called again at a time, also when no item comes.

    `due_s` is read after each call: the time on the session's clock at which `elapsed` is called, in seconds; None:
    never. `elapsed` sets another one, or None.
    """

    due_s: float | None

    def elapsed(self) -> Iterable[B_co]:
        """Return the items of the time that was asked for; each comes before an item of that time or later."""
        ...
