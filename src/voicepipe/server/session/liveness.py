"""A watch on a client's signs of life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Liveness"]


class Liveness:
    """Call `dead` when a client has sent nothing for `after_s`.

    `note` costs no timer: one runs, and looks when it is due. `heard` is called with each sign of life, too: sound that
    is held back is read late, and the socket would take its client for dead.
    """

    def __init__(self, after_s: float, *, dead: Callable[[], None], heard: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._after_s, self._dead, self._heard = after_s, dead, heard
        self._noted_at = self._loop.time()
        self._timer = self._loop.call_later(after_s, self._look)

    def note(self) -> None:
        """Note a sign of life."""
        self._noted_at = self._loop.time()
        self._heard()

    def stop(self) -> None:
        """Stop looking."""
        self._timer.cancel()

    def _look(self) -> None:
        due = self._noted_at + self._after_s
        if due <= self._loop.time():
            self._dead()
        else:
            self._timer = self._loop.call_at(due, self._look)
