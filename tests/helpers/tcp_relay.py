"""A network between a client and a server that a test can cut."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["Relay", "relaying"]


class Relay:
    """Passes TCP connections on to a server. `url` is its address."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target, self._open = target, list[socket.socket]()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.is_down = False
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def cut(self) -> None:
        """Break all connections without a word, and let none through until `restore`."""
        self.is_down = True
        for end in self._open:
            _break(end)
        self._open.clear()

    def restore(self) -> None:
        """Let connections through again."""
        self.is_down = False

    def close(self) -> None:
        """End, with all connections."""
        self.cut()
        _break(self._listening)
        self._accepting.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self.is_down:
                _break(client)
                continue
            server = socket.create_connection(self._target)
            self._open += [client, server]
            for ends in ((client, server), (server, client)):
                threading.Thread(target=_copy, args=ends, daemon=True).start()


@contextmanager
def relaying(url: str) -> Iterator[Relay]:
    """A relay to the server of this address."""
    host, _, port = url.removeprefix("http://").rstrip("/").rpartition(":")
    relay = Relay((host, int(port)))
    try:
        yield relay
    finally:
        relay.close()


def _copy(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
    _break(one)
    _break(other)


def _break(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
