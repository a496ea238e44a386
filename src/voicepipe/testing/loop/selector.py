"""The two parts of an asyncio loop that a virtual loop replaces: the selector, and the order of timers."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeAlias

__all__ = ["Poller", "Ready", "Timer"]

Ready: TypeAlias = list[tuple[selectors.SelectorKey, int]]
"""Descriptors and what can be done with them: the result of a selector."""


class Poller(selectors.DefaultSelector):
    """The real selector, with the loop's own rule for waiting."""

    def __init__(self, wait: Callable[[float | None], Ready]) -> None:
        super().__init__()
        self._wait = wait

    def select(self, timeout: float | None = None) -> Ready:
        return self._wait(timeout)

    def poll(self, timeout: float) -> Ready:
        """Return the kernel's result, in the order of the descriptors."""
        ready = super().select(timeout)
        return sorted(ready, key=lambda one: one[0].fd) if len(ready) > 1 else ready

    def is_read(self, number: int) -> bool:
        return self._is_watched(number, selectors.EVENT_READ)

    def is_written(self, number: int) -> bool:
        return self._is_watched(number, selectors.EVENT_WRITE)

    def _is_watched(self, number: int, event: int) -> bool:
        key = self.get_map().get(number)
        return key is not None and bool(key.events & event)


class Timer(asyncio.TimerHandle):
    """A timer that keeps the order of equal timers of one `rank`, which asyncio's heap does not."""

    __slots__ = ("_order",)

    def __init__(
        self,
        when: float,
        number: int,
        callback: Any,
        args: Any,
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
        rank: float = 0.0,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self._order = (when, rank, number)

    def __lt__(self, other: Any) -> bool:
        return self._order < other._order
