"""The default pipeline behind the real server: a user with a microphone, over a WebSocket, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
import reactivex
import sphn
from served import UPDATE, Engine

from voicepipe.events import (
    Audio,
    Event,
    FlushRequested,
    ReplyAudio,
    ReplyText,
    SpeechProbability,
    SpeechStarted,
    SynthesisEnded,
    SynthesisStarted,
    Transcribed,
    WordRecognised,
    WordSpoken,
)
from voicepipe.loader import load_pipeline
from voicepipe.rx import transduce
from voicepipe.session import Stages

RATE_HZ = 24_000
FRAME = 1920
WORD_S = 0.4


class Scripted(Engine):
    """Whoever speaks says "Hello."; the bot answers in `words` words of 0.4 s each."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self._reply = " ".join(["La"] * words)

    def stages(self):
        stages = super().stages()
        return Stages(
            vad=transduce(lambda _: _Loudness()),
            end_of_turn=lambda _: reactivex.just(0.9),
            stt=transduce(lambda _: _recognise),
            llm=lambda _: reactivex.just(self._reply),
            tts=lambda _: transduce(lambda _: _Synthesis()),
            on_close=stages.on_close,
        )


class _Loudness:
    def __init__(self) -> None:
        self._at_s = 0.0

    def __call__(self, audio: Audio) -> Iterator[SpeechProbability]:
        self._at_s += audio.duration_s
        yield SpeechProbability(float(np.abs(audio.samples).max() > 0.1), self._at_s)


def _recognise(event: Event) -> Iterator[Event]:
    match event:
        case SpeechStarted(at_s=at_s):
            yield WordRecognised("Hello.", at_s, at_s + 0.4)
        case FlushRequested(at_s=at_s):
            yield Transcribed(at_s)
        case _:
            pass


class _Synthesis:
    def __init__(self) -> None:
        self._at_s = 0.0

    def __call__(self, text: ReplyText) -> Iterator[Event]:
        tone = np.sin(np.arange(int(WORD_S * RATE_HZ)) * 0.05).astype(np.float32) * np.float32(0.3)
        start_s, self._at_s = self._at_s, self._at_s + WORD_S
        yield SynthesisStarted(text.delta)
        yield SynthesisEnded(WORD_S)
        yield ReplyAudio(Audio(tone, RATE_HZ))
        yield WordSpoken(text.delta.strip(), start_s, self._at_s)


class User:
    """Sends a microphone's sound in real time, and notes what comes back, and when."""

    def __init__(self, client) -> None:
        self.client = client
        self.heard: list[tuple[float, dict]] = []
        self._opus = sphn.OpusStreamWriter(RATE_HZ)

    async def talk(self, *, from_s: float, to_s: float, until_s: float) -> None:
        """Speak from one second to another; silence before and after."""
        listening = asyncio.create_task(self._listen())
        await self.client.send(UPDATE)
        for number in range(int(until_s * RATE_HZ / FRAME)):
            loud = from_s <= number * FRAME / RATE_HZ < to_s
            samples = np.full(FRAME, 0.0, np.float32)
            if loud:
                samples = np.sin(np.arange(FRAME) * 0.1).astype(np.float32) * np.float32(0.5)
            await self.client.speak(self._opus.append_pcm(samples))
            await asyncio.sleep(FRAME / RATE_HZ)
        await self.client.socket.close()
        await listening

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        async for event in self.client.events():
            self.heard.append((loop.time(), event))

    def kinds(self) -> list[str]:
        """Types in the order of their coming, repetitions left out."""
        kinds = [event["type"] for _, event in self.heard]
        return [kind for before, kind in zip(["", *kinds], kinds, strict=False) if kind != before]

    def first(self, kind: str) -> int:
        return next(number for number, (_, event) in enumerate(self.heard) if event["type"] == kind)


@pytest.fixture
def pipeline():
    return load_pipeline("pipelines/default.py")


async def test_the_bot_opens_and_answers(serve, pipeline, logs):
    """Its opening, the user's turn, its answer; and a line about that turn in the log."""
    async with serve(pipeline, Scripted(words=2), log_words=True) as served, served.connect() as client:
        user = User(client)
        await user.talk(from_s=2, to_s=3, until_s=6)
    order = [
        "session.updated",
        "response.created",
        "response.text.done",
        "conversation.item.input_audio_transcription.delta",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
    ]
    assert [kind for kind in user.kinds() if kind in order] == [*order, "response.created", "response.text.done"]
    outputs = [event["args"] for _, event in user.heard if event["type"] == "unmute.additional_outputs"]
    roles = [message["role"] for message in outputs[-1]["chat_history"]]
    assert roles == ["assistant", "user", "assistant"]
    assert outputs[-1]["debug_dict"]["total_ms"] == pytest.approx(sum(outputs[-1]["debug_dict"]["parts_ms"].values()))
    (turn,) = [line for line in logs if line["event"] == "turn" and "heard" in line]
    assert (turn["heard"], turn["answered"], turn["interrupted"]) == ("Hello.", "La La", False)


async def test_the_bot_falls_silent_when_the_user_speaks(serve, pipeline, logs):
    """After the interruption no sound of the old reply comes, and the history ends where the user cut in."""
    async with serve(pipeline, Scripted(words=60)) as served, served.connect() as client:
        user = User(client)
        await user.talk(from_s=5, to_s=6, until_s=6.1)
    cut = user.first("unmute.interrupted_by_vad")
    assert user.heard[cut][0] == pytest.approx(5.1, abs=0.15)
    assert "response.audio.delta" in [event["type"] for _, event in user.heard[:cut]]
    assert "response.audio.delta" not in [event["type"] for _, event in user.heard[cut:]]
    (outputs,) = [event["args"] for _, event in user.heard[cut:] if event["type"] == "unmute.additional_outputs"]
    assert outputs["chat_history"][-1]["content"].endswith("La—")
    (turn,) = [line for line in logs if line["event"] == "turn"]
    assert turn["interrupted"]


async def test_many_talk_at_once(serve, pipeline):
    """Each hears its own conversation only."""
    async with serve(pipeline, Scripted(words=2), max_sessions=4) as served:

        async def one() -> User:
            async with served.connect() as client:
                user = User(client)
                await user.talk(from_s=2, to_s=3, until_s=6)
                return user

        users = await asyncio.gather(*[one() for _ in range(4)])
    assert len({tuple(user.kinds()) for user in users}) == 1
    ids = [event["event_id"] for user in users for _, event in user.heard]
    assert len(set(ids)) == len(ids)
