"""Sessions that talk all the time, as a program on one of the machines: what do they notice of a failure?

`python -m benchmarks.cluster_nodes.talkers ray://ADDRESS` reads a line of JSON for each command, and answers with one:
`{"do": "open", "stage": "stt", "sessions": 8}`, `close`, `mark`, `report`, `lease`,
`running`, `disconnect`. `nodes.Talkers` is the other side.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import ormsgpack

from voicepipe.cluster.connection import connect, disconnect
from voicepipe.cluster.deployment import running_replicas
from voicepipe.cluster.plane import RayControlPlane
from voicepipe.services import AtCapacity, Instance, LeasedFinder, ServiceError, ServiceSocket, WebSocketEndpoint
from voicepipe.stt.kyutai.protocol import FRAME, FRAME_S, PATH, encode_audio

SOUND = encode_audio(np.full(FRAME, 0.1, np.float32))
_WITHIN_S = 60
_LAG_S = 0.005


@dataclass(eq=False)
class Talk:
    """One session. Times are those of `time.monotonic`, which all processes of a machine share."""

    stage: str
    finder: LeasedFinder
    where: Instance | None = None
    was: str = ""
    """The address at the last mark."""
    lost_s: float | None = None
    """The first loss of a connection since the last mark."""
    found_s: float | None = None
    """The first connection after that loss."""
    gap_s: float = 0.0
    """The longest time between two steps on one connection since the last mark."""
    connected: bool = False
    stopping: bool = False

    def mark(self) -> None:
        self.was, self.lost_s, self.found_s, self.gap_s = str(self.where or ""), None, None, 0.0

    async def run(self) -> None:
        while not self.stopping:
            try:
                socket = await self.finder.find(self._open)
            except ServiceError:
                await asyncio.sleep(0.05)
                continue
            self.connected = True
            if self.lost_s is not None and self.found_s is None:
                self.found_s = time.monotonic()
            sending = asyncio.create_task(self._send(socket))
            try:
                await self._receive(socket)
            except ServiceError:
                self.lost_s = self.lost_s or time.monotonic()
            finally:
                self.connected = False
                sending.cancel()
                await asyncio.wait({sending})
                await socket.close()

    async def _open(self, instance: Instance) -> ServiceSocket:
        self.where = instance
        socket = await WebSocketEndpoint("stt", self.finder.address, PATH, {}, {}).open(instance)
        try:
            await _be_welcome(socket)
        except BaseException:
            await socket.close()
            raise
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
            self.gap_s, last_s = max(self.gap_s, now_s - last_s), now_s


async def _be_welcome(socket: ServiceSocket) -> None:
    if ormsgpack.unpackb(await socket.receive())["type"] != "Ready":
        raise AtCapacity(socket.service)


class Talkers:
    """The sessions of this process."""

    def __init__(self) -> None:
        self._plane = RayControlPlane()
        self._talks: dict[Talk, asyncio.Task[None]] = {}
        self._lag_s = 0.0
        self._watching = asyncio.create_task(self._watch_the_loop())
        self.commands: dict[str, Callable[..., Awaitable[object]]] = {
            "open": self.open,
            "close": self.close,
            "mark": self.mark,
            "report": self.report,
            "lease": self.lease,
            "running": self.running,
            "disconnect": self.disconnect,
        }

    async def open(self, stage: str, sessions: int) -> list[str]:
        """Begin sessions; return where all of the stage's sessions are, once each has a place."""
        finder = LeasedFinder(stage, stage, self._plane, tries=3, try_s=0.5)
        for _ in range(sessions):
            talk = Talk(stage, finder)
            self._talks[talk] = asyncio.create_task(talk.run())
        async with asyncio.timeout(_WITHIN_S):
            while not all(talk.connected for talk in self._of(stage)):  # noqa: ASYNC110 — sessions tell nothing else
                await asyncio.sleep(0.02)
        return [str(talk.where) for talk in self._of(stage)]

    async def close(self, stage: str, sessions: int) -> None:
        """End the sessions of a stage that were opened last."""
        ending = {talk: self._talks.pop(talk) for talk in self._of(stage)[-sessions:]}
        for talk in ending:
            talk.stopping = True
        if ending:
            await asyncio.wait(ending.values(), timeout=_WITHIN_S)

    async def mark(self) -> None:
        """Forget what was noticed so far."""
        self._lag_s = 0.0
        for talk in self._talks:
            talk.mark()

    async def report(self) -> dict[str, object]:
        """Return what each session has noticed since the mark, and how long this loop was busy at a stretch."""
        talks = [
            {
                "stage": talk.stage,
                "was": talk.was,
                "where": str(talk.where),
                "connected": talk.connected,
                "lost_s": talk.lost_s,
                "found_s": talk.found_s,
                "gap_s": talk.gap_s,
            }
            for talk in self._talks
        ]
        return {"talks": talks, "lag_s": self._lag_s}

    async def lease(self, stage: str) -> dict[str, object]:
        """Lease a place and give it back; return the seconds, and the error if there was one."""
        began_s, error = time.monotonic(), ""
        try:
            async with asyncio.timeout(5):
                (await self._plane.lease(stage)).release()
        except (ServiceError, TimeoutError) as failed:
            error = repr(failed)
        return {"s": time.monotonic() - began_s, "error": error}

    async def running(self, stage: str) -> int:
        """Return how many replicas of a stage take sessions."""
        return await asyncio.to_thread(running_replicas, stage)

    async def disconnect(self) -> dict[str, object]:
        """End all sessions, and leave the cluster as a gateway does; return its seconds, and the tasks left."""
        for talk in self._talks:
            talk.stopping = True
        if self._talks:
            await asyncio.wait(self._talks.values(), timeout=_WITHIN_S)
        await self._plane.close()
        self._watching.cancel()
        await asyncio.wait({self._watching})
        left = [task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}]
        began_s = time.monotonic()
        await asyncio.to_thread(disconnect)
        return {"s": time.monotonic() - began_s, "tasks": left}

    def _of(self, stage: str) -> list[Talk]:
        return [talk for talk in self._talks if talk.stage == stage]

    async def _watch_the_loop(self) -> None:
        while True:
            began_s = time.monotonic()
            await asyncio.sleep(_LAG_S)
            self._lag_s = max(self._lag_s, time.monotonic() - began_s - _LAG_S)


async def main() -> None:
    talkers = Talkers()
    while line := await asyncio.to_thread(sys.stdin.readline):
        command: dict[str, Any] = json.loads(line)
        answer: dict[str, object] = {}
        try:
            answer["answer"] = await talkers.commands[command.pop("do")](**command)
        except Exception as error:
            answer["error"] = repr(error)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    connect(sys.argv[1])
    print(json.dumps({"answer": "ready"}), flush=True)
    try:
        asyncio.run(main())
    finally:
        os._exit(0)  # Ray's own end waits for a head, which may be gone
