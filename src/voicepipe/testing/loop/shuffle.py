"""The order of what happens at one instant, drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

__all__ = ["Shuffle"]


class Shuffle:
    """Give each timer a rank among those of the same instant. The same number gives the same ranks again.

    Timers of one owner keep the order in which they were set: their owner relies on it. Between owners (a service, the
    microphone, a timeout) asyncio promises no order, and on a real clock it depends on chance.
    """

    def __init__(self, number: int) -> None:
        self._random = Random(number)
        self._ranks: dict[tuple[float, int], tuple[float, Any]] = {}

    def rank(self, when_s: float, callback: Callable[..., object], args: tuple[Any, ...]) -> float:
        """Return the rank; lower ones run first."""
        owner = _owner(callback, args)
        rank, _ = self._ranks.setdefault((when_s, id(owner)), (self._random.random(), owner))  # holds the owner's id
        return rank


def _owner(callback: Callable[..., object], args: tuple[Any, ...]) -> object:
    """Return a method's object; for a plain function (that of `asyncio.sleep`) its argument."""
    return getattr(callback, "__self__", args[0] if args else callback)
