"""`Channel`: messages in their order, and descriptors with them."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import Any

import pytest

from voicepipe.server.workers.channel import Channel, send_blocking

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several workers need Linux")


class End:
    """One end, and what came."""

    def __init__(self, sock: socket.socket) -> None:
        self.came: list[tuple[list[Any], int | None]] = []
        self.is_lost = False
        self._changed = asyncio.Event()
        self.channel = Channel(sock, self._note, self._lost)

    def _note(self, message: list[Any], file: int | None) -> None:
        self.came.append((message, file))
        self._changed.set()

    def _lost(self) -> None:
        self.is_lost = True
        self._changed.set()

    async def until(self, count: int) -> None:
        while len(self.came) < count and not self.is_lost:
            self._changed.clear()
            await self._changed.wait()


def run(test: Any) -> None:
    """On a real loop: what is between the ends are the kernel's buffers."""

    async def main() -> None:
        one, other = socket.socketpair()
        async with asyncio.timeout(30):
            await test(one, other)

    asyncio.run(main())


def test_messages_and_descriptors_come_in_their_order() -> None:
    """Also when more was sent than the kernel holds, and the sender has closed its copies."""

    async def test(one: socket.socket, other: socket.socket) -> None:
        sender, receiver = End(one), End(other)
        large = os.urandom(300_000)
        for number in range(40):
            read, write = os.pipe()
            os.write(write, b"%d" % number)
            sender.channel.send("file", number, large if number % 3 else b"", file=read)
            sender.channel.send("plain", number)
            os.close(read)
            os.close(write)
        await receiver.until(80)
        for number in range(40):
            (message, file), plain = receiver.came[2 * number : 2 * number + 2]
            assert message[:2] == ["file", number]
            assert file is not None
            assert (os.read(file, 9), os.get_inheritable(file)) == (b"%d" % number, False)
            os.close(file)
            assert plain == (["plain", number], None)
        sender.channel.close()
        receiver.channel.close()

    run(test)


def test_the_end_of_the_other_process_is_told_once_behind_its_last_message() -> None:
    async def test(one: socket.socket, other: socket.socket) -> None:
        send_blocking(one, "failed", "why", 2)
        receiver = End(other)
        one.close()
        await receiver.until(2)
        assert (receiver.came, receiver.is_lost) == ([(["failed", "why", 2], None)], True)
        receiver.channel.send("nothing")  # to a channel that is closed

    run(test)


def test_descriptors_that_were_not_sent_are_closed() -> None:
    """The other side reads nothing."""

    async def test(one: socket.socket, other: socket.socket) -> None:
        sender = End(one)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            read, write = os.pipe()
            sender.channel.send(bytes(100_000), file=read)
            os.close(read)
            os.close(write)
        assert len(os.listdir("/proc/self/fd")) > before
        sender.channel.close()
        other.close()
        assert len(os.listdir("/proc/self/fd")) == before - 2

    run(test)
