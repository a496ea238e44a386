"""`SingleFlightCache`: cache an answer for a moment, and make one call for many concurrent requests."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["SingleFlightCache"]

T = TypeVar("T")


class SingleFlightCache(Generic[T]):
    """Cache the answer of `fetch` for `fresh_s(answer)` seconds on `clock`.

    Callers that ask during a call share it. A caller that is cancelled does not stop the call: its answer serves the
    others. An exception of `fetch` is raised in every waiting caller and is not cached. `close` cancels the call.
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
            # The call runs in a context of its own: it serves all callers, and its log lines belong to no session.
            self._running = asyncio.create_task(self._run(), name="recent", context=contextvars.Context())
            self._running.add_done_callback(self._done)
        return await asyncio.shield(self._running)

    async def close(self) -> None:
        """Cancel the running call and wait for its end."""
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
