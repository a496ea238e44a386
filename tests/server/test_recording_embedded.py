"""A recording with the embedded recogniser, in virtual time: its models get the same at once and in real time."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reactivex
from aiohttp import WSMsgType
from human import TWO_CITIES_OPENING, Utterance
from overheard import Overheard
from served import Client, Engine

from voicepipe.engine.local import LocalStt, load_local
from voicepipe.events import Samples
from voicepipe.loader import load_pipeline
from voicepipe.session import Stages
from voicepipe.weights import registry

pytestmark = pytest.mark.models

COMPLETED = "conversation.item.input_audio_transcription.completed"
SPEECH = ("input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped")
RECORDING: Utterance = TWO_CITIES_OPENING
PAUSES_S = [(8.0, 9.1), (12.6, 13.8), (16.5, 17.9), (20.3, 21.5), (23.9, 27.0)]
"""Where the reader pauses for half a second; the last one is behind the recording."""


@pytest.fixture(scope="module")
def recogniser() -> Iterator[LocalStt]:
    if registry.missing():
        pytest.skip("needs the embedded models: voicepipe models fetch")
    parts = load_local(["stt"], sessions=1, progress=lambda _: None)
    assert parts.stt is not None
    yield parts.stt
    parts.close()


class Hearing(Engine):
    """The embedded recogniser, and a bot that says nothing."""

    def __init__(self, recogniser: LocalStt) -> None:
        super().__init__()
        self.overheard = Overheard(recogniser)

    def stages(self) -> Any:
        recogniser, close = self.overheard.recogniser.open().stage, super().stages().on_close
        mute: Any = {"llm": lambda _: reactivex.never(), "tts": lambda words: words, "on_close": close}
        return Stages(
            vad=recogniser.vad,
            end_of_turn=recogniser.end_of_turn,
            stt=recogniser.stt,
            backlog=recogniser.backlog,
            **mute,
        )


@dataclass(frozen=True)
class Session:
    """The recording as the models heard it, and the client's events."""

    models: Overheard
    told: list[dict[str, Any]]

    @property
    def edges(self) -> list[tuple[str, int]]:
        """Return the starts and ends of turns, in ms of the recording."""
        names = {SPEECH[0]: "audio_start_ms", SPEECH[1]: "audio_end_ms"}
        return [(event["type"], event[names[event["type"]]]) for event in self.told if event["type"] in names]

    @property
    def transcripts(self) -> list[str]:
        return [event["transcript"] for event in self.told if event["type"] == COMPLETED]


async def session(serve: Any, recogniser: LocalStt, recordings: Path, detection: str | None, *, live: bool) -> Session:
    """Frames of 20 ms, each at its time, or messages of 15 s as fast as it goes; and a while of silence behind them."""
    engine = Hearing(recogniser)
    async with serve(load_pipeline(None), engine) as served, served.connect(protocols=()) as client:
        finding = detection and {"type": detection, "create_response": False}
        audio = {"input": {"turn_detection": finding}}
        await client.send({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
        await play(client, RECORDING.pcm(recordings), live=live)
        if detection is None:
            await client.send({"type": "input_audio_buffer.commit"})
        return Session(engine.overheard, [event async for event in until_quiet(client)])


async def play(client: Client, pcm: bytes, *, live: bool) -> None:
    began_s, size = asyncio.get_running_loop().time(), 960 if live else 720_000
    for at in range(0, len(pcm), size):
        if live:
            await asyncio.sleep(began_s + (at + size) / 48_000 - asyncio.get_running_loop().time())
        audio = base64.b64encode(pcm[at : at + size]).decode()
        await client.send({"type": "input_audio_buffer.append", "audio": audio})


async def until_quiet(client: Client) -> Any:
    """All events, until none has come for longer than any silence that ends a turn: virtual time, as is all here."""
    while True:
        try:
            async with asyncio.timeout(10):  # the timeout of `receive` itself begins anew with each ping
                message = await client.socket.receive()
        except TimeoutError:
            return
        assert message.type is WSMsgType.TEXT
        yield json.loads(message.data)


def same(one: list[Samples], other: list[Samples]) -> bool:
    return len(one) == len(other) and all(map(np.array_equal, one, other))


@pytest.mark.parametrize("detection", [None, "server_vad"], ids=["commit", "server_vad"])
async def test_where_silence_ends_turns_the_models_hear_the_same(
    serve: Any, recogniser: LocalStt, recordings: Path, detection: str | None
) -> None:
    """Live and at once: every frame, every clip and every edge, to the sample. The words are judged by their errors:
    they also depend on which guesses at a clip were made before the last one, and on the processor."""
    live = await session(serve, recogniser, recordings, detection, live=True)
    once = await session(serve, recogniser, recordings, detection, live=False)
    np.testing.assert_array_equal(live.models.sound, once.models.sound)
    assert same(live.models.clips, once.models.clips)
    assert live.edges == once.edges
    assert live.models.asked == once.models.asked == []
    assert len(live.transcripts) == len(once.transcripts) == (len(PAUSES_S) if detection else 1)
    for heard in (live, once):
        assert RECORDING.word_error_rate(" ".join(heard.transcripts)) <= 0.1, heard.transcripts
        assert all(in_a_pause(at_ms) for kind, at_ms in heard.edges if kind == SPEECH[1]), heard.edges


async def test_where_meaning_ends_turns_they_end_at_pauses(serve: Any, recogniser: LocalStt, recordings: Path) -> None:
    """The sound and the first question are the same to the sample. Which pauses end a turn is Smart Turn's affair, and
    an answer that comes when speech has gone on is dropped; the words are there all the same."""
    live = await session(serve, recogniser, recordings, "semantic_vad", live=True)
    once = await session(serve, recogniser, recordings, "semantic_vad", live=False)
    np.testing.assert_array_equal(live.models.sound, once.models.sound)
    np.testing.assert_array_equal(live.models.asked[0], once.models.asked[0])
    for heard in (live, once):
        assert 2 <= len(heard.transcripts) <= 9, heard.transcripts
        assert RECORDING.word_error_rate(" ".join(heard.transcripts)) <= 0.1, heard.transcripts
    assert abs(len(live.transcripts) - len(once.transcripts)) <= 1, (live.transcripts, once.transcripts)


def in_a_pause(at_ms: int) -> bool:
    return any(start_s <= at_ms / 1000 <= stop_s for start_s, stop_s in PAUSES_S)
