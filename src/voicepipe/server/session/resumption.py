"""Resumption: a session outlives the loss of its connection, and its client takes it up again on another one."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import WSMessage, WSMsgType

from voicepipe.realtime import new_id
from voicepipe.server.session.socket import Fault
from voicepipe.server.session.transport import Transport

__all__ = ["EventLog", "KeptSessions", "ResumableTransport"]

log = structlog.get_logger()

_TOKEN_BYTES = 32
# All dialects write the type first, then the id.
_ID = re.compile(r'"event_id":"([^"]+)"')
_SOUND = re.compile(r'\{"type":"[a-z_.]*audio\.delta"')


class EventLog:
    """The last messages to a client, for one that has not received all of them. Pure.

    It holds `capacity_bytes` of text; of more, the oldest go. Of sound only the id is kept: it has been played
    meanwhile, and is not repeated.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes, self._bytes = capacity_bytes, 0
        self._entries: deque[tuple[str, str]] = deque()

    def add(self, message: str) -> None:
        """Note a message. One without an id cannot be named by the client, and is kept for those before it."""
        found = _ID.search(message)
        entry = (found[1] if found else "", "" if _SOUND.match(message) else message)
        self._entries.append(entry)
        self._bytes += _size(entry)
        while self._bytes > self._capacity_bytes:
            self._bytes -= _size(self._entries.popleft())

    def after(self, event_id: str) -> list[str] | None:
        """Return the messages behind the event of this id, without sound; None where it is not held any more.

        >>> log = EventLog(1_000)
        >>> for name in "abc":
        ...     log.add(f'{{"type":"t","event_id":"{name}"}}')
        >>> log.after("b")
        ['{"type":"t","event_id":"c"}']
        """
        behind: list[str] = []
        for known, text in reversed(self._entries):
            if known == event_id:
                return behind[::-1]
            if text:
                behind.append(text)
        return None


def _size(entry: tuple[str, str]) -> int:
    return len(entry[0]) + len(entry[1])


class ResumableTransport:
    """A session's connection over several WebSockets, or several calls, one after the other: a `Transport`.

    When one breaks without a close frame, `receive` waits up to `kept_s` for the next one. Messages to the client are
    noted meanwhile, and those that it has not received are sent to the next one first.

    Args:
        transport: The first one, connected.
        session_id: The session's id.
        kept_s: How long the session waits for its client.
        capacity_bytes: Of the messages that are held for a client that comes back.
        lost: Called when one has broken; it may call `give_up`.
    """

    def __init__(
        self,
        transport: Transport,
        session_id: str,
        *,
        kept_s: float,
        capacity_bytes: int,
        lost: Callable[[ResumableTransport], object],
    ) -> None:
        self._transport, self._session_id, self._kept_s, self._lost = transport, session_id, kept_s, lost
        self._log = EventLog(capacity_bytes)
        self._attached, self._sending = asyncio.Event(), asyncio.Lock()
        self._attached.set()
        self._released = asyncio.Event()
        self._is_over = False

    @property
    def close_code(self) -> int | None:
        """The close code of the last connection."""
        return self._transport.close_code

    @property
    def outlives_loss(self) -> bool:
        """Return whether the session still waits for its client."""
        return not self._is_over

    @property
    def is_kept(self) -> bool:
        """Return whether the client is disconnected, and may reconnect."""
        return not self._is_over and not self._attached.is_set()

    async def receive(self) -> WSMessage:
        """Return the next frame, of whichever connection; the end of the last when the client does not reconnect."""
        while True:
            transport = self._transport
            frame = await transport.receive()
            if transport is not self._transport:
                continue  # the client reconnected before the loss of its old connection was noticed
            if self._is_over or not self._has_broken(frame) or not await self._comes_back():
                return frame

    async def send_str(self, data: str) -> None:
        """Note a message, and send it if the client is there."""
        async with self._sending:
            self._log.add(data)
            if self._attached.is_set():
                with suppress(ConnectionError):
                    await self._transport.send_str(data)

    async def attach(self, transport: Transport, last_event_id: str) -> bool:
        """Go on with another connection, until it is replaced or the session is over.

        Args:
            transport: It is connected; the one before is cut.
            last_event_id: The last event that the client has received.

        Returns:
            Whether the session was taken up: not when it is over, or has sent more since then than it holds. It ends
            then, as its client begins another one.
        """
        self._transport.abort()
        async with self._sending:
            missed = self._log.after(last_event_id)
            if self._is_over or missed is None:
                self.give_up()
                return False
            self._transport.abort()  # another client may have come first while this one waited
            self._transport, self._released = transport, self._replaced()
            released = self._released
            self._attached.set()
            log.info("session.resumed", missed=len(missed))
            with suppress(ConnectionError):
                for message in (self._greeting(), *missed):
                    await transport.send_str(message)
        await released.wait()
        return True

    def _replaced(self) -> asyncio.Event:
        self._released.set()
        return asyncio.Event()

    def _greeting(self) -> str:
        greeting = {"type": "session.resumed", "event_id": new_id("event"), "session": {"id": self._session_id}}
        return json.dumps(greeting, separators=(",", ":"))

    def _has_broken(self, frame: WSMessage) -> bool:
        """Return whether the connection ended without a close frame, and without a fault of the client's."""
        if frame.type is WSMsgType.ERROR:
            return self._transport.fault(frame.data) is None
        return frame.type in (WSMsgType.CLOSED, WSMsgType.CLOSING)

    async def _comes_back(self) -> bool:
        self._attached.clear()
        log.info("session.lost", kept_s=self._kept_s)
        self._lost(self)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._kept_s):
                await self._attached.wait()
        self._is_over = self._is_over or not self._attached.is_set()
        return not self._is_over

    def give_up(self) -> None:
        """Wait for the client no longer."""
        self._is_over = True
        self._attached.set()

    def play(self, event: object) -> None:
        """Let the present connection play the reply's sound: what comes while there is none is not heard."""
        self._transport.play(event)

    async def pong(self, message: bytes) -> None:
        """Answer a ping."""
        await self._transport.pong(message)

    def fault(self, error: object) -> Fault | None:
        """Return why what the client sends cannot be read any further."""
        return self._transport.fault(error)

    def heard(self) -> None:
        """Note that the client lives."""
        self._transport.heard()

    def abort(self) -> None:
        """Cut the present connection."""
        self._transport.abort()

    async def close_with_reason(self, code: int, reason: str) -> None:
        """End the session's connection, and tell the client why if it is there."""
        is_there = self._attached.is_set()
        self.give_up()
        if is_there:
            await self._transport.close_with_reason(code, reason)
        self._released.set()


