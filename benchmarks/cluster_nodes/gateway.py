"""The gateway: sessions that talk all the time, and what each failure is for them. Runs on the first machine.

It prints `do WHAT` when something is to be done to the cluster, and goes on when a line has come back. Results are
lines of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass, field

import numpy as np
import ormsgpack

from voicepipe.cluster.connection import connect, disconnect
from voicepipe.cluster.plane import RayControlPlane
from voicepipe.services import AtCapacity, Instance, LeasedFinder, ServiceError, ServiceSocket, WebSocketEndpoint
from voicepipe.stt.kyutai.protocol import FRAME, FRAME_S, PATH, encode_audio

STAGE = "stt"
SOUND = encode_audio(np.full(FRAME, 0.1, np.float32))


@dataclass
class Talk:
    """One session: where it is, when its connections broke and when the next one was there, and its longest gap."""

    finder: LeasedFinder
    where: Instance | None = None
    lost_s: list[float] = field(default_factory=list[float])
    found_s: list[float] = field(default_factory=list[float])
    longest_gap_s: float = 0.0
    stopping: bool = False

    async def run(self) -> None:
        while not self.stopping:
            try:
                socket = await self.finder.find(self._open)
            except ServiceError:
                await asyncio.sleep(0.05)
                continue
            self.found_s.append(time.monotonic())
            sending = asyncio.create_task(self._send(socket))
            try:
                await self._receive(socket)
            except ServiceError:
                self.lost_s.append(time.monotonic())
            finally:
                sending.cancel()
                await asyncio.wait({sending})
                await socket.close()

    async def _open(self, instance: Instance) -> ServiceSocket:
        self.where = instance
        socket = await WebSocketEndpoint("stt", self.finder.address, PATH, {}, {}).open(instance)
        first = ormsgpack.unpackb(await socket.receive())
        if first["type"] != "Ready":
            await socket.close()
            raise AtCapacity("stt")
        return socket

    async def _send(self, socket: ServiceSocket) -> None:
        while True:
            await socket.send(SOUND)
            await asyncio.sleep(FRAME_S)

    async def _receive(self, socket: ServiceSocket) -> None:
        last_s = time.monotonic()
        while not self.stopping:
            await socket.receive()
            now_s = time.monotonic()
            self.longest_gap_s, last_s = max(self.longest_gap_s, now_s - last_s), now_s


async def done(what: str) -> None:
    """Have something done to the cluster."""
    print(f"do {what}", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


def result(what: str, **figures: object) -> None:
    print(json.dumps({"what": what, **figures}), flush=True)


async def failure(name: str, what: str, talks: list[Talk], on: set[str] | None, *, within_s: float) -> None:
    """Let something fail; tell what the sessions on these addresses, and the others, noticed of it."""
    for talk in talks:
        talk.lost_s, talk.found_s, talk.longest_gap_s = [], [], 0.0
    places = {id(talk): str(talk.where and (talk.where.host if on is None else talk.where)) for talk in talks}
    await done(what)
    began_s = time.monotonic()
    hit = [talk for talk in talks if on is None or places[id(talk)] in on]
    over = lambda: bool(hit) and all(talk.lost_s and talk.found_s for talk in hit)
    while time.monotonic() - began_s < within_s and not over():  # noqa: ASYNC110 — the sessions tell nothing else
        await asyncio.sleep(0.05)
    lost = [talk for talk in talks if talk.lost_s]
    result(
        name,
        told_ms=[round(1000 * (talk.lost_s[0] - began_s)) for talk in lost],
        again_ms=[round(1000 * (talk.found_s[0] - talk.lost_s[0])) for talk in lost if talk.found_s],
        others=len(talks) - len(lost),
        others_gap_ms=round(1000 * max((talk.longest_gap_s for talk in talks if not talk.lost_s), default=0)),
    )


async def main() -> None:
    plane = RayControlPlane()
    finder = LeasedFinder("stt", STAGE, plane, tries=3, try_s=0.5)
    await leases(plane)
    talks = [Talk(finder) for _ in range(8)]
    tasks = [asyncio.create_task(talk.run()) for talk in talks]
    await asyncio.sleep(3)
    result("spread", hosts=sorted(talk.where.host for talk in talks if talk.where))
    first = str(talks[0].where)
    on_first = {first}
    await failure("replica killed", f"kill {first}", talks, on_first, within_s=10)
    await asyncio.sleep(6)
    await failure("rolling update", "update", talks, None, within_s=45)
    await asyncio.sleep(10)
    await failure("machine killed", "power 2", talks, addresses(talks, "10.77.0.3"), within_s=12)
    await asyncio.sleep(6)
    await failure("machine cut off", "cut 1", talks, addresses(talks, "10.77.0.2"), within_s=12)
    await failure("head killed", "head", talks, set(), within_s=5)
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(2):
            (await plane.lease(STAGE)).release()
        result("lease without a head", ms=round(1000 * (time.monotonic() - began_s)))
    except (ServiceError, TimeoutError) as error:
        result("lease without a head", failed=repr(error))
    for talk in talks:
        talk.stopping = True
    await asyncio.wait(tasks, timeout=5)
    os._exit(0)  # Ray's own end would wait for the head


def addresses(talks: list[Talk], host: str) -> set[str]:
    return {str(talk.where) for talk in talks if talk.where is not None and talk.where.host == host}


async def leases(plane: RayControlPlane) -> None:
    times_ms: list[float] = []
    for _ in range(60):
        began_s = time.perf_counter()
        lease = await plane.lease(STAGE)
        times_ms.append(1000 * (time.perf_counter() - began_s))
        lease.release()
        await asyncio.sleep(0.02)
    times_ms.sort()
    result("lease", p50_ms=round(times_ms[30], 1), p95_ms=round(times_ms[57], 1), worst_ms=round(times_ms[-1], 1))


if __name__ == "__main__":
    connect("ray://10.77.0.1:6379")
    try:
        asyncio.run(main())
    finally:
        disconnect()
