"""Consents of voice donations in Redis, where several servers share them. Needs the extra `redis`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TypeVar, cast

import ormsgpack

from voicepipe.server.http.consents import Consent, Consents, ConsentsDown
from voicepipe.services.redis import redis_client, told

__all__ = ["RedisConsents"]

T = TypeVar("T")

_PREFIX = "voicepipe:consent:"
_OPEN = "voicepipe:consents"
"""A sorted set: the ids of the open consents, by the time at which they expire."""


class RedisConsents(Consents):
    """Keep consents in Redis: one that a server has given out is good at each of them, and once.

    Args:
        url: `redis://[user:password@]host[:port][/db]`.
        valid_s: The time, in seconds, for which a consent is good; Redis counts it.
        most: How many are open at once; of more, the oldest is void.
        timeout_s: How long connecting, and each answer, may take.
        now: Seconds since the epoch.
    """

    def __init__(self, url: str, *, valid_s: float, most: int, timeout_s: float, now: Callable[[], float]) -> None:
        super().__init__(valid_s=valid_s, most=most, now=now)
        self._redis = redis_client(url, timeout_s=timeout_s)

    async def take(self, consent_id: str) -> Consent:
        # One command: of two servers that get the same donation, one has the consent.
        kept = await _told(self._redis.getdel(_PREFIX + consent_id))
        await _told(self._redis.zrem(_OPEN, consent_id))
        if not isinstance(kept, bytes):
            raise self._unknown()
        return self._good(Consent(**ormsgpack.unpackb(kept)))

    async def give_back(self, consent: Consent) -> None:
        left_ms = max(1, round((consent.expires_s - self._now()) * 1000))
        async with self._redis.pipeline(transaction=True) as together:
            together.set(_PREFIX + consent.id, ormsgpack.packb(asdict(consent)), px=left_ms)
            together.zadd(_OPEN, {consent.id: consent.expires_s})
            together.zremrangebyscore(_OPEN, "-inf", self._now())
            together.zcard(_OPEN)
            *_, open_now = await _told(together.execute())
        if open_now > self._most:
            await self._void(open_now - self._most)

    async def _void(self, number: int) -> None:
        oldest = await _told(cast("Awaitable[list[tuple[bytes, float]]]", self._redis.zpopmin(_OPEN, number)))
        if oldest:
            await _told(self._redis.delete(*(_PREFIX + name.decode() for name, _ in oldest)))

    async def close(self) -> None:
        await self._redis.aclose()


def _told(work: Awaitable[T]) -> Awaitable[T]:
    return told(work, "consents", ConsentsDown)
