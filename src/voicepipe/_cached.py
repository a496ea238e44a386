"""`SingleFlightCache`: an answer that is a moment old is good enough, and many who ask at once ask once."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["SingleFlightCache"]

T = TypeVar("T")


class SingleFlightCache(Generic[T]):
    """Calls `fetch` when its last answer is older than `fresh_s(answer)` seconds on `clock`.

    Whoever asks meanwhile waits for that one call. Who gives up waiting does not stop it: others may wait, and the next
    one finds its answer. An exception of `fetch` goes to all who wait, and is not kept. `close` ends it.
    """

    def __init__(
        self, fetch: Callable[[], Awaitable[T]], *, fresh_s: Callable[[T], float], clock: Callable[[], float]
    ) -> None:
        self._fetch, self._fresh_s, self._clock = fetch, fresh_s, clock
        self._running: asyncio.Task[T] | None = None
        self._kept: tuple[T, float] | None = None

    @property
    def last(self) -> T | None:
        """The last answer, however old; None before the first."""
        return None if self._kept is None else self._kept[0]

    async def __call__(self) -> T:
        if self._kept is not None and self._clock() < self._kept[1]:
            return self._kept[0]
        if self._running is None:
            # In a context of its own: it serves all who wait, and its log lines belong to no session.
            self._running = asyncio.create_task(self._run(), name="recent", context=contextvars.Context())
            self._running.add_done_callback(self._done)
        return await asyncio.shield(self._running)

    async def close(self) -> None:
        """Cancel what is under way, and wait for its end."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _run(self) -> T:
        return await self._fetch()

    def _done(self, task: asyncio.Task[T]) -> None:
        self._running = None
        if not task.cancelled() and task.exception() is None:
            answer = task.result()
            self._kept = (answer, self._clock() + self._fresh_s(answer))
