"""A recording with the embedded ear, in virtual time: heard at once word for word as it is heard while it is spoken."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import reactivex
from human import Utterance
from served import Client, Engine

from voicepipe import models
from voicepipe.engine.local import LocalEar, load_local
from voicepipe.loading import load_pipeline

pytestmark = pytest.mark.models

COMPLETED = "conversation.item.input_audio_transcription.completed"
TWO_CITIES = Utterance("two_cities", 0.0, 24.6, "")


@pytest.fixture(scope="module")
def ear() -> Iterator[LocalEar]:
    if models.missing():
        pytest.skip("needs the embedded models: voicepipe models fetch")
    parts = load_local(["stt"], sessions=1, progress=lambda _: None)
    assert parts.ear is not None
    yield parts.ear
    parts.close()


class Hearing(Engine):
    """The embedded ear, and a bot that says nothing."""

    def __init__(self, ear: LocalEar) -> None:
        super().__init__()
        self._ear = ear

    def stages(self) -> Any:
        ear, close = self._ear.open().stage, super().stages().close
        mute: Any = {"llm": lambda _: reactivex.never(), "tts": lambda words: words, "close": close}
        return SimpleNamespace(vad=ear.vad, end_of_turn=ear.end_of_turn, stt=ear.stt, backlog=ear.backlog, **mute)


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z' ]", "", text.lower()).split()


@pytest.mark.parametrize(
    "detection", [None, "server_vad", "semantic_vad"], ids=["commit", "server_vad", "semantic_vad"]
)
async def test_a_recording_is_heard_as_it_is_heard_live(
    serve: Any, ear: LocalEar, recordings: Path, detection: str | None
) -> None:
    """In messages of 15 s and as fast as it goes, or in frames of 20 ms, each at its time: the same turns and words.

    Not so the commas: those may depend on which guesses at a clip were made before the last one.
    """
    told: list[list[list[str]]] = []
    for live in (True, False):
        async with serve(load_pipeline(None), Hearing(ear)) as served, served.connect(protocols=()) as client:
            finding = detection and {"type": detection, "create_response": False}
            audio = {"input": {"turn_detection": finding}}
            await client.send({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
            await play(client, TWO_CITIES.pcm(recordings), live=live)
            if detection is None:
                await client.send({"type": "input_audio_buffer.commit"})
            heard: list[list[str]] = []
            while not (heard and heard[-1][-4:] == ["had", "nothing", "before", "us"]):
                heard.append(words((await client.event(COMPLETED))["transcript"]))
            told.append(heard)
    assert told[0] == told[1]


async def play(client: Client, pcm: bytes, *, live: bool) -> None:
    began_s, size = asyncio.get_running_loop().time(), 960 if live else 720_000
    for at in range(0, len(pcm), size):
        if live:
            await asyncio.sleep(began_s + (at + size) / 48_000 - asyncio.get_running_loop().time())
        audio = base64.b64encode(pcm[at : at + size]).decode()
        await client.send({"type": "input_audio_buffer.append", "audio": audio})
