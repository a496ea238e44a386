"""The rate limit of a client's messages. Beyond it the socket is not read, and messages wait with the client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

from aiohttp import WSMessage, WSMsgType

from voicepipe.boundary.bucket import Bucket
from voicepipe.events import InputRejected
from voicepipe.server.settings import ServerSettings

__all__ = ["MessageRate", "TooManyMessages"]

Clock = Callable[[], float]

_COUNTED = (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG)
# Messages of a burst that are heard before other sessions have their turn on the event loop: some 3 ms. Long ones count
# more here, too.
_AT_ONCE = 64


class TooManyMessages(Exception):
    """A client has sent too fast for too long. The message is for the client."""


class MessageRate:
    """The limits of the settings for one client: so many messages a second, more in a burst; long ones count more.

    A client that sends faster is read at that speed, so that nothing is lost, and is told so once, until it has been
    so quiet that it may send a whole burst again.
    """

    def __init__(self, settings: ServerSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._bucket = Bucket(clock, per_s=settings.max_messages_per_s, burst=settings.message_burst)
        self._told_at: float | None = None
        self._heard_at_once = 0

    async def admit(self, message: WSMessage) -> list[InputRejected]:
        """Wait until the message may be processed: not at all, unless the client sends too fast.

        Returns:
            What the client is told: one `InputRejected` when it begins to send too fast.

        Raises:
            TooManyMessages: It still sends too fast `message_overrun_s` after it was told.
        """
        if message.type not in _COUNTED:
            return []
        if self._bucket.is_full:
            self._told_at = None
        count = 1 + len(message.data) // self._settings.message_unit_bytes
        wait_s = self._bucket.take(count)
        self._heard_at_once += count
        told = self._overran(message) if wait_s else []
        if wait_s or self._heard_at_once >= _AT_ONCE:
            self._heard_at_once = 0
            await asyncio.sleep(wait_s)
        return told

    def _overran(self, message: WSMessage) -> list[InputRejected]:
        most, patience_s = self._settings.max_messages_per_s, self._settings.message_overrun_s
        if self._told_at is None:
            self._told_at = self._clock()
            what = f"More than {most:g} messages a second: yours are heard no faster. Send fewer, with more in each; "
            what += f"if this goes on for {patience_s:g} s, the session ends."
            return [InputRejected("rate_limit_exceeded", what, message_id=_event_id(message.data))]
        if self._clock() - self._told_at > patience_s:
            raise TooManyMessages(f"more than {most:g} messages a second for longer than {patience_s:g} s")
        return []


def _event_id(sent: object) -> str | None:
    try:
        value: Any = json.loads(sent) if isinstance(sent, str) else None
    except (ValueError, RecursionError):
        return None
    event_id = cast(dict[str, Any], value).get("event_id") if isinstance(value, dict) else None
    return event_id if isinstance(event_id, str) else None
