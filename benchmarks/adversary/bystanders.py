"""Two clients that do no harm: one asks for something small twenty times a second, the other one talks."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np

from voicepipe.audio import Codec, OggOpus, Pcm16
from voicepipe.events import Audio, Samples

__all__ = ["DIALECTS", "GA", "Dialect", "Line", "Lost", "Probe", "Talker"]

_RATE_HZ, _PACKET_S, _SPEAKS_S, _ANSWER_WITHIN_S = 24_000, 0.1, 0.7, 15.0
_EVERY_S, _PROBE_WITHIN_S = 0.05, 15.0
# Something that a recogniser takes for a voice, in packets, and one of silence.
_TONE = np.float32(0.4) * np.sin(2 * np.pi * 220 / _RATE_HZ * np.arange(round(_RATE_HZ * _SPEAKS_S), dtype=np.float32))
_PACKETS = np.split(_TONE, round(_SPEAKS_S / _PACKET_S))
_SILENCE = np.zeros(round(_RATE_HZ * _PACKET_S), np.float32)


class Lost(Exception):
    """A bystander's session has ended, or was not answered."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """A client's handshake, its first message, and the events that have an answer's sound and its end."""

    headers: dict[str, str]
    protocols: tuple[str, ...]
    opening: dict[str, Any] | None
    codec: Codec
    sound: str
    end: str


GA = Dialect({}, (), None, Pcm16(), "response.output_audio.delta", "response.done")
_SILENT = {"type": "session.update", "session": {"voice": None, "allow_recording": False}}
DIALECTS = {
    "ga": GA,
    "beta": Dialect({"OpenAI-Beta": "realtime=v1"}, (), None, Pcm16(), "response.audio.delta", "response.done"),
    "unmute": Dialect({}, ("realtime",), _SILENT, OggOpus(), "response.audio.delta", "response.audio.done"),
}


class Line:
    """A WebSocket that is read all the time: aiohttp's client answers pings while it is read, and only then."""

    def __init__(self, talk: aiohttp.ClientWebSocketResponse) -> None:
        self._talk = talk
        self._events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    @asynccontextmanager
    async def opened(cls, http: aiohttp.ClientSession, dialect: Dialect = GA) -> AsyncIterator[Line]:
        """Connect as a client of the dialect does, and close at the end."""
        path, offer = "/v1/realtime", {"headers": dialect.headers, "protocols": dialect.protocols}
        async with http.ws_connect(path, **offer) as talk:
            line = cls(talk)
            try:
                if dialect.opening is not None:
                    await line.send(dialect.opening)
                yield line
            finally:
                line._reading.cancel()

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message. Raises Lost when the session has ended."""
        try:
            await self._talk.send_str(json.dumps(message))
        except ConnectionError:
            raise self._lost() from None

    async def event(self, kind: str) -> dict[str, Any]:
        """Return the next event of this kind. Raises Lost when the session ends."""
        while (event := await self._events.get()) is not None:
            if event["type"] == kind:
                return event
        raise self._lost()

    async def _read(self) -> None:
        async for message in self._talk:
            self._events.put_nowait(json.loads(message.data))
        self._events.put_nowait(None)

    def _lost(self) -> Lost:
        return Lost(f"the session has ended with {self._talk.close_code}")


@dataclass(slots=True)
class Probe:
    """Asks for its settings; `answers_ms` is how long each answer took."""

    line: Line
    answers_ms: list[float] = field(default_factory=list[float])

    async def run(self, over: asyncio.Event) -> None:
        """Ask until it is over, and hear the last answer. Raises Lost."""
        while not over.is_set():
            began_s = time.monotonic()
            await self.line.send({"type": "session.update", "session": {"type": "realtime"}})
            try:
                async with asyncio.timeout(_PROBE_WITHIN_S):
                    await self.line.event("session.updated")
            except TimeoutError:
                raise Lost("the probe was not answered") from None
            self.answers_ms.append((time.monotonic() - began_s) * 1000)
            await asyncio.sleep(_EVERY_S)


class Talker:
    """Talks, and waits for the answer; `turns_ms` is from the end of its words to the first sound of each answer."""

    def __init__(self, line: Line, dialect: Dialect = GA) -> None:
        self.turns_ms: list[float] = []
        self._line, self._dialect = line, dialect
        self._encode = dialect.codec.encoder()

    async def turn(self) -> None:
        """Say something, and hear the answer out. Raises Lost."""
        await self.say()
        await self.answer()

    async def say(self) -> None:
        """Speak. Raises Lost."""
        await self._send(_PACKETS)

    async def answer(self) -> None:
        """Be quiet, and hear the answer out. Raises Lost."""
        began_s, quiet = time.monotonic(), asyncio.create_task(self._be_quiet())
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                await self._line.event(self._dialect.sound)
                self.turns_ms.append((time.monotonic() - began_s) * 1000)
                await self._line.event(self._dialect.end)
        except TimeoutError:
            raise Lost("a turn was not answered") from None
        finally:
            quiet.cancel()

    async def _send(self, packets: list[Samples]) -> None:
        next_s = time.monotonic()
        for packet in packets:
            sound = base64.b64encode(self._encode(Audio(packet, _RATE_HZ))).decode()
            await self._line.send({"type": "input_audio_buffer.append", "audio": sound})
            next_s += _PACKET_S
            await asyncio.sleep(next_s - time.monotonic())

    async def _be_quiet(self) -> None:
        while True:
            await self._send([_SILENCE])