@dataclass(frozen=True, slots=True)
class _Kept:
    line: ResumableTransport
    token: bytes
    key: bytes
    rtp: bool


class KeptSessions:
    """The sessions that their clients can resume. Of those without a connection, `most` are kept: of more, the one that
    was lost first ends.

    Args:
        kept_s: How long a session waits for its client; 0: none is kept.
        most: How many clients may be away.
        capacity_bytes: Of the messages that are held for each.
    """

    def __init__(self, *, kept_s: float, most: int, capacity_bytes: int) -> None:
        self._kept_s, self._most, self._capacity_bytes = kept_s, most, capacity_bytes
        self._by_id: dict[str, _Kept] = {}
        self._away: dict[ResumableTransport, None] = {}  # in the order of their loss

    @property
    def is_on(self) -> bool:
        """Return whether the sessions of disconnected clients are kept."""
        return self._kept_s > 0

    def begin(
        self, transport: Transport, session_id: str, key: bytes, *, rtp: bool = False
    ) -> tuple[ResumableTransport, dict[str, Any]]:
        """Make the connection of a session that can be resumed.

        Args:
            transport: Its first WebSocket or call.
            session_id: Its id.
            key: The digest of the client's API key: with another one the session cannot be taken up.
            rtp: It is a call, and goes on as one only: the session's sound is not in its messages.

        Returns:
            The connection, and what the client is told: `token`, which only this client knows, and `within_s`.
        """
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        line = ResumableTransport(
            transport, session_id, kept_s=self._kept_s, capacity_bytes=self._capacity_bytes, lost=self._lost
        )
        self._by_id[session_id] = _Kept(line, _digest(token), key, rtp)
        return line, {"token": token, "within_s": self._kept_s}

    def end(self, session_id: str) -> None:
        """Forget a session that is over."""
        if kept := self._by_id.pop(session_id, None):
            self._away.pop(kept.line, None)

    def find(self, session_id: str, token: str, key: bytes, *, rtp: bool = False) -> ResumableTransport | None:
        """Return a session's connection; None where there is none, or the token, the key or the kind is another."""
        kept = self._by_id.get(session_id)
        known = (kept.token, kept.key) if kept is not None else (bytes(32), bytes(32))
        same = [hmac.compare_digest(*pair) for pair in zip(known, (_digest(token), key), strict=True)]
        found = kept is not None and all(same) and kept.rtp == rtp and kept.line.outlives_loss
        return kept.line if kept is not None and found else None

    def _lost(self, line: ResumableTransport) -> None:
        self._away = {one: None for one in self._away if one.is_kept and one is not line} | {line: None}
        while len(self._away) > self._most:
            first = next(iter(self._away))
            del self._away[first]
            first.give_up()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
