"""One WebSocket to one instance of a service: whole binary messages, and a quick close."""

from __future__ import annotations

import asyncio
import socket as sockets
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

import aiohttp
from aiohttp import WSMsgType

from voicepipe.installation.proxies import is_loopback, proxy_for
from voicepipe.services.address import Address, Instance
from voicepipe.services.errors import AtCapacity, ConnectionLost

__all__ = ["LEASE_HEADER", "Closed", "HandshakeRefused", "ServiceSocket", "WebSocketEndpoint", "pinned"]

LEASE_HEADER = "voicepipe-lease"
"""The header of a lease's one-time token, which stands in place of a key."""

FULL_STATUSES = (429, 503)
"""The statuses of a proxy when none of its instances is free."""
# The timeout for the other side's close frame. A cut turn waits for it; a live server needs 1 ms.
_GOODBYE_S = 0.1
# The limit of a message in bytes; 80 ms of sound are 9.6 kB.
_MAX_MESSAGE = 1 << 20

# Between two pings of a leased connection, each of which has half of that for its answer: a machine that is cut off
# from the network is noticed within 2.7 s, and one that stands still for less than 0.9 s is not given up.
_LEASE_HEARTBEAT_S = 1.8

# The most messages that an idle connection keeps.
_MOST_HELD = 16


def pinned(certificate: str) -> aiohttp.Fingerprint | bool:
    """Return how a TLS connection is checked: by the SHA-256 of its one certificate, or as usual where that is empty.

    A replica of a cluster has an address and no name, so that no authority could vouch for it: the control plane does.
    """
    return aiohttp.Fingerprint(bytes.fromhex(certificate)) if certificate else True


class HandshakeRefused(ConnectionError):
    """The instance answered with an HTTP status instead of a WebSocket."""

    __match_args__ = ("status",)

    def __init__(self, service: str, status: int) -> None:
        super().__init__(f"the {service} refused the WebSocket with HTTP status {status}")
        self.status = status


class Closed(Exception):
    """The other side closed the connection in order (close code 1000)."""


@dataclass(frozen=True, slots=True)
class WebSocketEndpoint:
    """The connection to an instance: path, query and headers of the WebSocket."""

    service: str
    address: Address
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    async def open(self, instance: Instance) -> ServiceSocket:
        """Open a WebSocket to this instance. Has no timeout: the caller sets one.

        Raises AtCapacity (429, 503), HandshakeRefused for any other status, and OSError.
        """
        # A pool for each socket: no connection is used twice, and a pool ends with its socket.
        http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        )
        try:
            return ServiceSocket(self.service, http, await self._handshake(http, instance))
        except BaseException:
            await http.close()
            raise

    async def _handshake(self, http: aiohttp.ClientSession, instance: Instance) -> aiohttp.ClientWebSocketResponse:
        address = replace(self.address, secure=True) if instance.certificate else self.address
        try:
            return await http.ws_connect(
                address.websocket(self.path, self.query, at=instance),
                headers={"Host": self.address.authority, **(self._lease(instance) or self.headers)},
                server_hostname=address.host if address.secure else None,
                ssl=pinned(instance.certificate),
                timeout=aiohttp.ClientWSTimeout(ws_close=_GOODBYE_S),  # pyright: ignore[reportCallIssue] — attrs
                max_msg_size=_MAX_MESSAGE,
                heartbeat=_LEASE_HEARTBEAT_S if instance.lease else None,
                proxy=None if instance.lease or is_loopback(instance.host) else proxy_for(self.address.http("")),
            )
        except aiohttp.WSServerHandshakeError as error:
            if error.status in FULL_STATUSES:
                raise AtCapacity(self.service) from error
            raise HandshakeRefused(self.service, error.status) from error
        except aiohttp.ClientOSError:
            raise
        except aiohttp.ClientError as error:  # the answer is not HTTP, or there is none
            raise ConnectionLost(self.service, str(error) or type(error).__name__) from error

    def _lease(self, instance: Instance) -> dict[str, str]:
        return {LEASE_HEADER: instance.lease} if instance.lease else {}


class _Lease(Protocol):
    """See `voicepipe.services.lease.Lease`."""

    def release(self) -> None: ...

    def when_lost(self, tell: Callable[[], None], /) -> None: ...


class ServiceSocket:
    """An open WebSocket. One task may send while another receives."""

    def __init__(
        self, service: str, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse[bool]
    ) -> None:
        self.service, self._http, self._socket = service, http, socket
        self._held: deque[bytes] = deque()
        self._lease: _Lease | None = None

    def tie(self, lease: _Lease) -> None:
        """Release the lease when this connection is closed, and abort the connection when the lease is lost."""
        self._lease = lease
        lease.when_lost(self.abort)

    async def send(self, message: bytes) -> None:
        """Send a message. Raises ConnectionLost."""
        try:
            await self._socket.send_bytes(message)
        except (ConnectionError, aiohttp.ClientError) as error:
            raise ConnectionLost(self.service, str(error) or type(error).__name__) from error

    async def receive(self) -> bytes:
        """Return the next message; text is returned as bytes. Raises Closed at an orderly end, else ConnectionLost."""
        return self._held.popleft() if self._held else await self._receive()

    async def watch(self) -> None:
        """Return when the connection has ended; keep the messages until then for `receive`, up to a limit.

        For a prewarmed connection: without it the end of its server would go unnoticed.
        """
        with suppress(Closed, ConnectionLost):
            while len(self._held) < _MOST_HELD:
                self._held.append(await self._receive())

    async def _receive(self) -> bytes:
        message = await self._socket.receive()
        match message.type:
            case WSMsgType.BINARY:
                return message.data
            case WSMsgType.TEXT:
                return message.data if isinstance(message.data, bytes) else message.data.encode()
            case WSMsgType.ERROR:
                raise ConnectionLost(self.service, str(message.data))
            case _:
                raise self._end()

    @property
    def usable(self) -> bool:
        return not self._socket.closed

    def abort(self) -> None:
        """Abort the connection at once: a pending `receive` raises `ConnectionLost`."""
        sock: sockets.socket | None = self._socket.get_extra_info("socket")
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(sockets.SHUT_RDWR)

    async def close(self) -> None:
        """Close the connection in order, within a tenth of a second. Safe to call twice."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await self._socket.close()
        finally:
            self.abort()
            if self._lease is not None:
                self._lease.release()
            await self._http.close()

    def _end(self) -> Exception:
        code = self._socket.close_code
        if code == aiohttp.WSCloseCode.OK:
            return Closed()
        return ConnectionLost(self.service, f"close code {code}")
