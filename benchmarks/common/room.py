"""A room in virtual time: the default pipeline on the embedded models, a loudspeaker, a microphone, and a user."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from unittest.mock import patch

import numpy as np
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.audio import Pcm16
from voicepipe.conversation import Conversation
from voicepipe.engine.build import ComposedEngine, build_engine
from voicepipe.engine.settings import EngineSettings
from voicepipe.events import AudioReceived, Event, ReplyInterrupted, Samples, SettingsChanged, SpeechEncoded
from voicepipe.loader import load_pipeline
from voicepipe.session import SessionRunner, Stages
from voicepipe.testing import VirtualLoop
from voicepipe.tts.hibari import Hibari

__all__ = ["PACKET", "RATE_HZ", "TELLS", "Room", "Talk", "converse", "embedded_engine"]

RATE_HZ = 24_000
PACKET = 480
INAUDIBLE_DB = -100.0
"""A step of 16 bits is -90 dB: no echo needs to be computed below."""
PATIENCE_S = 60.0
"""For a model, on a machine that does other work."""
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
        self._is_heard = gain_db > INAUDIBLE_DB
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
        if not len(played) or not self._is_heard:
            return np.zeros(PACKET, np.float32)
        return np.pad(np.convolve(played, self._tail)[: len(played)], (PACKET, 0))[-PACKET:].astype(np.float32)


@dataclass(slots=True)
class Talk:
    """The events that a client was sent, with their times, and the requests to the model."""

    events: list[Event] = field(default_factory=list[Event])
    times_s: list[float] = field(default_factory=list[float])
    asked: list[Conversation] = field(default_factory=list[Conversation])

    def when(self, kind: type[Event]) -> list[float]:
        """Return the times of the events of a kind."""
        return [at_s for event, at_s in zip(self.events, self.times_s, strict=True) if isinstance(event, kind)]


@contextmanager
def embedded_engine() -> Iterator[ComposedEngine]:
    """The embedded recogniser, VAD, end-of-turn model and voice; the model's words are given.

    The bot says the same in every conversation: the sound of a clause is computed once.
    """
    with patch.object(Hibari, "synthesise", lru_cache(Hibari.synthesise)):
        engine = build_engine(EngineSettings(), max_sessions=1, uses=("vad", "end_of_turn", "stt", "tts"))
        try:
            yield engine
        finally:
            engine.close()


def converse(
    engine: ComposedEngine,
    room: Room,
    seconds: float,
    user: Samples | None = None,
    at_s: float = 0.0,
    *,
    opens: bool = True,
    thinks_s: float = 0.0,
) -> Talk:
    """Play a conversation in virtual time, in which the bot says `TELLS` each time, after `thinks_s`."""
    talk = Talk()

    def llm(conversation: Conversation) -> Observable[str]:
        talk.asked.append(conversation)
        words = reactivex.from_iterable([f"{word} " for word in TELLS.split()])
        return words.pipe(rx_ops.delay_subscription(thinks_s)) if thinks_s else words

    said = np.pad(np.zeros(0, np.float32) if user is None else user, (round(at_s * RATE_HZ), 0))
    with VirtualLoop(patience_s=PATIENCE_S) as loop:
        stages = replace(engine.stages(), llm=llm)
        loop.run(_talk(stages, room, _padded(said, round(seconds * RATE_HZ)), talk, opens=opens))
    return talk


async def _talk(stages: Stages, room: Room, said: Samples, talk: Talk, *, opens: bool) -> None:
    loop, noise = asyncio.get_running_loop(), np.random.default_rng(1)

    def emit(event: Event) -> None:
        talk.events.append(event)
        talk.times_s.append(loop.time())
        match event:
            case SpeechEncoded(data=data):
                room.play(np.frombuffer(data, "<i2").astype(np.float32) / 32768, round(loop.time() * RATE_HZ))
            case ReplyInterrupted():
                room.stop(round(loop.time() * RATE_HZ))
            case _:
                pass

    running = SessionRunner(load_pipeline(None), session_id="room", codec=Pcm16(), stages=stages, emit=emit)
    if opens:
        running.receive(SettingsChanged("Be brief."))
    for at in range(0, len(said), PACKET):
        heard = room.echo(at) + said[at : at + PACKET] + noise.normal(0, 3e-4, PACKET)
        await asyncio.sleep(max(0.0, (at + PACKET) / RATE_HZ - loop.time()))
        running.receive(AudioReceived((np.clip(heard, -1, 1) * 32767).astype("<i2").tobytes()))
    await running.close(grace_s=1)


def _padded(sound: Samples, least: int) -> Samples:
    """Return the sound with silence behind it, up to a whole number of packets."""
    packets = -(-least // PACKET)
    return np.pad(sound[: packets * PACKET], (0, max(0, packets * PACKET - len(sound))))
