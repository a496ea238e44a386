"""The default pipeline on the embedded models in a room: the bot's voice comes back into the microphone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import reactivex
from reactivex import Observable

from voicepipe.audio import Pcm16
from voicepipe.client.samples import SAMPLES, read_sample
from voicepipe.conversation import Conversation
from voicepipe.engine.build import ComposedEngine, build_engine
from voicepipe.engine.settings import EngineSettings
from voicepipe.events import (
    AudioReceived,
    EchoFound,
    Event,
    ReplyEnded,
    ReplyInterrupted,
    Samples,
    SettingsChanged,
    SpeechEncoded,
    TurnEnded,
    TurnJudged,
)
from voicepipe.loader import load_pipeline
from voicepipe.session import SessionRunner
from voicepipe.testing import VirtualLoop

pytestmark = pytest.mark.models

RATE_HZ = 24_000
PACKET = 480
TELLS = (
    "The weather in Paris is sunny today, with some wind from the west. Tomorrow it will rain in the morning. On "
    "Friday the sky clears again, and the evening is warm."
)


class Room:
    """A loudspeaker and a microphone: what the bot says comes back, late, softer, and with a tail of 100 ms."""

    def __init__(self, delay_s: float, gain_db: float) -> None:
        tail = np.random.default_rng(0).normal(0, 0.1, 2_400) * np.exp(-np.arange(2_400) / 480)
        tail[0] = 1.0
        self._tail = tail / np.linalg.norm(tail) * 10 ** (gain_db / 20)
        self._delay = round(delay_s * RATE_HZ)
        self._played = np.zeros(60 * RATE_HZ)
        self._until = 0

    def play(self, sound: Samples, at: int) -> None:
        start = max(self._until, at)
        self._until = start + len(sound)
        self._played[start : self._until] = sound

    def stop(self, at: int) -> None:
        self._played[at:] = 0
        self._until = at

    def echo(self, at: int) -> Samples:
        """Return the echo in a packet of the microphone."""
        first = at - self._delay - len(self._tail)
        played = self._played[max(0, first) : max(0, at - self._delay + PACKET)]
        if not len(played):
            return np.zeros(PACKET, np.float32)
        return np.pad(np.convolve(played, self._tail)[: len(played)], (PACKET, 0))[-PACKET:].astype(np.float32)


@pytest.fixture(scope="module")
def engine() -> Iterator[ComposedEngine]:
    """The embedded recogniser, VAD, end-of-turn model and voice; the model's words are given."""
    engine = build_engine(EngineSettings(), max_sessions=1, uses=("vad", "end_of_turn", "stt", "tts"))
    yield engine
    engine.close()


def converse(
    engine: ComposedEngine, room: Room, seconds: float, user: Samples | None = None, at_s: float = 0.0
) -> tuple[list[Event], list[Conversation]]:
    """Play a conversation in virtual time; return what the client is sent, and what the model was asked."""
    events: list[Event] = []
    asked: list[Conversation] = []

    def llm(conversation: Conversation) -> Observable[str]:
        asked.append(conversation)
        return reactivex.from_iterable([f"{word} " for word in TELLS.split()])

    async def talk() -> None:
        loop = asyncio.get_running_loop()

        def emit(event: Event) -> None:
            events.append(event)
            match event:
                case SpeechEncoded(data=data):
                    room.play(np.frombuffer(data, "<i2").astype(np.float32) / 32768, round(loop.time() * RATE_HZ))
                case ReplyInterrupted():
                    room.stop(round(loop.time() * RATE_HZ))
                case _:
                    pass

        stages = replace(engine.stages(), llm=llm)
        running = SessionRunner(load_pipeline(None), session_id="room", codec=Pcm16(), stages=stages, emit=emit)
        running.receive(SettingsChanged("Be brief."))
        noise, said = np.random.default_rng(1), np.zeros(0) if user is None else user
        said = np.pad(said, (round(at_s * RATE_HZ), 0))
        for at in range(0, round(seconds * RATE_HZ), PACKET):
            voice = np.pad(said[at : at + PACKET], (0, PACKET - len(said[at : at + PACKET])))
            heard = room.echo(at) + voice + noise.normal(0, 3e-4, PACKET)
            await asyncio.sleep(max(0.0, (at + PACKET) / RATE_HZ - loop.time()))
            running.receive(AudioReceived((np.clip(heard, -1, 1) * 32767).astype("<i2").tobytes()))
        await running.close(grace_s=1)

    with VirtualLoop() as loop:
        loop.run(talk())
    return events, asked


@pytest.mark.parametrize(("delay_s", "gain_db"), [(0.05, -6), (0.2, -12), (0.4, -6), (0.3, -30)])
def test_the_bot_does_not_answer_itself(engine: ComposedEngine, delay_s: float, gain_db: float) -> None:
    """Its opening is heard to the end, and none of it is a turn of the user's."""
    events, asked = converse(engine, Room(delay_s, gain_db), 12)
    assert any(isinstance(event, EchoFound) for event in events)
    assert not [event for event in events if isinstance(event, ReplyInterrupted)]
    assert [event.text for event in events if isinstance(event, ReplyEnded)] == [TELLS]
    judged = {event.item: event.text for event in events if isinstance(event, TurnJudged)}
    assert not [event for event in events if isinstance(event, TurnEnded) and judged.get(event.item, event.text)]
    assert len(asked) == 1


def test_the_user_is_heard_over_the_bot(engine: ComposedEngine) -> None:
    """The reply stops, and the next one answers the user's words."""
    events, asked = converse(engine, Room(0.2, -12), 10, read_sample("question"), at_s=4)
    assert [event for event in events if isinstance(event, ReplyInterrupted)]
    said = next(message.text for message in asked[1].messages if message.role == "user")
    wanted = SAMPLES["question"].says.lower().split()
    assert sum(word in said.lower() for word in wanted) >= 0.7 * len(wanted)


def test_without_a_loudspeaker_nothing_is_different(engine: ComposedEngine) -> None:
    """No echo is found."""
    events, _ = converse(engine, Room(0.2, -200), 8)
    assert not [event for event in events if isinstance(event, EchoFound | TurnEnded)]
