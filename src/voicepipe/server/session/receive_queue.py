"""The queue of frames that a client has sent ahead of time, so that its socket can be read meanwhile."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from voicepipe.events import AudioDeferred, AudioReceived
from voicepipe.realtime import Received
from voicepipe.server.session.cpu_budget import WorkMeter
from voicepipe.server.session.pacing import IngressPacer

__all__ = ["ReceiveQueue"]

_AT_ONCE = 64  # messages and pieces of sound until other sessions have their turn on the event loop: some milliseconds


class ReceiveQueue:
    """Deliver the messages of frames, in order: in the very call of `put`, if there is room for their sound, or later.

    A frame is decoded when all before it has been delivered. At most `capacity` bytes wait, and one frame more: then
    `put` waits, the socket is not read, and the rest waits with the client. Until then pings are answered while sound
    waits, and a client that leaves is noticed. `AudioDeferred` is delivered when sound begins to wait. While the
    session has spent more CPU time than it may, everything waits, and the socket is not read.

    Args:
        decode: Returns the messages of a frame, sound in pieces.
        pacer: Tells when there is room for the next piece of sound.
        work: Measures decoding and delivering, and tells how long the session has to wait for it.
        deliver: Takes each message.
        capacity: How many bytes may wait.
        spawn: Starts a task that reports its failure.
    """

    def __init__(
        self,
        decode: Callable[[str | bytes], Iterable[Received]],
        pacer: IngressPacer,
        deliver: Callable[[Received], None],
        work: WorkMeter,
        *,
        capacity: int,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._decode, self._pacer, self._deliver = decode, pacer, deliver
        self._work, self._capacity, self._spawn = work, capacity, spawn
        self._frames: deque[str | bytes] = deque()
        self._messages: deque[Received] = deque()  # of the first frame
        self._size = self._bytes = 0
        self._is_held = False
        self._feeding: asyncio.Task[None] | None = None
        self._drained = asyncio.Event()

    async def put(self, frame: str | bytes) -> None:
        """Take a frame; return when the next one may be read."""
        self._frames.append(frame)
        self._bytes += len(frame)
        if self._feeding is None and self._feed():
            self._feeding = self._spawn(self._feed_slowly())
        if self._work.must_pause:
            await self._work.pause()
        while self._bytes > self._capacity:
            self._drained.clear()
            await self._drained.wait()

    async def close(self) -> None:
        """Forget what waits."""
        self._frames.clear()
        self._messages.clear()
        if self._feeding is not None:
            self._feeding.cancel()
            await asyncio.wait([self._feeding])

    def _feed(self) -> bool:
        """Deliver as much as there is room for, and some messages at most; return whether anything is left."""
        for _ in range(_AT_ONCE):
            if not (self._messages or self._frames):
                return False
            if self._work.must_pause:
                break
            with self._work:
                if not self._messages:
                    self._open_next()
                if self._messages and not self._deliver_next():
                    return True
        return bool(self._messages or self._frames)

    def _open_next(self) -> None:
        """Decode the next frame."""
        frame = self._frames.popleft()
        self._size = len(frame)
        self._messages.extend(self._decode(frame))
        if any(isinstance(message, AudioReceived) for message in self._messages):
            self._pacer.count_message()
        self._release()

    def _release(self) -> None:
        """Make room for more frames when all of the first one has been delivered."""
        if not self._messages:
            self._bytes -= self._size
            self._size = 0
            self._drained.set()

    def _deliver_next(self) -> bool:
        """Deliver the next message; return whether there was room for it."""
        if isinstance(self._messages[0], AudioReceived) and not self._pacer.has_room:
            self._is_held = True
            return False
        self._deliver(self._messages.popleft())
        self._release()
        return True

    async def _feed_slowly(self) -> None:
        """Deliver what `_feed` has left."""
        left = True
        while left:
            if self._is_held:
                self._deliver(AudioDeferred())
                await self._pacer.room()
                self._is_held = False
            else:
                await self._work.pause()
            left = self._feed()
        self._feeding = None
