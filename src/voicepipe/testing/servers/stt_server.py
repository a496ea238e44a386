"""A speech-to-text service for tests: the protocol of Kyutai's moshi-server, its delay and its pace."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import ormsgpack
from aiohttp import web

from voicepipe.events import Samples
from voicepipe.testing.servers.base import Visit, hang
from voicepipe.testing.servers.moshi import MoshiServer
from voicepipe.testing.servers.recognisers import FakeRecogniser, Listening

__all__ = ["SttServer"]

PATH = "/api/asr-streaming"
FRAME, FRAME_S = 1920, 0.08


class SttServer(MoshiServer):
    """Emit what `recogniser` hears, `delay_s` late, with a step for each 80 ms of sound.

    Steps come in batches: one of each connection every `step_s`, 4 times as fast as real time. The pause score
    (`prs[2]`) is 0.05 during speech and until `pause_after_s` of silence, then 0.95. With an `api_key`, a connection
    without it in the header `kyutai-api-key` gets 401; beyond `capacity` connections it is full. `Visit.notes` has the
    words sent.
    """

    path = PATH
    max_message_bytes = 1 << 20

    def __init__(
        self,
        recogniser: FakeRecogniser,
        *,
        delay_s: float = 0.5,
        step_s: float = 0.02,
        pause_after_s: float = 0.24,
        api_key: str | None = "public_token",
        capacity: int = 64,
        handshake_s: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(host=host, port=port)
        self.recogniser, self.delay_s, self.step_s, self.pause_after_s = recogniser, delay_s, step_s, pause_after_s
        self.api_key, self.capacity, self.handshake_s = api_key, capacity, handshake_s
        # Frames heard, on all connections.
        self.frames = 0

    def begin(
        self, socket: web.WebSocketResponse, visit: Visit
    ) -> tuple[Callable[[dict[str, Any]], None], Coroutine[Any, Any, None]]:
        stream = _Stream(self.recogniser.listen(), self.delay_s, self.pause_after_s, visit.notes)
        return stream.read, self._step(socket, visit, stream)

    async def _step(self, socket: web.WebSocketResponse, visit: Visit, stream: _Stream) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await stream.fresh.wait()
            now = clock()
            # The model takes one frame of every connection at once, at its own ticks.
            await asyncio.sleep((math.floor(now / self.step_s + 1e-6) + 1) * self.step_s - now)
            if stream.steps and await self.misbehave(self.trouble(visit), visit, socket):
                await hang()
            self.frames += 1
            for message in stream.step():
                await socket.send_bytes(ormsgpack.packb(message))


@dataclass
class _Stream:
    """The sound and the result of one connection."""

    listening: Listening
    delay_s: float
    pause_after_s: float
    notes: list[Any]
    fresh: asyncio.Event = field(default_factory=asyncio.Event)
    steps: int = 0
    _sound: Samples = field(default_factory=lambda: np.zeros(0, np.float32))
    _silent_s: float = 10.0
    _due: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list[tuple[float, int, dict[str, Any]]])
    _numbers: Any = field(default_factory=itertools.count)

    def read(self, message: dict[str, Any]) -> None:
        if message["type"] == "Audio":
            self._sound = np.concatenate([self._sound, np.asarray(message["pcm"], np.float32)])
            if len(self._sound) >= FRAME:
                self.fresh.set()
        elif message["type"] == "Marker":
            end_s = self.steps * FRAME_S + len(self._sound) // FRAME * FRAME_S
            self._later(end_s, {"type": "Marker", "id": message["id"]})

    def step(self) -> list[dict[str, Any]]:
        """Return the messages for the next frame: a step, and what the model knows by now."""
        frame, self._sound = self._sound[:FRAME], self._sound[FRAME:]
        if len(self._sound) < FRAME:
            self.fresh.clear()
        at_s, first = self.steps * FRAME_S, self.steps == 0
        self.steps += 1
        voiced, said = self.listening(frame, at_s)
        for one in said:
            self._say(one.text, one.at_s)
        self._silent_s = 0.0 if voiced else self._silent_s + FRAME_S
        score = 0.95 if self._silent_s >= self.pause_after_s - 1e-6 else 0.05
        step = {"type": "Step", "step_idx": self.steps - 1, "prs": [score, score, score, score]}
        empty = [{"type": "Word", "text": "", "start_time": 0.0}] if first else []
        return [*empty, step, *self._ready(self.steps * FRAME_S - self.delay_s)]

    def _say(self, text: str | None, at_s: float) -> None:
        if text is None:
            self._later(at_s, {"type": "EndWord", "stop_time": at_s})
        else:
            # A word is known after its first syllables.
            self._later(at_s + FRAME_S, {"type": "Word", "text": text, "start_time": at_s})

    def _later(self, at_s: float, message: dict[str, Any]) -> None:
        heapq.heappush(self._due, (at_s, next(self._numbers), message))

    def _ready(self, clock_s: float) -> list[dict[str, Any]]:
        ready: list[dict[str, Any]] = []
        while self._due and self._due[0][0] <= clock_s + 1e-6:
            message = heapq.heappop(self._due)[2]
            ready.append(message)
            if message["type"] == "Word":
                self.notes.append(message["text"])
        return ready
