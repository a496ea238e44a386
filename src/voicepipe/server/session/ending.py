"""The end of a session: one reason, the first."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import WSCloseCode

__all__ = ["End", "SessionEnd"]


@dataclass(frozen=True, slots=True)
class End:
    """Why a session is over, as the client is told.

    Args:
        code: the close code
        reason: the reason in the close frame
        gone: the client has left, and cannot be told
        forced: the session was cut off for what the client did, or failed to do
    """

    code: int
    reason: str
    gone: bool = False
    forced: bool = False

    @classmethod
    def force(cls, reason: str) -> End:
        """Return the end of a session that the server cuts off."""
        return cls(WSCloseCode.POLICY_VIOLATION, reason, forced=True)


class SessionEnd:
    """The reason for which a session ends. Must be made on the running loop."""

    def __init__(self) -> None:
        self._reason: asyncio.Future[End] = asyncio.get_running_loop().create_future()

    def finish(self, end: End) -> None:
        """End the session now, unless it has ended already."""
        if not self._reason.done():
            self._reason.set_result(end)

    @property
    def is_over(self) -> bool:
        """Return whether the session has ended."""
        return self._reason.done()

    @property
    def reason(self) -> End:
        """Return the reason of a session that is over."""
        return self._reason.result()

    async def wait(self) -> End:
        """Return the reason when there is one. Cancelling the caller does not end the session."""
        return await asyncio.shield(self._reason)
