"""openai-python sends a whole recording at once to `voicepipe serve`, as its users do with a file."""

from __future__ import annotations

import asyncio
import base64
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from human import Utterance
from openai_python import connected, until
from processes import serving, until_empty

from voicepipe.weights import registry

pytestmark = [pytest.mark.e2e, pytest.mark.models, pytest.mark.xdist_group("e2e recordings")]

LONGEST_S = 240
COMPLETED = "conversation.item.input_audio_transcription.completed"
STOPPED = "input_audio_buffer.speech_stopped"
LAST_WORD_S = 41
"""Before the end of the recording's last word."""
TWO_CITIES = Utterance(
    "two_cities",
    0.0,
    44.4,
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it"
    " was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of"
    " Darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had nothing"
    " before us, we were all going direct to Heaven, we were all going direct the other way. In short, the period was"
    " so far like the present period, that some of its noisiest authorities insisted on its being received, for good or"
    " for evil, in the superlative degree of comparison only.",
)
"""As Dickens wrote it, and as somebody reads it out."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server of its own."""
    if registry.missing():
        pytest.skip("needs the embedded models: voicepipe models fetch")
    with serving([sys.executable, "-m", "voicepipe", "serve", "--port", "0", "--max-sessions", "2"]) as url:
        yield url


async def append(connection: Any, pcm: bytes, message_s: float) -> None:
    """As fast as it goes."""
    size = round(message_s * 48_000)
    for at in range(0, len(pcm), size):
        await connection.input_audio_buffer.append(audio=base64.b64encode(pcm[at : at + size]).decode())


def turns(detection: dict[str, Any] | None) -> dict[str, Any]:
    return {"audio": {"input": {"turn_detection": detection}}}


@pytest.mark.parametrize("message_s", [15.0, 0.02])
async def test_a_recording_that_is_committed(server: str, recordings: Path, message_s: float) -> None:
    """44 s, in three messages or in 2,220: all its words, and sooner than they were spoken, on a busy machine, too."""
    async with connected(server, **turns(None)) as connection:
        began_s = time.perf_counter()
        await append(connection, TWO_CITIES.pcm(recordings), message_s)
        await connection.input_audio_buffer.commit()
        heard = (await until(connection, COMPLETED))[-1].transcript
        took_s = time.perf_counter() - began_s
    assert TWO_CITIES.word_error_rate(heard) <= 0.1, heard
    assert took_s < TWO_CITIES.stop_s


async def test_a_recording_whose_turns_are_found(server: str, recordings: Path) -> None:
    """The reader pauses six times for half a second; no word is lost between two turns."""
    events: list[Any] = []
    async with connected(server, **turns({"type": "server_vad", "create_response": False})) as connection:
        began_s = time.perf_counter()
        await append(connection, TWO_CITIES.pcm(recordings), 15.0)
        while not any(event.audio_end_ms > LAST_WORD_S * 1000 for event in events if event.type == STOPPED):
            events += await until(connection, COMPLETED)
        took_s = time.perf_counter() - began_s
    heard = [event.transcript for event in events if event.type == COMPLETED]
    assert 6 <= len(heard) <= 8, heard
    assert TWO_CITIES.word_error_rate(" ".join(heard)) <= 0.1, heard
    assert took_s < TWO_CITIES.stop_s


async def test_a_client_that_leaves_in_the_middle(server: str, recordings: Path) -> None:
    """Makes room for the next one."""
    for _ in range(3):
        await asyncio.to_thread(until_empty, server)
        async with connected(server, **turns(None)) as one, connected(server, **turns(None)) as two:
            for connection in (one, two):
                await append(connection, TWO_CITIES.pcm(recordings), 5.0)
            await asyncio.sleep(0.5)
