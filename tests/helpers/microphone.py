"""A user's microphone for tests in real time: PCM16, 24 kHz, loud where they speak."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import chain, repeat

import numpy as np

RATE_HZ = 24_000
FRAME_S = 0.02
_FRAME = int(RATE_HZ * FRAME_S)
LOUD = (np.sin(np.arange(_FRAME) * 0.1) * 16_000).astype("<i2").tobytes()
SILENT = bytes(2 * _FRAME)


async def speak(send: Callable[[bytes], Awaitable[object]], *, speech_s: float, silence_s: float) -> None:
    """Frames of speech, then of silence, each at its time."""
    await _send(send, chain(repeat(LOUD, round(speech_s / FRAME_S)), repeat(SILENT, round(silence_s / FRAME_S))))


async def say(send: Callable[[bytes], Awaitable[object]], sound: bytes) -> None:
    """Send speech frame by frame, each at its time; then silence, until this is cancelled."""
    frames = (sound[start : start + len(SILENT)] for start in range(0, len(sound), len(SILENT)))
    await _send(send, chain(frames, repeat(SILENT)))


async def _send(send: Callable[[bytes], Awaitable[object]], frames: Iterable[bytes]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, frame in enumerate(frames):
        await asyncio.sleep(max(0.0, began + number * FRAME_S - loop.time()))
        await send(frame)


def recorded(seconds: float) -> bytes:
    """Speech, all at once."""
    return LOUD * round(seconds / FRAME_S)


@asynccontextmanager
async def open_microphone(send: Callable[[bytes], Awaitable[object]], sound: bytes) -> AsyncIterator[None]:
    """In the block somebody says this, and the microphone stays open after it."""
    saying = asyncio.create_task(say(send, sound))
    try:
        yield
    finally:
        saying.cancel()
        with suppress(asyncio.CancelledError):
            await saying
