"""Bytes on their way between two sockets of this process.

A virtual clock must not jump while bytes are in the kernel: sent by one end, not yet readable at the other. The time
that takes depends on the kernel (mostly none; a few milliseconds on a busy machine), so a fixed grace would be slow and
unsafe. Instead the module counts, for every connection, what one end has sent and the other has not read. The loop
waits, in real time, until the receiver's socket is readable: then the order of events does not depend on the kernel.
The same holds for a sender that waits for room: it gets it after the other end has read.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, cast

__all__ = ["End", "Loopback"]

Address: TypeAlias = tuple[str, int]
"""Host and port."""

Key: TypeAlias = tuple[Address, Address]
"""One end of a connection: its own address, and its peer's."""


class Loopback:
    """The counts of one loop's connections. TCP only: Unix sockets deliver before `send` returns."""

    def __init__(self) -> None:
        self._ends: dict[Key, End] = {}
        self._owed: dict[Key, int] = {}
        self._listeners: dict[int, socket.socket] = {}
        self._accepting: dict[Key, int] = {}

    def listen(self, listener: Any) -> None:
        """Note that `listener` accepts connections on this loop."""
        if (address := _address(listener.getsockname())) is not None:
            self._listeners[address[1]] = listener

    def connected(self, client: socket.socket) -> None:
        """Note that `client` has connected; a listener of this loop accepts it now, or has done so."""
        key = _key(client)
        if key is None or (key[1], key[0]) in self._ends:
            return
        if (listener := self._listeners.get(key[1][1])) is not None and listener.fileno() >= 0:
            self._accepting[key[1], key[0]] = listener.fileno()

    def adopt(self, sock: Any) -> Any:
        """Return `sock`, or a wrapper that counts what it sends and reads."""
        key = _key(sock)
        if key is None:
            return sock
        self._accepting.pop(key, None)
        self._ends[key] = end = End(sock, key, self)
        return end

    def awaited(self, is_read: Callable[[int], bool]) -> set[int]:
        """The descriptors at which data is about to arrive and which are being read."""
        if not self._owed and not self._accepting:
            return set()
        owed = (self._ends[key].number for key in self._owed if key in self._ends)
        return {number for number in (*owed, *self._accepting.values()) if is_read(number)}

    def acknowledged(self, is_written: Callable[[int], bool]) -> set[int]:
        """The descriptors that wait to write, although the other end has read all: there is room as soon as the kernel
        says so, which may take 40 ms.
        """
        if not self._ends:
            return set()
        blocked = (key for key, end in self._ends.items() if is_written(end.number))
        return {
            self._ends[key].number
            for key in blocked
            if (peer := (key[1], key[0])) in self._ends and peer not in self._owed
        }

    def forget(self, numbers: Iterable[int]) -> None:
        """Note that nothing came at these: another reader has read it, or the listener is closed."""
        gone = set(numbers)
        self._accepting = {key: number for key, number in self._accepting.items() if number not in gone}
        for key, end in self._ends.items():
            if end.number in gone:
                self._owed.pop(key, None)

    @property
    def listeners(self) -> list[socket.socket]:
        """Return the open ones."""
        return [listener for listener in self._listeners.values() if listener.fileno() >= 0]

    def describe(self) -> list[str]:
        """Return a line per open connection, not per end, and per listener."""
        pairs = {tuple(sorted(key)) for key in self._ends}
        connections = [f"a connection between ports {one[1]} and {other[1]}" for one, other in sorted(pairs)]
        return connections + [f"a server at port {listener.getsockname()[1]}" for listener in self.listeners]

    def knows(self, number: int) -> bool:
        """Return whether both ends of the connection with this descriptor are on this loop, or it is a listener."""
        if any(listener.fileno() == number for listener in self.listeners):
            return True
        return any(end.number == number and (key[1], key[0]) in self._ends for key, end in self._ends.items())

    def sent(self, key: Key, amount: int) -> None:
        peer = (key[1], key[0])
        if peer in self._ends or peer in self._accepting:
            self._owed[peer] = self._owed.get(peer, 0) + amount

    def received(self, key: Key, amount: int) -> None:
        """Note that `amount` bytes were read; 0 is the end of the stream."""
        left = self._owed.get(key, 0) - amount if amount else 0
        if left > 0:
            self._owed[key] = left
        else:
            self._owed.pop(key, None)

    def closed(self, key: Key) -> None:
        if self._ends.pop(key, None) is not None:
            self._owed.pop(key, None)
            self.sent(key, 1)  # the end of the stream is on its way, too


class End:
    """A connected socket as asyncio's transports use it, which counts its bytes."""

    __slots__ = ("_account", "_key", "_sock", "number")

    def __init__(self, sock: socket.socket, key: Key, account: Loopback) -> None:
        self._sock = sock
        self._key = key
        self._account = account
        self.number = sock.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def send(self, data: Any, *flags: int) -> int:
        return self._counted(self._sock.send(data, *flags))

    def sendmsg(self, buffers: Any, *rest: Any) -> int:
        return self._counted(self._sock.sendmsg(buffers, *rest))

    def _counted(self, sent: int) -> int:
        self._account.sent(self._key, sent)
        return sent

    def recv(self, size: int, *flags: int) -> bytes:
        try:
            data = self._sock.recv(size, *flags)
        except ConnectionError:
            self._account.received(self._key, 0)
            raise
        self._account.received(self._key, len(data))
        return data

    def recv_into(self, buffer: Any, *rest: int) -> int:
        try:
            size = self._sock.recv_into(buffer, *rest)
        except ConnectionError:
            self._account.received(self._key, 0)
            raise
        self._account.received(self._key, size)
        return size

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)
        if how != socket.SHUT_RD:
            self._account.sent(self._key, 1)

    def close(self) -> None:
        self._sock.close()
        self._account.closed(self._key)


def _key(sock: Any) -> Key | None:
    try:
        own, peer = _address(sock.getsockname()), _address(sock.getpeername())
    except OSError:  # the connection is lost already
        return None
    return None if own is None or peer is None else (own, peer)


def _address(name: Any) -> Address | None:
    """Return the address of an IPv4 or IPv6 socket; a Unix socket's name is a string."""
    if not isinstance(name, tuple):
        return None
    host, port, *_ = cast("tuple[str, int]", name)
    return host, port
