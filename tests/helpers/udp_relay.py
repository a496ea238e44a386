"""A network for calls by WebRTC that loses and delays packets, or that a test can cut."""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["UdpNetwork", "udp_network"]

_CANDIDATE = re.compile(r" 127\.0\.0\.1 (\d+) typ host")


class UdpNetwork:
    """Passes the packets of calls on, both ways. `rewritten` puts it between: the server's address in the SDP becomes
    one of its own.

    Args:
        loss: The share of the packets that it loses.
        jitter_s: Each packet takes a time between 0 and this one, whatever the one before took.
    """

    def __init__(self, *, loss: float = 0.0, jitter_s: float = 0.0) -> None:
        self.loss, self.jitter_s, self.is_down = loss, jitter_s, False
        self.passed = self.lost = 0
        self._random = random.Random(7)
        self._loop = asyncio.new_event_loop()
        self._transports: list[asyncio.DatagramTransport] = []
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def rewritten(self, answer: str) -> str:
        """The server's SDP, with an address of this network."""
        found = _CANDIDATE.search(answer)
        assert found is not None, answer
        port = asyncio.run_coroutine_threadsafe(self._opened(int(found[1])), self._loop).result()
        return answer.replace(f" {found[1]} ", f" {port} ")

    def close(self) -> None:
        """Lose all packets from now on."""
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join()
        self._loop.close()

    def _stop(self) -> None:
        for transport in self._transports:
            transport.close()
        self._loop.call_soon(self._loop.stop)

    async def _opened(self, port: int) -> int:
        near, far = _Leg(), _Leg()
        near.other, far.other = far, near
        for leg, options in ((near, {"local_addr": ("127.0.0.1", 0)}), (far, {"remote_addr": ("127.0.0.1", port)})):
            leg.network = self
            leg.transport, _ = await self._loop.create_datagram_endpoint(lambda leg=leg: leg, **options)
            self._transports.append(leg.transport)
        return near.transport.get_extra_info("sockname")[1]

    def carry(self, data: bytes, leg: _Leg) -> None:
        """Bring a packet to an end of the network, late or not at all."""
        if self.is_down or self._random.random() < self.loss:
            self.lost += 1
            return
        self.passed += 1
        self._loop.call_later(self._random.random() * self.jitter_s, leg.send, data)


class _Leg(asyncio.DatagramProtocol):
    network: UdpNetwork
    transport: asyncio.DatagramTransport
    other: _Leg
    peer: Any = None

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.transport.get_extra_info("peername") is None:
            self.peer = addr
        self.network.carry(data, self.other)

    def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.sendto(data, self.peer)


@contextmanager
def udp_network(**options: float) -> Iterator[UdpNetwork]:
    network = UdpNetwork(**options)
    try:
        yield network
    finally:
        network.close()
