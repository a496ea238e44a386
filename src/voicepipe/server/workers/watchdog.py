"""The watch over a worker that lives and does not answer: its event loop is blocked, or it was stopped."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import structlog

__all__ = ["ALIVE", "Watched", "watch"]

ALIVE = "alive"
"""The question to a worker whether its event loop goes on."""

# Four questions in the time after which a worker is killed: two must have no answer.
_QUESTIONS = 4

log = structlog.get_logger()


class Watched(Protocol):
    """A worker, as far as it is watched."""

    is_late: bool

    @property
    def pid(self) -> int | None: ...

    @property
    def lane(self) -> int: ...

    async def tell(self, what: str, within_s: float) -> Any: ...

    def kill(self) -> None: ...


async def watch(worker: Watched, hung_s: float) -> None:
    """Ask a worker again and again whether it goes on; kill it when it has not answered for `hung_s` seconds.

    Two questions in a row must have no answer: after a pause of the whole machine the first one is overdue at once.
    After the first one `worker.is_late` is set, until there is an answer. Cancelling ends the watch.

    Args:
        worker: A worker that was ready.
        hung_s: The time without an answer, in seconds.
    """
    while True:
        if await worker.tell(ALIVE, hung_s / 2) is None:
            if worker.is_late:
                break
            worker.is_late = True
            log.warning("worker.late", worker=worker.lane, pid=worker.pid, consequence="new clients go to others")
        else:
            worker.is_late = False
            await asyncio.sleep(hung_s / _QUESTIONS)
    log.error("worker.hung", worker=worker.lane, pid=worker.pid, seconds=hung_s, consequence="it is replaced")
    worker.kill()
