"""Schedulers that a test in virtual time cannot use: their time is real, and passes in another thread."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Never

from reactivex.scheduler import EventLoopScheduler, NewThreadScheduler, ThreadPoolScheduler, TimeoutScheduler

from voicepipe.loader import is_library

__all__ = ["AnotherClock", "refuse_other_clocks"]

_KINDS = (TimeoutScheduler, NewThreadScheduler, ThreadPoolScheduler, EventLoopScheduler)
_METHODS = ("schedule", "schedule_relative", "schedule_absolute", "schedule_periodic")


class AnotherClock(AssertionError):
    """A scheduler with real time was used in virtual time. The message names it, and the line that led to it."""


@contextmanager
def refuse_other_clocks() -> Generator[None]:
    """Let the schedulers of reactivex that start threads raise AnotherClock; so does the exit, if one was used.

    The exit raises since reactivex makes an `on_error` of what a subscription raises, and a test may expect an error.
    """
    used: list[AnotherClock] = []
    replaced = [(kind, name, vars(kind)[name]) for kind in _KINDS for name in _METHODS if name in vars(kind)]
    for kind, name, _ in replaced:
        setattr(kind, name, _refusal(used))
    try:
        yield
    finally:
        for kind, name, method in replaced:
            setattr(kind, name, method)
    if used:
        raise used[0]


def _refusal(used: list[AnotherClock]) -> Callable[..., Never]:
    def refuse(scheduler: object, *_: Any, **__: Any) -> Never:
        used.append(AnotherClock(_sentence(type(scheduler).__name__)))
        raise used[-1]

    return refuse


def _sentence(scheduler: str) -> str:
    frames = [frame for frame in traceback.extract_stack() if not is_library(Path(frame.filename))]
    place = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
    return (
        f"{place}{scheduler} has a clock of its own, which virtual time does not move; "
        "leave `scheduler` out, and the operator takes the one of the subscription"
    )
