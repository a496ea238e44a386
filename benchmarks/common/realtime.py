"""A conversation of OpenAI's Realtime API (GA) with the members of Unmute's `ClientConnection` that a caller uses."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from voicepipe.client import RealtimeConnection, connect
from voicepipe.client.socket import Message
from voicepipe.events import Samples

__all__ = ["RealtimeCall", "connect_realtime"]


class RealtimeCall:
    """An open conversation with PCM of 16 bits at 24 kHz in both directions."""

    def __init__(self, connection: RealtimeConnection) -> None:
        self._connection = connection

    async def send_audio(self, samples: Samples) -> None:
        """Send the user's next sound, 24 kHz."""
        await self._connection.send_audio(samples)

    def sound(self, delta: str) -> Samples:
        """Return the sound of a `response.output_audio.delta`."""
        return np.frombuffer(base64.b64decode(delta), "<i2").astype(np.float32) / 32768

    async def __aiter__(self) -> AsyncIterator[Message]:
        async for event in self._connection:
            yield event.raw

    async def close(self) -> None:
        await self._connection.close()


@asynccontextmanager
async def connect_realtime(url: str, *, instructions: str) -> AsyncGenerator[RealtimeCall]:
    """Open a conversation with the server's own turn detection."""
    session = {"instructions": instructions, "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    async with connect(url, session=session, resumable=False) as connection:
        yield RealtimeCall(connection)
