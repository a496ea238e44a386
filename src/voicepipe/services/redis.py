"""Redis, for what several servers share. Needs the extra `redis`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

__all__ = ["redis_client", "told"]

T = TypeVar("T")


def redis_client(url: str, *, timeout_s: float) -> Redis:
    """Return a client, which connects when it is used. The next call opens a lost connection again.

    Args:
        url: `redis://[user:password@]host[:port][/db]`.
        timeout_s: How long connecting, and each answer, may take.
    """
    return Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        # One more attempt at once: a restart of Redis may have left a dead connection in the pool.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )


async def told(work: Awaitable[T], what: str, down: Callable[[str], Exception]) -> T:
    """Return what Redis answers.

    Args:
        work: A command.
        what: What Redis stores, for the error.
        down: Makes the error from a sentence.

    Raises:
        Exception: What `down` returns: Redis cannot be reached.
    """
    try:
        return await work
    except (RedisError, OSError) as error:
        raise down(f"the store of {what} (Redis) cannot be reached: {error}") from error
