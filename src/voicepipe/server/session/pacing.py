"""The boundary WebSocket read → graph: no queue, but a pace.

What a client sends is decoded and enters the graph in the reader's own call, so nothing can pile up in it. But a client
may send faster than people speak: what an outage has held up, or a recording, all at once. Such sound comes in as fast
as the recogniser can take it and no faster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from voicepipe.audio import ClientCodec, Codec
from voicepipe.audio.formats import Count
from voicepipe.boundary.pending import PendingWork
from voicepipe.server.settings import ServerSettings

__all__ = ["PIECE_MS", "AudioMeter", "IngressPacer"]

PIECE_MS = 80.0
"""Sound enters in pieces of this length at most: what hears it keeps up with each, and the event loop with all others.
It is also what Kyutai's recogniser takes at a time."""

Clock = Callable[[], float]


class AudioMeter:
    """A leaky bucket: fills by the milliseconds that are added, and leaks `speed` of them per millisecond.

    >>> now = [0.0]
    >>> meter = AudioMeter(lambda: now[0])
    >>> meter.add(100); meter.add(100); now[0] = 0.15
    >>> round(meter.level_ms)
    50
    """

    __slots__ = ("_clock", "_speed", "empty_at_s")

    def __init__(self, clock: Clock, *, speed: float = 1.0) -> None:
        self._clock, self._speed = clock, speed
        self.empty_at_s = clock()

    def add(self, ms: float) -> None:
        self.empty_at_s = max(self.empty_at_s, self._clock()) + ms / 1000 / self._speed

    @property
    def level_ms(self) -> float:
        return max(0.0, (self.empty_at_s - self._clock()) * 1000 * self._speed)


class IngressPacer:
    """The pace at which a client's sound may come in.

    Up to `lead_ms` ahead of real time it comes in at once. What is further ahead waits until the recogniser's `backlog`
    is clear, and comes in at `speed` times real time at most. No client is held below real time.

    Sound counts by its length, as the codec of `metered` decodes it, and each message at least `message_ms`, whatever
    is in it. `clock` gives seconds.
    """

    def __init__(self, clock: Clock, *, lead_ms: float, speed: float, message_ms: float) -> None:
        self._clock, self._lead_ms, self._speed, self._message_ms = clock, lead_ms, speed, message_ms
        self._flows = [_Flow(clock, speed)]
        # Of the recogniser; it is known when the session's stages are.
        self.backlog = PendingWork()

    @classmethod
    def of(cls, settings: ServerSettings, clock: Clock) -> IngressPacer:
        """Return the pacer of one client."""
        lead_ms, speed, message_ms = settings.ingress_lead_ms, settings.ingress_speed, settings.ingress_message_ms
        return cls(clock, lead_ms=lead_ms, speed=speed, message_ms=message_ms)

    def metered(self, codec: Codec) -> Codec:
        """Return the codec, with decoders that count the sound which they give."""
        return ClientCodec(codec, self._new_meter)

    def _new_meter(self) -> Count:
        """Return one for each stream: a pipeline that decodes the same packets twice has not received twice as much."""
        flow = _Flow(self._clock, self._speed)
        self._flows.append(flow)
        return flow.add

    def count_message(self) -> None:
        self._flows[0].add(self._message_ms)

    @property
    def ahead_ms(self) -> float:
        """Of real time."""
        return max(flow.ahead.level_ms for flow in self._flows)

    @property
    def has_room(self) -> bool:
        """Return whether the next piece may come in now."""
        return self._too_far_s <= _NOTHING_S or (self._too_fast_s <= _NOTHING_S and self.backlog.is_clear)

    async def room(self) -> None:
        """Returns when it may."""
        while not self.has_room:
            if self._too_fast_s > _NOTHING_S:
                await asyncio.sleep(min(self._too_far_s, self._too_fast_s))
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._too_far_s):
                        await self.backlog.cleared()

    @property
    def _too_far_s(self) -> float:
        """The time until the sound is so little ahead of real time that it need not wait."""
        return max([flow.ahead.empty_at_s for flow in self._flows]) - self._clock() - self._lead_ms / 1000

    @property
    def _too_fast_s(self) -> float:
        """Until it has come no faster than it may."""
        empty_at_s = max([flow.pace.empty_at_s for flow in self._flows])
        return empty_at_s - self._clock() - self._lead_ms / 1000 / self._speed


# A clock may be a rounding short of the moment that was waited for.
_NOTHING_S = 1e-6


class _Flow:
    """The sound of one stream: how far it is ahead of real time, and ahead of the permitted speed."""

    __slots__ = ("ahead", "pace")

    def __init__(self, clock: Clock, speed: float) -> None:
        self.ahead, self.pace = AudioMeter(clock), AudioMeter(clock, speed=speed)

    def add(self, ms: float) -> None:
        self.ahead.add(ms)
        self.pace.add(ms)
