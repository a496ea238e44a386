"""A text-to-speech service for tests: the protocol of Kyutai's moshi-server, with its first delay and its pace."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import ormsgpack
from aiohttp import web

from voicepipe.testing.marbles.sound import speech
from voicepipe.testing.servers.base import Visit, hang
from voicepipe.testing.servers.moshi import MoshiServer

__all__ = ["TtsServer"]

PATH = "/api/tts_streaming"
RATE_HZ, FRAME_MS = 24_000, 80


class TtsServer(MoshiServer):
    """Say each word for `word_s`, in something like a voice, `pace` times as fast as it is heard.

    The first sound comes `first_audio_s` after the first text. A word is said when `lookahead` more are known, or at
    `Eos`; its text comes before its sound. After the last it closes in order. `strays` packets of another client come
    before `Ready`. With an `api_key`, a connection without it gets 401; beyond `capacity` connections it is full.
    `Visit.notes` has the client's messages.
    """

    path = PATH
    max_message_bytes = 1 << 22

    def __init__(
        self,
        *,
        first_audio_s: float = 0.2,
        pace: float = 4.0,
        word_s: float = 0.32,
        lookahead: int = 2,
        strays: int = 0,
        api_key: str | None = None,
        capacity: int = 64,
        handshake_s: float = 0.0,
        dies_after: int = 4,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(host=host, port=port)
        self.first_audio_s, self.pace, self.word_s, self.lookahead = first_audio_s, pace, word_s, lookahead
        self.strays, self.api_key, self.capacity, self.handshake_s = strays, api_key, capacity, handshake_s
        # Frames after which a connection that fails in the middle does so.
        self.dies_after = dies_after

    def sound(self, at_ms: float) -> bytes:
        """Return the message with the 80 ms of sound from there on."""
        return _audio(at_ms)

    def strays_before_ready(self) -> list[bytes]:
        return [_audio(0)] * self.strays

    def begin(
        self, socket: web.WebSocketResponse, visit: Visit
    ) -> tuple[Callable[[dict[str, Any]], None], Coroutine[Any, Any, None]]:
        script = _Script(self.lookahead, visit.notes)
        return script.read, self._say(socket, visit, script)

    async def _say(self, socket: web.WebSocketResponse, visit: Visit, script: _Script) -> None:
        frames = 0
        word = await script.next()
        if word is not None:
            await asyncio.sleep(self.first_audio_s)
            await socket.send_bytes(ormsgpack.packb({"type": "Text", "text": "", "start_s": 0.0, "stop_s": 0.0}))
        while word is not None:
            start_s = frames * FRAME_MS / 1000
            text = {"type": "Text", "text": word, "start_s": start_s, "stop_s": start_s + self.word_s}
            await socket.send_bytes(ormsgpack.packb(text))
            for _ in range(round(self.word_s * 1000 / FRAME_MS)):
                if frames >= self.dies_after and await self.misbehave(self.trouble(visit), visit, socket):
                    await hang()
                await socket.send_bytes(self.sound(frames * FRAME_MS))
                frames += 1
                await asyncio.sleep(FRAME_MS / 1000 / self.pace)
            word = await script.next()
        await socket.close()


def _audio(at_ms: float) -> bytes:
    samples = speech(at_ms, FRAME_MS, RATE_HZ).samples
    return ormsgpack.packb({"type": "Audio", "pcm": samples}, option=ormsgpack.OPT_SERIALIZE_NUMPY)


@dataclass
class _Script:
    """The words that are still to be said."""

    lookahead: int
    notes: list[Any]
    _words: deque[str] = field(default_factory=deque[str])
    _over: bool = False
    _fresh: asyncio.Event = field(default_factory=asyncio.Event)

    def read(self, message: dict[str, Any]) -> None:
        self.notes.append(message)
        if message["type"] == "Text":
            self._words.extend(message["text"].split())
        elif message["type"] == "Eos":
            self._over = True
        self._fresh.set()

    async def next(self) -> str | None:
        """Return the next word when it may be said; None after the last."""
        while not self._over and len(self._words) <= self.lookahead:
            self._fresh.clear()
            await self._fresh.wait()
        return self._words.popleft() if self._words else None
