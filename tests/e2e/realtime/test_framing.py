"""Sound that openai-python sends in odd pieces, over a real socket, to a pipeline that sends back what it hears."""

from __future__ import annotations

import asyncio
import base64
import textwrap
from typing import Any

import numpy as np
import pytest
from openai_python import connected

from voicepipe.audio import OggOpus
from voicepipe.events import Audio

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e realtime")]

TONE = (0.4 * np.sin(np.arange(48_000) * 0.1)).astype(np.float32)
PCM = (TONE * 32767).astype("<i2").tobytes()


async def back(connection: Any, texts: list[str], length: int) -> bytes:
    """The sound that comes back, as far as `length` bytes; an error event fails."""

    async def send() -> None:
        for text in texts:
            await connection.input_audio_buffer.append(audio=text)
            await asyncio.sleep(0.01)

    sending, heard = asyncio.create_task(send()), b""
    while len(heard) < length:
        event = await connection.recv()
        assert event.type != "error", event
        if event.type == "response.output_audio.delta":
            heard += base64.b64decode(event.delta)
    await sending
    return heard


def written(data: bytes, size: int) -> list[str]:
    return [base64.b64encode(data[at : at + size]).decode() for at in range(0, len(data), size)]


async def test_pcm_cut_at_odd_bytes_comes_back_as_it_was(echo: str) -> None:
    """In lines of 76 characters without padding, as well."""
    async with connected(echo) as connection:
        assert await back(connection, written(PCM, 4097), len(PCM)) == echoed(PCM)
    async with connected(echo) as connection:
        wrapped = ["\n".join(textwrap.wrap(text.rstrip("="), 76)) for text in written(PCM, 4096)]
        assert await back(connection, wrapped, len(PCM)) == echoed(PCM)


def echoed(pcm: bytes) -> bytes:
    """Return samples as the echo sends them: through floats and back."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) * np.float32(1 / 32768)
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


@pytest.mark.parametrize("size", [333, 1000, 4096])
async def test_ogg_opus_cut_anywhere_comes_back_whole(echo: str, size: int) -> None:
    """As from a pipe."""
    encode = OggOpus().encoder()
    stream = b"".join(encode(Audio(TONE[at : at + 960], 24_000)) for at in range(0, len(TONE), 960))
    audio = {"input": {"format": {"type": "audio/opus"}}}
    async with connected(echo, audio=audio) as connection:
        heard = await back(connection, written(stream, size), len(PCM))
    assert heard == (np.clip(OggOpus().decoder()(stream), -1, 1) * 32767).astype("<i2").tobytes()
