"""What waits for its turn to come in: in order, within bounds, and in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest

from voicepipe.audio import Pcm16
from voicepipe.server.session.pacing import IngressPacer
from voicepipe.server.session.receive_queue import ReceiveQueue


class Door:
    """Messages are numbers: of pieces of sound, 80 ms each. `came` is what has come in, and when."""

    def __init__(self, *, capacity: int = 100) -> None:
        loop = asyncio.get_running_loop()
        pacer = IngressPacer(loop.time, lead_ms=80, speed=2, message_ms=0)
        self._decode, self._clock = pacer.metered(Pcm16(8000)).decoder(), loop.time
        self.came: list[tuple[int, float]] = []
        self.held = 0
        self.inlet: ReceiveQueue[int] = ReceiveQueue(
            self._hear, pacer, capacity=capacity, held=self._note, spawn=lambda work: asyncio.create_task(work)
        )

    def _hear(self, pieces: int) -> Iterator[None]:
        if not pieces:
            self.came.append((0, round(self._clock(), 3)))
        for _ in range(pieces):
            yield
            self._decode(bytes(2 * 640))
            self.came.append((pieces, round(self._clock(), 3)))

    def _note(self) -> None:
        self.held += 1


async def test_what_has_room_comes_in_at_once():
    """In the very call; a message without sound needs none."""
    door = Door()
    for pieces in (0, 1, 0, 1, 0):
        await door.inlet.put(pieces, 10)
    assert door.came == [(0, 0.0), (1, 0.0), (0, 0.0), (1, 0.0), (0, 0.0)]
    assert door.held == 0


async def test_what_has_not_waits_in_order():
    """And what is behind it with it."""
    door = Door()
    for pieces in (3, 0, 2, 0):
        await door.inlet.put(pieces, 10)
    assert door.came == [(3, 0.0), (3, 0.0)]
    await asyncio.sleep(1)
    assert door.came[2:] == [(3, 0.04), (0, 0.04), (2, 0.08), (2, 0.12), (0, 0.12)]
    assert door.held == 3
    await door.inlet.put(1, 10)
    assert door.came[-1] == (1, 1.0)


async def test_who_sends_more_than_may_wait_waits(virtual_loop):
    """Until enough has come in."""
    door = Door(capacity=100)
    for _ in range(5):
        await door.inlet.put(10, 60)
    assert virtual_loop.time() == pytest.approx((4 * 10 - 2) * 0.04)
    await door.inlet.close()


async def test_many_that_have_waited_do_not_come_in_one_go():
    """Others have their turn on the event loop between them."""
    door, rounds = Door(capacity=10_000), list[int]()
    for pieces in (3, *[0] * 1000):
        await door.inlet.put(pieces, 1)
    await asyncio.sleep(0.04)
    while len(door.came) < 1003:
        rounds.append(len(door.came))
        await asyncio.sleep(0)
    assert max(after - before for before, after in pairwise(rounds)) <= 64
    assert door.came[-1] == (0, 0.04)


async def test_what_waits_can_be_forgotten():
    """No task is left."""
    door = Door()
    await door.inlet.put(100, 10)
    await door.inlet.close()
    await asyncio.sleep(1)
    assert len(door.came) == 2
