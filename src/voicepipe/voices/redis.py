"""Cloned voices in Redis, where several servers share them. Needs the extra `redis`."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from voicepipe.services.redis import redis_client, told
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
        self._redis = redis_client(url, timeout_s=timeout_s)

    async def put(self, name: str, embedding: bytes) -> None:
        await _told(self._redis.set(_PREFIX + name, embedding, ex=self._kept_s))

    async def get(self, name: str) -> bytes | None:
        found = await _told(self._redis.get(_PREFIX + name))
        return found if isinstance(found, bytes) else None

    async def close(self) -> None:
        await self._redis.aclose()


def _told(work: Awaitable[T]) -> Awaitable[T]:
    return told(work, "voices", VoiceStoreDown)
