"""The boundary graph → WebSocket write: what waits for the client, and what becomes of it when the client is slow.

Two lanes keep one order. Sound may wait for so many milliseconds, then its oldest goes; everything else waits as long
as it must. What bounds the whole is the deadline of a write: a client that takes nothing for that time is gone.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from voicepipe.events import Event, Overflowed, ReplyInterrupted, SpeechEncoded
from voicepipe.realtime import Encode, ServerMessage
from voicepipe.server.settings import ServerSettings

__all__ = ["BOUNDARY", "ClientTooSlow", "SendQueue"]

BOUNDARY = "the connection to you"
"""Named in `Overflowed`, which the client reads."""


def _ignored(_: str) -> None:
    pass


class ClientTooSlow(Exception):
    """A write did not go out within its deadline."""

    def __init__(self, deadline_s: float) -> None:
        super().__init__(f"the client has not taken a message within {deadline_s:g} s")


class SendQueue:
    """One client's events on their way out. `put` never waits; `write` sends, in one task.

    At most `audio_capacity_ms` of sound wait: of more, the oldest is dropped, counted in `lost_ms` and told to the
    client in one `Overflowed` when writing goes on. `ReplyInterrupted` drops all sound that waits: it is not wanted any
    more, so it does not count as lost. The first packet of sound is never dropped: it holds the headers of the stream,
    without which the client could play nothing that follows. When everything else that waits has more than
    `control_capacity_bytes`, all of it is dropped, and `overflowed` gets the reason for which the session ends.
    """

    def __init__(
        self,
        encode: Encode,
        *,
        audio_capacity_ms: float,
        control_capacity_bytes: int = 4_000_000,
        overflowed: Callable[[str], object] = _ignored,
    ) -> None:
        self._encode, self._overflowed = encode, overflowed
        self._lanes = _Lanes(audio_capacity_ms)
        self._control_capacity_bytes = control_capacity_bytes
        self._wake = asyncio.Event()
        self._closed = False
        self.lost_ms = 0.0
        self._untold_ms = 0.0

    @classmethod
    def of(cls, settings: ServerSettings, encode: Encode, overflowed: Callable[[str], object]) -> SendQueue:
        """Return the queue of one client."""
        audio_ms, control_bytes = settings.audio_capacity_ms, settings.control_capacity_bytes
        return cls(encode, audio_capacity_ms=audio_ms, control_capacity_bytes=control_bytes, overflowed=overflowed)

    @property
    def waiting_ms(self) -> float:
        """Sound that has not been written yet."""
        return self._lanes.audio_ms

    def put(self, event: Event) -> None:
        """Encode an event and let it wait for the writer. After `close`, nothing more is taken."""
        if self._closed:
            return
        if isinstance(event, ReplyInterrupted):
            self._lanes.flush()
        duration_ms = event.duration_ms if isinstance(event, SpeechEncoded) else 0.0
        for message in self._encode(event):
            text = json.dumps(message, separators=(",", ":"))
            lost_ms = self._lanes.push(text, duration_ms if _is_sound(message) else None)
            self.lost_ms += lost_ms
            self._untold_ms += lost_ms
        self._wake.set()
        if self._lanes.control_bytes > self._control_capacity_bytes:
            self._lanes.clear()
            self._overflowed(f"more than {self._control_capacity_bytes} bytes of answers wait for the client")

    def close(self) -> None:
        """Let `write` end when what waits has gone out."""
        self._closed = True
        self._wake.set()

    async def write(self, send: Callable[[str], Awaitable[object]], *, deadline_s: float) -> None:
        """Send what comes until the box is closed and empty. Wakes once for a burst.

        Raises `ClientTooSlow` when a message has not gone out in `deadline_s`, and what `send` raises.
        """
        clock = asyncio.get_running_loop().time
        while not self._closed or self._lanes:
            await self._wake.wait()
            self._wake.clear()
            try:
                async with asyncio.timeout(deadline_s) as deadline:
                    for message in self._burst():
                        await send(message)
                        deadline.reschedule(clock() + deadline_s)
            except TimeoutError:
                raise ClientTooSlow(deadline_s) from None

    def _burst(self) -> Iterator[str]:
        """Yield the waiting messages one by one: what is flushed while a message is being sent is not sent."""
        while self._lanes:
            if self._untold_ms:
                lost_ms, self._untold_ms = self._untold_ms, 0.0
                for message in self._encode(Overflowed(BOUNDARY, lost_ms)):
                    yield json.dumps(message, separators=(",", ":"))
            yield self._lanes.pop()


def _is_sound(message: ServerMessage) -> bool:
    """In all dialects; a dialect may announce sound by messages that are none, and these must arrive."""
    return message["type"].endswith("audio.delta")


@dataclass(frozen=True, slots=True)
class _Waiting:
    number: int
    message: str
    duration_ms: float = 0.0


class _Lanes:
    """Sound and everything else, each numbered in the order of arrival."""

    def __init__(self, audio_capacity_ms: float) -> None:
        self._capacity_ms = audio_capacity_ms
        self._audio: deque[_Waiting] = deque()
        self._control: deque[_Waiting] = deque()
        self._pushed = 0
        self._began = False
        self.audio_ms = 0.0
        self.control_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._audio or self._control)

    def push(self, message: str, duration_ms: float | None) -> float:
        """The milliseconds of sound that had to make room; `duration_ms` is None for what is no sound."""
        self._pushed += 1
        if duration_ms is None or not self._began:
            self._began = self._began or duration_ms is not None
            self._control.append(_Waiting(self._pushed, message))
            self.control_bytes += len(message)
            return 0.0
        self._audio.append(_Waiting(self._pushed, message, duration_ms))
        self.audio_ms += duration_ms
        before_ms = self.audio_ms
        while self.audio_ms > self._capacity_ms and len(self._audio) > 1:
            self._drop_oldest()
        return before_ms - self.audio_ms

    def flush(self) -> None:
        self._audio.clear()
        self.audio_ms = 0.0

    def clear(self) -> None:
        self.flush()
        self._control.clear()
        self.control_bytes = 0

    def pop(self) -> str:
        """The oldest of both."""
        if self._audio and (not self._control or self._audio[0].number < self._control[0].number):
            return self._drop_oldest().message
        message = self._control.popleft().message
        self.control_bytes -= len(message)
        return message

    def _drop_oldest(self) -> _Waiting:
        oldest = self._audio.popleft()
        self.audio_ms -= oldest.duration_ms
        return oldest
