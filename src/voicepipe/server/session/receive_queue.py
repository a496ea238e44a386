"""What a client has sent ahead of time waits here, in order, so that the socket can be read meanwhile."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Generic, TypeAlias, TypeVar

from voicepipe.server.session.pacing import IngressPacer

__all__ = ["ReceiveQueue"]

T = TypeVar("T")

Hear: TypeAlias = Callable[[T], Iterator[None]]
"""Hears one message; comes back before each piece of sound in it, which may then have to wait."""


class ReceiveQueue(Generic[T]):
    """Gives messages to `hear`, in order: in the very call of `put`, if there is room for their sound, or later.

    At most `capacity` bytes wait, and one message more: then `put` waits, the socket is not read, and the rest waits
    with the client. Until then pings are answered while sound waits, and a client that leaves is noticed. `held` is
    called when sound begins to wait; `spawn` starts a task that reports its failure.
    """

    def __init__(
        self,
        hear: Hear[T],
        pacer: IngressPacer,
        *,
        capacity: int,
        held: Callable[[], object],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._hear, self._pacer, self._capacity = hear, pacer, capacity
        self._held, self._spawn = held, spawn
        self._waiting: deque[tuple[Iterator[None], int]] = deque()
        self._bytes = 0
        self._is_held = False
        """Whether the first that waits wants room for its sound."""
        self._feeding: asyncio.Task[None] | None = None
        self._drained = asyncio.Event()

    async def put(self, message: T, size: int) -> None:
        """Returns when the next message may be read."""
        self._waiting.append((self._hear(message), size))
        self._bytes += size
        if self._feeding is None and self._feed():
            self._feeding = self._spawn(self._feed_slowly())
        while self._bytes > self._capacity:
            self._drained.clear()
            await self._drained.wait()

    async def close(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        if self._feeding is not None:
            self._feeding.cancel()
            await asyncio.wait([self._feeding])

    def _feed(self) -> bool:
        """As far as there is room, and some messages at most; whether something is left."""
        for _ in range(_AT_ONCE):
            if not self._waiting:
                return False
            message, size = self._waiting[0]
            if next(message, _HEARD) is _HEARD:
                self._waiting.popleft()
                self._bytes -= size
                self._drained.set()
            elif not self._pacer.has_room:
                self._is_held = True
                return True
        return bool(self._waiting)

    async def _feed_slowly(self) -> None:
        """What `_feed` has left."""
        left = True
        while left:
            if self._is_held:
                self._held()
                await self._pacer.room()
                self._is_held = False
            else:
                await asyncio.sleep(0)
            left = self._feed()
        self._feeding = None


_HEARD = object()
_AT_ONCE = 64
"""Messages and pieces of sound, before other sessions have their turn on the event loop: some milliseconds."""
