"""voicepipe behind voicepipe: a relay and a server with the embedded models, two processes, and human speech."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest
from human import BEST_OF_TIMES
from processes import patient_pipeline, serving

from voicepipe.client import RecordedMicrophone, connect, events, read_recording
from voicepipe.weights import registry

pytestmark = [pytest.mark.e2e, pytest.mark.models, pytest.mark.xdist_group("e2e embedded")]

RELAY = Path(__file__).parents[2] / "pipelines" / "relay.py"
RATE_HZ = 24_000


def served(pipeline: Path | str, **environment: str):
    return serving([sys.executable, "-m", "voicepipe", "serve", str(pipeline), "--port", "0"], **environment)


async def asked(url: str, recording: Path) -> list[events.ServerEvent]:
    """Play a sentence to a server, and then silence, until it has been answered in sound."""
    seen: list[events.ServerEvent] = []

    async with connect(url, session={"instructions": "Answer in one short sentence."}) as conversation:
        microphone = RecordedMicrophone(read_recording(recording)[: int(4.8 * RATE_HZ)])
        microphone.play()

        async def speak() -> None:
            async for frame in microphone.frames():
                await conversation.send_audio(frame)

        speaking = asyncio.create_task(speak())
        try:
            async for event in conversation:
                seen.append(event)
                if isinstance(event, events.ResponseDone) and event.response.status == "completed":
                    return seen
        finally:
            speaking.cancel()
    raise AssertionError([event.type for event in seen])


def test_a_recorded_question_goes_through_the_relay(tmp_path: Path, recordings: Path) -> None:
    """The first sentence of a novel goes in at the relay; its words come back, and an answer in words and sound."""
    if registry.missing():
        pytest.skip("needs the embedded models: voicepipe models fetch")

    async def main(url: str) -> list[events.ServerEvent]:
        async with asyncio.timeout(120):
            return await asked(url, recordings / "two_cities.wav")

    with served(patient_pipeline(tmp_path)) as inner, served(RELAY, RELAY_URL=inner) as outer:
        seen = asyncio.run(main(outer))
    heard = " ".join(event.transcript for event in seen if isinstance(event, events.TranscriptionCompleted))
    assert BEST_OF_TIMES.word_error_rate(heard) <= 0.25
    assert "".join(event.delta for event in seen if isinstance(event, events.TranscriptDelta)).strip()
    sound = np.frombuffer(b"".join(event.data for event in seen if isinstance(event, events.AudioDelta)), "<i2")
    assert len(sound) > 0.3 * RATE_HZ
    assert np.abs(sound).max() > 1000
