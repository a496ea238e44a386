"""A client of a gateway: a microphone that speaks in tones, and the events of its conversation."""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
from kyutai import TONES

__all__ = ["ClusterTalk", "talking"]

FRAME = 480
PACKET_S = 0.02
SILENCE = bytes(2 * FRAME)


class ClusterTalk:
    """A conversation: what was heard and answered, in the order of the server's events."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._waiting = socket, deque[bytes]()
        self.events: list[dict[str, Any]] = []

    def say(self, text: str) -> None:
        """Speak; the silence that follows ends the turn."""
        pcm = (TONES.say(text).samples * 32767).astype(np.int16).tobytes()
        self._waiting.extend(pcm[at : at + 2 * FRAME].ljust(2 * FRAME, b"\0") for at in range(0, len(pcm), 2 * FRAME))

    async def answer(self, text: str, *, for_s: float = 30) -> tuple[str, str]:
        """Say something; return what was heard, and the status of the answer to it."""
        before = self.heard()
        self.say(text)
        done = await self.until("response.done", self.count("response.done") + 1, for_s=for_s)
        return self.heard()[len(before) :].strip(), done["response"]["status"]

    async def until(self, kind: str, count: int = 1, *, for_s: float = 30) -> dict[str, Any]:
        """Return the event number `count` of this kind, once it has come."""
        try:
            async with asyncio.timeout(for_s):
                while self.count(kind) < count:  # noqa: ASYNC110 — a socket fills the list
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"no {kind} number {count}: {[event['type'] for event in self.events]}") from None
        return [event for event in self.events if event["type"] == kind][count - 1]

    def count(self, kind: str) -> int:
        return sum(event["type"] == kind for event in self.events)

    def heard(self) -> str:
        """All that the user was heard to say."""
        kind = "conversation.item.input_audio_transcription.completed"
        return " ".join(event["transcript"].strip() for event in self.events if event["type"] == kind)

    async def speak(self) -> None:
        """Send a packet every 20 ms for ever."""
        loop, sent = asyncio.get_running_loop(), 0
        began_s = loop.time()
        while True:
            packet = self._waiting.popleft() if self._waiting else SILENCE
            audio = base64.b64encode(packet).decode()
            await self._socket.send_json({"type": "input_audio_buffer.append", "audio": audio})
            sent += 1
            await asyncio.sleep(began_s + sent * PACKET_S - loop.time())

    async def listen(self) -> None:
        """Keep all events but those of sound."""
        async for message in self._socket:
            event = message.json()
            if event["type"] != "response.output_audio.delta":
                self.events.append(event)


@asynccontextmanager
async def talking(url: str) -> AsyncIterator[ClusterTalk]:
    """A conversation with a gateway."""
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/v1/realtime") as socket:
        talk = ClusterTalk(socket)
        audio = {"input": {"format": {"type": "audio/pcm", "rate": 24_000}, "transcription": {"model": "any"}}}
        await socket.send_json({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
        tasks = [asyncio.create_task(work()) for work in (talk.speak, talk.listen)]
        try:
            await talk.until("session.updated")
            yield talk
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
