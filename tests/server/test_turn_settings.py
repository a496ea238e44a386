"""A client's `turn_detection`, and its effect in a whole session on the default pipeline.

When turns end, whether they are answered, and whether they interrupt, is in `test_realtime`.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reactivex
from scripted_stages import scripted_stages
from served import Client, Engine

from voicepipe.boundary.workers import Workers
from voicepipe.events import Audio, Samples, SpeechProbability
from voicepipe.loader import load_pipeline
from voicepipe.presets import UTTERANCES
from voicepipe.rx import transduce
from voicepipe.stt import by_utterance

RATE_HZ = 24_000
FRAME_S = 0.02
STARTED, STOPPED = "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"
COMPLETED = "conversation.item.input_audio_transcription.completed"


@pytest.fixture
def workers() -> Iterator[Workers]:
    pool = Workers(1, "test")
    yield pool
    pool.close(timeout_s=5)


class Hearing(Engine):
    """As loud as the sound, so sure is the detector of a voice; a clip says how long it is, in frames of 20 ms."""

    def __init__(self, workers: Workers, *, finished: float = 0.9) -> None:
        super().__init__()
        self._workers, self._finished = workers, finished

    def stages(self) -> Any:
        stages = scripted_stages(lambda _: "La", super().stages().close)
        vad = transduce(lambda _: _Loudness())
        end_of_turn: Any = lambda _: reactivex.just(self._finished)
        stt = by_utterance(
            _measured,
            self._workers,
            replace(UTTERANCES, partial_every_ms=10_000, voiced_ms=0, join_up_to_s=0.1, longest_s=60),
        )
        return replace(stages, vad=vad, end_of_turn=end_of_turn, stt=stt)


def _measured(samples: Samples, draft: Sequence[int], cancelled: Callable[[], bool]) -> tuple[str, Sequence[int]]:
    return str(round(len(samples) / 16_000 / FRAME_S)), ()


class _Loudness:
    def __init__(self) -> None:
        self._at_s = 0.0

    def __call__(self, audio: Audio) -> list[SpeechProbability]:
        self._at_s = round(self._at_s + audio.duration_s, 6)
        return [SpeechProbability(float(np.abs(audio.samples).max()), self._at_s)]


async def say(client: Client, *stretches: tuple[float, float]) -> None:
    """Sound of so many seconds and that loudness each, in real time, though virtual."""
    for seconds, level in stretches:
        frame = np.full(round(FRAME_S * RATE_HZ), level * 32767, "<i2").tobytes()
        for _ in range(round(seconds / FRAME_S)):
            audio = base64.b64encode(frame).decode()
            await client.send({"type": "input_audio_buffer.append", "audio": audio})
            await asyncio.sleep(FRAME_S)


async def update(client: Client, **detection: Any) -> dict[str, Any]:
    """The client's settings as they are repeated to it."""
    audio = {"input": {"turn_detection": {"create_response": False, **detection}}}
    await client.send({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
    return (await client.event("session.updated"))["session"]["audio"]["input"]["turn_detection"]


@pytest.fixture
def pipeline() -> Any:
    return load_pipeline(None)


@pytest.mark.parametrize(("threshold", "heard"), [(0.2, [600, 3600]), (0.5, [3600]), (None, [3600])])
async def test_the_threshold(serve, pipeline, workers, threshold, heard):
    """A quiet voice and a loud one; without a word from the client it is as OpenAI has it."""
    async with serve(pipeline, Hearing(workers)) as served, served.connect(protocols=()) as client:
        assert (await update(client, type="server_vad", threshold=threshold))["threshold"] == threshold or 0.5
        await say(client, (0.6, 0), (1, 0.3), (2, 0), (1, 0.8), (1.5, 0))
        assert [(await client.event(STARTED))["audio_start_ms"] for _ in heard] == heard


@pytest.mark.parametrize(("eagerness", "after_s"), [("low", 1.44), ("medium", 0.72), ("auto", 0.72), ("high", 0.36)])
async def test_the_eagerness(serve, pipeline, workers, virtual_loop, eagerness, after_s):
    """It sets the wait for a user who does not sound as if they had finished."""
    async with serve(pipeline, Hearing(workers, finished=0.3)) as served, served.connect(protocols=()) as client:
        assert (await update(client, type="semantic_vad", eagerness=eagerness))["eagerness"] == eagerness
        began_s = virtual_loop.time()
        speaking = asyncio.create_task(say(client, (1, 0.8), (2, 0)))
        await client.event(STOPPED)
        assert virtual_loop.time() - began_s - 1 == pytest.approx(after_s, abs=0.05)
        await speaking


async def test_a_user_that_sounds_finished_is_not_waited_for(serve, pipeline, workers, virtual_loop):
    """However patient the client wants the bot to be."""
    async with serve(pipeline, Hearing(workers)) as served, served.connect(protocols=()) as client:
        await update(client, type="semantic_vad", eagerness="low")
        began_s = virtual_loop.time()
        speaking = asyncio.create_task(say(client, (1, 0.8), (2, 0)))
        await client.event(STOPPED)
        assert virtual_loop.time() - began_s - 1 == pytest.approx(0.18, abs=0.05)
        await speaking


@pytest.mark.parametrize(
    ("prefix_ms", "starts_ms", "frames"),
    [
        (None, [2000, 5000], [10, 10]),  # the recogniser's own margin
        (0, [2000, 5000], [0, 0]),
        (300, [1700, 4700], [15, 15]),
        (1500, [500, 3500], [75, 75]),
        (2500, [0, 3000], [100, 100]),  # as much as there is, and none of the turn before
    ],
)
async def test_the_prefix(serve, pipeline, workers, prefix_ms, starts_ms, frames):
    """So much of the sound before the voice is the turn's, for the client and for the recogniser."""
    async with serve(pipeline, Hearing(workers)) as served, served.connect(protocols=()) as client:
        settings = await update(client, type="server_vad", prefix_padding_ms=prefix_ms, silence_duration_ms=400)
        assert settings.get("prefix_padding_ms") == prefix_ms
        speaking = asyncio.create_task(say(client, (2, 0), (1, 0.8), (2, 0), (1, 0.8), (1, 0)))
        for start_ms, before, end_ms in zip(starts_ms, frames, (3000, 6000), strict=True):
            assert (await client.event(STARTED))["audio_start_ms"] == start_ms
            assert (await client.event(STOPPED))["audio_end_ms"] == end_ms
            completed = await client.event(COMPLETED)
            # The prefix, the speech, and the pause in which its end was noticed; but for what a resampler holds up.
            assert 0 <= before + 50 + 8 - int(completed["transcript"]) <= 2
            assert completed["usage"]["seconds"] == pytest.approx((end_ms - start_ms) / 1000)
        await speaking


async def test_the_prefix_can_be_changed_and_taken_back(serve, pipeline, workers):
    """From the next turn on; and what cannot be is refused."""
    async with serve(pipeline, Hearing(workers)) as served, served.connect(protocols=()) as client:
        starts: list[int] = []
        for prefix_ms in (500, None, 100):
            await update(client, type="server_vad", prefix_padding_ms=prefix_ms)
            await say(client, (1, 0), (0.5, 0.8), (1, 0))
            starts.append((await client.event(STARTED))["audio_start_ms"])
        assert starts == [500, 2500 + 1000, 5000 + 900]
        for wrong in (-1, 20_000, "much"):
            audio = {"input": {"turn_detection": {"type": "server_vad", "prefix_padding_ms": wrong}}}
            await client.send({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
            assert (await client.error())["param"].endswith("prefix_padding_ms")
