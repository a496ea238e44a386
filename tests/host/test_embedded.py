"""The embedded models behind a host, with the clients that a gateway has: real sockets, virtual time."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest
from hosted import KEY, Hosted, serving_stage, stt_of
from kyutai import Running, play, running

from voicepipe.audio import resampled
from voicepipe.conversation import Conversation
from voicepipe.engine.kyutai import KyutaiTts
from voicepipe.engine.settings import EngineSettings
from voicepipe.events import Audio, Pause, ReplyAudio, ReplyText, Transcribed, WordRecognised, WordSpoken
from voicepipe.host.embedded import load_stage
from voicepipe.services import NULL_OBSERVER
from voicepipe.testing import VirtualLoop

pytestmark = pytest.mark.models


def recording(file: Path, until_s: float) -> Audio:
    with wave.open(str(file)) as sound:
        rate_hz = sound.getframerate()
        pcm = np.frombuffer(sound.readframes(round(until_s * rate_hz)), np.int16)
    return resampled(Audio(pcm.astype(np.float32) / 32768, rate_hz), 24_000)


def test_moonshine_hears_a_recording_over_the_wire(virtual_loop: VirtualLoop, recordings: Path) -> None:
    """The words come before the pause that ends the turn, which Smart Turn or the silence has found."""
    noise = np.random.default_rng(1).normal(0, 1e-4, 24_000).astype(np.float32)

    async def main(host: Hosted) -> Running:
        async with host, running(stt_of(host.url)) as heard:
            await play(heard.source, recording(recordings / "two_cities.wav", 3.5), Audio(noise, 24_000))
        return heard

    stage = load_stage("stt", capacity=1)
    try:
        heard = virtual_loop.run(main(serving_stage(stage)))
    finally:
        stage.close()
    words = heard.texts(WordRecognised).lower()
    assert "it was the best of times" in words.replace(",", "")
    assert heard.events(Pause)[-1].probability > 0.6
    last_word_s = max(heard.times(WordRecognised))
    assert last_word_s <= max(heard.times(Transcribed))


def test_hibari_speaks_over_the_wire(virtual_loop: VirtualLoop) -> None:
    async def main(host: Hosted) -> Running:
        settings = EngineSettings(tts_url=host.url, kyutai_api_key=KEY)
        async with host:
            voice = KyutaiTts(host.url, settings, _no_http, NULL_OBSERVER, None).open().stage(Conversation())
            async with running(voice) as spoken:
                for word in ("It", " is", " 5", " o'clock."):
                    spoken.source.on_next(ReplyText(word))
                spoken.source.on_completed()
                await asyncio.wait_for(spoken.ended.wait(), 30)
                return spoken

    stage = load_stage("tts", capacity=1)
    try:
        spoken = virtual_loop.run(main(serving_stage(stage)))
    finally:
        stage.close()
    assert spoken.completed
    assert spoken.texts(WordSpoken) == "It is 5 o'clock."
    assert sum(reply.audio.duration_s for reply in spoken.events(ReplyAudio)) > 0.8


def _no_http() -> None:
    raise AssertionError("only a probe asks by HTTP")
