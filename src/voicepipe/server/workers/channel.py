"""`Channel`: messages, and sockets with them, between the supervisor and a worker."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

import ormsgpack

__all__ = ["Channel", "send_blocking"]

# The length of a message in bytes, and whether a descriptor comes with it.
_HEADER = struct.Struct("!I?")
_READ_BYTES, _MOST_FILES = 262_144, 8


def _packed(message: tuple[Any, ...], has_file: bool) -> bytes:
    body = ormsgpack.packb(message)
    return _HEADER.pack(len(body), has_file) + body


def send_blocking(sock: socket.socket, *message: Any) -> None:
    """Send a message before the event loop runs."""
    sock.setblocking(True)
    sock.sendall(_packed(message, False))


class Channel:
    """Messages through one end of a pair of Unix sockets, on the running loop, in the order in which they are sent.

    A message is a tuple of what MessagePack holds; a file descriptor may come with it (SCM_RIGHTS). What the other
    side does not read yet waits here without a limit: both sides are ours, and answer within an iteration.

    Args:
        sock: One end; it belongs to the channel from now on.
        received: Called with each message, and its descriptor, which it owns then; None for none.
        lost: Called once when the other process has closed its end, or is gone.
    """

    def __init__(
        self, sock: socket.socket, received: Callable[[list[Any], int | None], object], lost: Callable[[], object]
    ) -> None:
        self._sock, self._received, self._lost = sock, received, lost
        self._loop = asyncio.get_running_loop()
        self._buffer, self._files = bytearray(), deque[int]()
        self._waiting: deque[tuple[bytes, int | None]] = deque()
        self._is_open = True
        sock.setblocking(False)
        self._loop.add_reader(sock, self._read)

    def send(self, *message: Any, file: int | None = None) -> None:
        """Send a message. `file` may be closed when this returns; the receiver gets a copy of its own."""
        if not self._is_open:
            return
        data = _packed(message, file is not None)
        if self._waiting:
            self._wait(data, None if file is None else os.dup(file))
        elif (rest := self._sent(data, file)) is not None:
            self._wait(rest, os.dup(file) if file is not None and len(rest) == len(data) else None)

    def close(self) -> None:
        """Close this end, without a call of `lost`."""
        if not self._is_open:
            return
        self._is_open = False
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        for file in (*self._files, *(file for _, file in self._waiting if file is not None)):
            os.close(file)

    # ---- the way out ------------------------------------------------------------------------------------------------

    def _wait(self, data: bytes, file: int | None) -> None:
        self._waiting.append((data, file))
        self._loop.add_writer(self._sock, self._flush)

    def _sent(self, data: bytes, file: int | None) -> bytes | None:
        """Return what could not be sent; None for nothing. A lost channel takes everything: its reader reports it."""
        try:
            sent = socket.send_fds(self._sock, [data], [] if file is None else [file])
        except BlockingIOError:
            return data
        except OSError:
            return None
        return data[sent:] or None

    def _flush(self) -> None:
        while self._waiting:
            data, file = self._waiting[0]
            rest = self._sent(data, file)
            if rest is not None and len(rest) == len(data):
                return
            if file is not None:
                os.close(file)
            self._waiting.popleft()
            if rest is not None:
                self._waiting.appendleft((rest, None))
                return
        self._loop.remove_writer(self._sock)

    # ---- the way in -------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            data, files, _, _ = socket.recv_fds(self._sock, _READ_BYTES, _MOST_FILES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, files = b"", []
        for file in files:
            os.set_inheritable(file, False)  # Python 3.11 passes no flag on that would ask for it
        self._files.extend(files)
        self._buffer += data
        self._deliver()
        if not data and self._is_open:
            self.close()
            self._lost()

    def _deliver(self) -> None:
        while self._is_open and len(self._buffer) >= _HEADER.size:
            length, has_file = _HEADER.unpack_from(self._buffer)
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            message = ormsgpack.unpackb(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            self._received(message, self._files.popleft() if has_file else None)
