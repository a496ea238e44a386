"""A client of OpenAI's Realtime API (GA) with the members of `voicepipe.client.ClientConnection` that a caller uses."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import numpy as np

from benchmarks.common.speech import RATE_HZ
from voicepipe.client import websocket_url
from voicepipe.client.socket import Message
from voicepipe.events import Samples

__all__ = ["RealtimeConnection", "connect_realtime"]


class RealtimeConnection:
    """An open conversation with PCM of 16 bits at 24 kHz in both directions."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send_audio(self, samples: Samples) -> None:
        """Send the user's next sound, 24 kHz."""
        pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        await self._socket.send_json({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()})

    def sound(self, delta: str) -> Samples:
        """Return the sound of a `response.output_audio.delta`."""
        return np.frombuffer(base64.b64decode(delta), "<i2").astype(np.float32) / 32768

    async def __aiter__(self) -> AsyncIterator[Message]:
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                yield json.loads(message.data)

    async def close(self) -> None:
        await self._socket.close()


@asynccontextmanager
async def connect_realtime(url: str, *, instructions: str) -> AsyncGenerator[RealtimeConnection]:
    """Open a conversation with the server's own turn detection."""
    headers = {"Authorization": "Bearer none"}
    async with aiohttp.ClientSession(headers=headers) as http, http.ws_connect(websocket_url(url)) as socket:
        pcm = {"type": "audio/pcm", "rate": RATE_HZ}
        audio = {"input": {"format": pcm, "turn_detection": {"type": "server_vad"}}, "output": {"format": pcm}}
        session = {"type": "realtime", "instructions": instructions, "audio": audio}
        await socket.send_json({"type": "session.update", "session": session})
        yield RealtimeConnection(socket)
