"""A user's microphone for tests in real time: PCM16, 24 kHz, loud where they speak."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np

RATE_HZ = 24_000
FRAME_S = 0.02
_FRAME = int(RATE_HZ * FRAME_S)
LOUD = (np.sin(np.arange(_FRAME) * 0.1) * 16_000).astype("<i2").tobytes()
SILENT = bytes(2 * _FRAME)


async def speak(send: Callable[[bytes], Awaitable[object]], *, speech_s: float, silence_s: float) -> None:
    """Frames of speech, then of silence, each at its time."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    frames = [LOUD] * round(speech_s / FRAME_S) + [SILENT] * round(silence_s / FRAME_S)
    for number, frame in enumerate(frames):
        await asyncio.sleep(max(0.0, began + number * FRAME_S - loop.time()))
        await send(frame)


def recorded(seconds: float) -> bytes:
    """Speech, all at once."""
    return LOUD * round(seconds / FRAME_S)
