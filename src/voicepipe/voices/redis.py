"""Cloned voices in Redis, where several servers share them. Needs the extra `redis`."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from voicepipe.voices.store import VoiceStore, VoiceStoreDown

__all__ = ["RedisVoices"]

T = TypeVar("T")

_PREFIX = "voicepipe:voice:"


class RedisVoices(VoiceStore):
    """Keep each voice for `kept_s` seconds, counted by Redis.

    `url` is `redis://[user:password@]host[:port][/db]`. Connecting and each answer may take `timeout_s`. The next call
    opens a lost connection again: no restart is needed after one of Redis.
    """

    def __init__(self, url: str, *, kept_s: int, timeout_s: float) -> None:
        self._kept_s = kept_s
        self._redis: Redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            # One more attempt at once: a restart of Redis may have left a dead connection in the pool.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )

    async def put(self, name: str, embedding: bytes) -> None:
        await _told(self._redis.set(_PREFIX + name, embedding, ex=self._kept_s))

    async def get(self, name: str) -> bytes | None:
        found = await _told(self._redis.get(_PREFIX + name))
        return found if isinstance(found, bytes) else None

    async def close(self) -> None:
        await self._redis.aclose()


async def _told(work: Awaitable[T]) -> T:
    try:
        return await work
    except (RedisError, OSError) as error:
        raise VoiceStoreDown(f"the store of voices (Redis) cannot be reached: {error}") from error
