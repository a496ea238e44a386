"""What a stage is, and how its errors get its name.

A stage is a function from an observable to an observable: a speech recogniser, a fake of one, a remote service and a
stage on another machine all have that one shape, so that any of them can stand in for another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

__all__ = ["Stage", "StageError", "named", "naming"]

A = TypeVar("A")
B = TypeVar("B")

Stage: TypeAlias = Callable[[Observable[A]], Observable[B]]
"""`Stage[A, B]` turns an observable of A into one of B."""


class StageError(Exception):
    """An error with the name of the stage that it came from; `cause` is the error itself."""

    def __init__(self, stage: str, cause: Exception) -> None:
        super().__init__(f"{stage}: {cause}")
        self.stage, self.cause = stage, cause


def naming(name: str) -> Stage[A, A]:
    """Everything passes; an error becomes `StageError(name, error)`, unless it has the name of an earlier stage.

    .. marbles::

        source   a-b-#
        naming   a-b-#      the error is StageError(name, …)
    """
    return rx_ops.catch(lambda error, _: reactivex.throw(_named(name, error)))


def named(name: str, stage: Stage[A, B]) -> Stage[A, B]:
    """The same stage, whose errors say where they come from."""
    return lambda source: source.pipe(stage, naming(name))


def _named(name: str, error: Exception) -> Exception:
    return error if isinstance(error, StageError) else StageError(name, error)
