"""The port of a server of several processes: a connection is accepted and read until it can be handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voicepipe.server.http.runner import FIRST_REQUEST_S, THROTTLED, most_waiting
from voicepipe.server.workers.routing import is_whole

__all__ = ["Listener"]


class Listener:
    """Accepts connections, each for one request.

    Args:
        hand_over: Called with a connection's descriptor and what was read from it: the head of its request, or what is
            none. It returns whether a worker has got a copy of the descriptor; this one is closed behind the call.
            Without a worker the connection waits, for as long as a first request may take.
    """

    def __init__(self, hand_over: Callable[[int, bytes], bool]) -> None:
        self._hand_over = hand_over
        self._most = most_waiting()
        self._connections: dict[_Incoming, None] = {}
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Listen. Returns the address, and the port of a `port` 0. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Incoming(self), host, port)
        return self._server.sockets[0].getsockname()[:2]

    def retry(self) -> None:
        """Offer the connections again that wait for a worker."""
        for connection in [*self._connections]:
            connection.offer()

    def close(self) -> None:
        """Accept no more, and close the connections that wait."""
        if self._server is not None:
            self._server.close()
        for connection in [*self._connections]:
            connection.drop()

    def accepted(self, connection: _Incoming) -> bool:
        """Note a connection. Returns whether it may wait for its request."""
        if len(self._connections) >= self._most:
            THROTTLED.warn(self._most)
            return False
        self._connections[connection] = None
        return True

    def ended(self, connection: _Incoming) -> None:
        """Forget a connection."""
        self._connections.pop(connection, None)

    def offer(self, file: int, head: bytes) -> bool:
        """Return whether a worker has taken the connection."""
        return self._hand_over(file, head)


class _Incoming(asyncio.Protocol):
    """A connection of which the first request has not come whole."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._head = bytearray()
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._listener.accepted(self):
            self._timer = asyncio.get_running_loop().call_later(FIRST_REQUEST_S, self.drop)
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._head += data
        self.offer()

    def eof_received(self) -> None:
        """Hand over what there is; the worker sees the end of it, too."""
        self._offer_now()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        self._listener.ended(self)
        if self._timer is not None:
            self._timer.cancel()

    def offer(self) -> None:
        """Hand the connection over if it is whole and there is a worker."""
        if is_whole(bytes(self._head)):
            self._offer_now()

    def _offer_now(self) -> None:
        if self._is_over or not self._head or self._transport is None:
            return
        self._transport.pause_reading()  # what comes from now on is the worker's to read
        if self._listener.offer(self._transport.get_extra_info("socket").fileno(), bytes(self._head)):
            self.drop()

    def drop(self) -> None:
        """Close this process's copy of the descriptor."""
        self._is_over = True
        if self._transport is not None:
            self._transport.abort()
