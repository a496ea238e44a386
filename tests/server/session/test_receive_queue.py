"""Frames that wait for their turn: in order, within bounds, and without delaying other sessions."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from voicepipe.audio import Pcm16
from voicepipe.events import AudioDeferred, AudioReceived, InputCommitted
from voicepipe.realtime import Received
from voicepipe.server.session.cpu_budget import CpuBudget, ThreadCpu, WorkMeter, WorkSlots
from voicepipe.server.session.pacing import IngressPacer
from voicepipe.server.session.receive_queue import ReceiveQueue

PIECE = AudioReceived(bytes(2 * 640))


class Receiver:
    """A frame is a number of pieces of sound, 80 ms each, and as long as it is told; without sound it is a commit.

    `came` is what was delivered (S: sound, C: the commit, D: the deferral), and when.
    """

    def __init__(self, *, capacity: int = 100, work_s: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        self._work_s, self._worked_s = work_s, 0.0
        budget = CpuBudget(share=0.25, burst_s=0.1)
        cpu = ThreadCpu(lambda: self._worked_s)
        work = WorkMeter(budget, WorkSlots(share=1), lambda: loop.time() + self._worked_s, cpu)
        pacer = IngressPacer(loop.time, lead_ms=80, speed=2, message_ms=0)
        self._decode_sound, self._clock = pacer.metered(Pcm16(8000)).decoder(), loop.time
        self.came: list[tuple[str, float]] = []
        self.decoded: list[int] = []
        self.queue = ReceiveQueue(
            self._decode, pacer, self._deliver, work, capacity=capacity, spawn=lambda task: asyncio.create_task(task)
        )

    async def put(self, pieces: int, size: int = 10) -> None:
        await self.queue.put(f"{pieces}".ljust(size))

    def _decode(self, frame: str | bytes) -> list[Received]:
        pieces = int(frame)
        self.decoded.append(pieces)
        self._worked_s += self._work_s
        return [PIECE] * pieces or [InputCommitted()]

    def _deliver(self, message: Received) -> None:
        if isinstance(message, AudioReceived):
            self._decode_sound(message.data)
        kind = {AudioReceived: "S", InputCommitted: "C", AudioDeferred: "D"}[type(message)]  # pyright: ignore
        self.came.append((kind, round(self._clock(), 3)))


async def test_what_has_room_comes_in_at_once():
    """In the very call; a message without sound needs none."""
    receiver = Receiver()
    for pieces in (0, 1, 0, 1, 0):
        await receiver.put(pieces)
    assert receiver.came == [("C", 0.0), ("S", 0.0), ("C", 0.0), ("S", 0.0), ("C", 0.0)]


async def test_what_has_not_waits_in_order():
    """And what is behind it with it, not yet decoded; each time sound begins to wait, that is told."""
    receiver = Receiver()
    for pieces in (3, 0, 2, 0):
        await receiver.put(pieces)
    assert receiver.came == [("S", 0.0), ("S", 0.0)]
    assert receiver.decoded == [3]
    await asyncio.sleep(1)
    assert receiver.came[2:] == [
        ("D", 0.0), ("S", 0.04), ("C", 0.04), ("D", 0.04), ("S", 0.08), ("D", 0.08), ("S", 0.12), ("C", 0.12),
    ]  # fmt: skip
    await receiver.put(1)
    assert receiver.came[-1] == ("S", 1.0)


async def test_a_client_that_sends_more_than_may_wait_waits(virtual_loop):
    """Until enough has come in."""
    receiver = Receiver(capacity=100)
    for _ in range(5):
        await receiver.put(10, 60)
    assert virtual_loop.time() == pytest.approx((4 * 10 - 2) * 0.04)
    await receiver.queue.close()


@pytest.mark.parametrize("pieces", [63, 64, 65])
async def test_a_long_frame_leaves_its_room_when_it_is_done(pieces):
    """Also where it ends just when other sessions have their turn."""
    receiver = Receiver(capacity=100)
    async with asyncio.timeout(10):
        await receiver.put(pieces, 1000)
        await receiver.put(0, 1000)
    assert receiver.came[-1][0] == "C"


async def test_many_that_have_waited_do_not_come_in_one_go():
    """Other sessions have their turn on the event loop between them."""
    receiver, rounds = Receiver(capacity=10_000), list[int]()
    for pieces in (3, *[0] * 1000):
        await receiver.put(pieces, 1)
    await asyncio.sleep(0.04)
    while len(receiver.came) < 1004:
        rounds.append(len(receiver.came))
        await asyncio.sleep(0)
    assert max(after - before for before, after in pairwise(rounds)) <= 64
    assert receiver.came[-1] == ("C", 0.04)


async def test_what_waits_can_be_forgotten():
    """No task is left."""
    receiver = Receiver()
    await receiver.put(100)
    await receiver.queue.close()
    await asyncio.sleep(1)
    assert [kind for kind, _ in receiver.came] == ["S", "S"]


async def test_what_costs_more_than_its_share_waits(virtual_loop):
    """A hundred messages of 10 ms each take four seconds at a quarter of a core; a tenth of a second is free."""
    receiver = Receiver(capacity=10_000, work_s=0.01)
    for _ in range(100):
        await receiver.put(0, 1)
    work_s = 100 * 0.01
    assert virtual_loop.time() == pytest.approx((work_s - 0.1) / 0.25 - work_s, abs=0.05)
    await receiver.queue.close()


async def test_other_sessions_have_their_turn_every_few_milliseconds():
    """Also within the burst, and where each frame is read by itself."""
    receiver, turns = Receiver(work_s=0.001), list[int]()

    async def other() -> None:
        while True:
            turns.append(len(receiver.came))
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for _ in range(40):
        await receiver.put(0, 1)
    task.cancel()
    assert max(after - before for before, after in pairwise(turns)) <= 4
