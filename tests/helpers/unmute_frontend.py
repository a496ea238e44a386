"""Unmute's page without its browser: what its script sends, in its order and at its pace, and what it is told."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray
from ogg_opus import RATE_HZ, BrowserMicrophone

__all__ = ["Frontend", "Session", "loud", "stale_pages", "unmute_frontend"]

Message = dict[str, Any]
Session = dict[str, Any]
ORIGIN = "http://localhost:3000"
"""The origin of the page on its development server."""


class Frontend:
    """A page that talks. Its microphone is open from the beginning on; `sent` and `told` are the wire's two sides,
    and `lines` is both in the order that the page has seen."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.sent: list[Message] = []
        self.told: list[Message] = []
        self.lines: list[tuple[str, Message]] = []
        self._news = asyncio.Event()
        self._microphone = BrowserMicrophone(serial=2)
        self._to_say = np.zeros(0, np.float32)
        self._said = asyncio.Event()

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.lines.append(("client", message))
        await self.socket.send_str(json.dumps(message))

    async def send_pages(self, pages: Sequence[bytes]) -> None:
        """A message for each page."""
        for page in pages:
            await self.send({"type": "input_audio_buffer.append", "audio": base64.b64encode(page).decode()})

    async def say(self, sound: NDArray[np.float32]) -> None:
        """Until all of `sound` (24 kHz) has been said."""
        self._to_say, self._said = sound, asyncio.Event()
        await self._said.wait()

    async def until(self, kind: str, count: int = 1, *, since: int = 0) -> int:
        """Wait for event number `count` of this type after the first `since` events. Return how many came until it."""
        while True:
            places = [place for place, event in enumerate(self.told) if place >= since and event["type"] == kind]
            if len(places) >= count:
                return places[count - 1] + 1
            assert not self.socket.closed, f"closed with {self.socket.close_code} before {kind} number {count}"
            self._news.clear()
            await self._news.wait()

    async def closed(self) -> int | None:
        """The code, when the server has hung up."""
        while not self.socket.closed:
            self._news.clear()
            await self._news.wait()
        return self.socket.close_code

    async def listen(self) -> None:
        async for message in self.socket:
            self.told.append(json.loads(message.data))
            self.lines.append(("server", self.told[-1]))
            self._news.set()
        self._news.set()

    async def speak(self) -> None:
        """A page of 40 ms whenever the microphone has filled one, until the connection is closed."""
        loop, number = asyncio.get_running_loop(), 0
        began_s, frame = loop.time(), self._microphone.FRAME
        while not self.socket.closed:
            number += 1
            await asyncio.sleep(max(0.0, began_s + number * frame / RATE_HZ - loop.time()))
            now, self._to_say = self._to_say[:frame], self._to_say[frame:]
            pages = self._microphone(np.concatenate([now, np.zeros(frame - len(now), np.float32)]))
            if not len(self._to_say):
                self._said.set()
            try:
                await self.send_pages(pages)
            except ConnectionResetError:
                self.sent.pop()  # it has hung up
                return


@asynccontextmanager
async def unmute_frontend(
    url: str, session: Session, *, stale: Sequence[bytes] = (), queued: bool = False, within_s: float = 60
) -> AsyncIterator[Frontend]:
    """A page that looks whether the server is well, connects, and sends its settings, its old pages, and its voice.

    `stale` is what the recorder of the last connection has left behind. `queued`: it goes out before the settings, as
    what a page wants to send before it is connected does.
    """
    async with asyncio.timeout(within_s), aiohttp.ClientSession(url, headers={"Origin": ORIGIN}) as http:
        async with http.get("/v1/health") as answer:
            assert (await answer.json())["ok"]
        async with http.ws_connect("/v1/realtime", protocols=["realtime"], compress=15) as socket:
            assert (socket.protocol, socket.compress) == ("realtime", 0)
            page = Frontend(socket)
            if queued:
                await page.send_pages(stale)
            await page.send({"type": "session.update", "session": session})
            if not queued:
                await page.send_pages(stale)
            async with asyncio.TaskGroup() as tasks:
                both = [tasks.create_task(page.listen()), tasks.create_task(page.speak())]
                yield page
                for task in both:
                    task.cancel()


def loud(seconds: float) -> NDArray[np.float32]:
    """A tone that a scripted recogniser takes for speech. The scripted bot has another tone: this is no echo of it."""
    return (0.3 * np.sin(np.arange(round(seconds * RATE_HZ)) * 0.11)).astype(np.float32)


def stale_pages(seconds: float) -> list[bytes]:
    """The middle of another stream, in which somebody spoke."""
    microphone = BrowserMicrophone(serial=1)
    sound = loud(seconds).reshape(-1, microphone.FRAME)
    return [page for frame in sound for page in microphone(frame)][2:]
