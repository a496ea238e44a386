"""Requests that are hedged: one that is not answered soon is not waited for alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol, TypeVar

__all__ = ["Request", "answers"]

R = TypeVar("R", bound="Request")


class Request(Protocol):
    """A request that has been sent, and streams its answer."""

    async def __anext__(self) -> Any: ...

    def cancel(self) -> object:
        """End it, answered or not."""
        ...


async def answers(send: Callable[[], R], *, most: int, hedge_s: float) -> AsyncGenerator[tuple[R, asyncio.Future[Any]]]:
    """Yield requests that have been answered, each with its first item or its error, until the caller has enough.

    One request is sent at first; the next one when an answer was not enough, or `hedge_s` after the last one was sent.
    That time doubles with each, so that a machine with too much to do gets few requests more. Those without an answer
    are cancelled when the generator is closed: close it.

    Args:
        send: Sends a request.
        most: The number of requests that are sent.
        hedge_s: The time that the first request is waited for alone, in seconds.
    """
    waiting: dict[asyncio.Future[Any], R] = {}
    sent = 0
    try:
        while True:
            if sent < most:
                request = send()
                waiting[asyncio.ensure_future(anext(request))] = request
                sent += 1
            elif not waiting:
                return
            done, _ = await asyncio.wait(
                waiting, timeout=hedge_s if sent < most else None, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                hedge_s *= 2
            for answer in done:
                yield waiting.pop(answer), answer
    finally:
        for answer, request in waiting.items():
            request.cancel()
            answer.cancel()
        if waiting:
            await asyncio.wait(waiting)
            for answer in waiting:
                _ = answer.cancelled() or answer.exception()  # of a replica that died; another one has answered
