"""A whole server and its clients without a kernel between them: aiohttp's own protocol on transports in memory.

All of the server is the real one, from the request line to the close frame. What it writes is with the client before
`write` returns, and the other way round.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

TEXT, BINARY, RESERVED, CLOSE, PING, PONG = 1, 2, 3, 8, 9, 10
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_FIN, _MASKED = 0x80, 0x80
_SHORT, _LONG = 126, 127
_NO_MASK = bytes(4)
"""Clients must mask what they send; this mask changes nothing."""


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[web.Server[Any]]:
    """An application at work; calling what this gives makes the protocol of a new connection."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=False)
    await runner.setup()
    try:
        assert runner.server is not None
        yield runner.server
    finally:
        await runner.cleanup()


def frame(kind: int, payload: bytes, *, last: bool = True) -> bytes:
    """As a client writes it."""
    head, size = bytes([kind | (_FIN if last else 0)]), len(payload)
    if size < _SHORT:
        head += bytes([_MASKED | size])
    elif size < 1 << 16:
        head += bytes([_MASKED | _SHORT]) + struct.pack("!H", size)
    else:
        head += bytes([_MASKED | _LONG]) + struct.pack("!Q", size)
    return head + _NO_MASK + payload


class Line:
    """One WebSocket, seen from the client. `came` are the text messages that nobody has taken yet."""

    def __init__(self, server: Callable[[], Any]) -> None:
        self.status = 0
        self.closed: tuple[int, str] | None = None
        """Code and reason of the server's close frame."""
        self.came: list[str] = []
        self._buffer = bytearray()
        self._transport = _Transport(self._take, server())
        self._transport.get_protocol().connection_made(self._transport)

    @property
    def is_cut(self) -> bool:
        """Return whether the connection has ended."""
        return self._transport.is_closing()

    def connect(self, headers: Mapping[str, str]) -> None:
        """Ask for the upgrade; `status` is what the server says to it."""
        wanted = {"Host": "here", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        lines = [f"{name}: {value}" for name, value in {**wanted, "Sec-WebSocket-Key": _KEY, **headers}.items()]
        self._write("\r\n".join(["GET /v1/realtime HTTP/1.1", *lines, "", ""]).encode())

    def send(self, kind: int, *payloads: bytes) -> None:
        """Whole messages, which arrive together."""
        self._write(b"".join(frame(kind, payload) for payload in payloads))

    def send_split(self, payload: bytes, at: int) -> None:
        """One text message in two frames."""
        self._write(frame(TEXT, payload[:at], last=False) + frame(0, payload[at:]))

    def leave(self, code: int) -> None:
        """Say goodbye, as a client does."""
        self.send(CLOSE, struct.pack("!H", code))

    def vanish(self) -> None:
        """Cut the connection, as a dying network does."""
        self._transport.lose(ConnectionResetError("the network is gone"))

    def _write(self, data: bytes) -> None:
        if not self.is_cut:
            self._transport.get_protocol().data_received(data)

    def _take(self, data: bytes) -> None:
        self._buffer += data
        if not self.status:
            head, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not found:
                return
            self.status, self._buffer = int(head.split()[1]), bytearray(rest)
        while (taken := _first_frame(self._buffer)) is not None:
            kind, payload, size = taken
            del self._buffer[:size]
            self._answer(kind, payload)

    def _answer(self, kind: int, payload: bytes) -> None:
        match kind:
            case 1:
                self.came.append(payload.decode())
            case 9:
                asyncio.get_running_loop().call_soon(self.send, PONG, payload)
            case 10:
                pass
            case 8 if self.closed is None:
                self.closed = struct.unpack("!H", payload[:2])[0], payload[2:].decode()
                asyncio.get_running_loop().call_soon(self.send, CLOSE, payload[:2])
            case _:
                raise AssertionError(f"the server has sent a frame of kind {kind}")


def _first_frame(data: bytearray) -> tuple[int, bytes, int] | None:
    """Kind, payload and size of what the server has written; None where it is not complete."""
    if len(data) < 2:
        return None
    size, at = data[1], 2
    if size == _SHORT:
        size, at = int.from_bytes(data[2:4]), 4
    elif size == _LONG:
        size, at = int.from_bytes(data[2:10]), 10
    return (data[0] & 0x0F, bytes(data[at : at + size]), at + size) if len(data) >= at + size else None


class _Transport(asyncio.Transport):
    """The server's end."""

    _socket = socket.socket(socket.AF_UNIX)
    """Takes the options that are set on sockets; nothing goes through it."""

    def __init__(self, take: Callable[[bytes], None], protocol: Any) -> None:
        super().__init__({"socket": self._socket, "peername": ("127.0.0.1", 1)})
        self._take, self._protocol = take, protocol
        self._closing = False

    def get_protocol(self) -> Any:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def write(self, data: Any) -> None:
        if not self._closing:
            self._take(bytes(data))

    def lose(self, why: Exception | None) -> None:
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(lambda: self._protocol.connection_lost(why))

    def close(self) -> None:
        self.lose(None)

    def abort(self) -> None:
        self.lose(None)

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits here."""

    def pause_reading(self) -> None:
        """Nothing waits here."""

    def resume_reading(self) -> None:
        """Nothing waits here."""
