"""Whole conversations through the default pipeline, with a recogniser and a synthesiser on the network."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from kyutai import RECONNECTING, STT, STT_OPTIONS, TONES, TTS, finder

from voicepipe.audio import Pcm16
from voicepipe.conversation import Message
from voicepipe.events import (
    AudioReceived,
    Event,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    SettingsChanged,
    SpeechEncoded,
    StageFailed,
    TurnConfirmed,
    TurnEnded,
    TurnMeasured,
    Warned,
    WordSpoken,
)
from voicepipe.loader import load_pipeline
from voicepipe.services import Backoff, ServiceUnavailable
from voicepipe.session import SessionRunner, Stages
from voicepipe.stage import named
from voicepipe.stt.kyutai import stage as stt
from voicepipe.testing import Marbles
from voicepipe.testing.servers import ByTone, Fails, SttServer, TtsServer
from voicepipe.tts.kyutai import stage as tts

ANSWERS = {
    "": "100ms h|",
    "one two three": "200ms (ab)(cd)|",
    "four five": "300ms t|",
}
SAYS = {"h": "Hi!", "a": "How ", "b": "are ", "c": "you ", "d": "today?", "t": "It is noon."}


@dataclass
class Talk:
    """One session on two servers; the user says number words."""

    marbles: Marbles
    stt: SttServer = field(default_factory=lambda: SttServer(ByTone(TONES)))
    tts: TtsServer = field(default_factory=lambda: TtsServer(handshake_s=0.15))
    heard: list[tuple[float, Event]] = field(default_factory=list)
    ended_s: float | None = None

    def run(self, script: list[tuple[float, str]], until_s: float, *, trouble: Any = None) -> None:
        """`script`: from which second on the user says what; `trouble(talk)` runs beside it."""
        self.marbles.run(self._talk(script, until_s, trouble))

    def events(self, kind: type) -> list[Any]:
        return [event for _, event in self.heard if isinstance(event, kind)]

    def times(self, kind: type) -> list[float]:
        return [round(at_s, 3) for at_s, event in self.heard if isinstance(event, kind)]

    @property
    def spoken(self) -> str:
        return " ".join(event.word for event in self.events(WordSpoken))

    async def _talk(self, script: list[tuple[float, str]], until_s: float, trouble: Any) -> None:
        async with self.stt, self.tts:
            beside = asyncio.create_task(trouble(self)) if trouble else None
            await asyncio.sleep(0)
            await self._session(script, until_s)
            if beside is not None:
                await beside

    async def _session(self, script: list[tuple[float, str]], until_s: float) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        running = SessionRunner(
            load_pipeline(None),
            session_id="test",
            codec=Pcm16(),
            stages=self._stages(),
            emit=lambda event: self.heard.append((loop.time() - began, event)),
        )
        running.receive(SettingsChanged("Be brief."))
        sound = _microphone(script, until_s)
        for number in range(len(sound) // 480):
            await asyncio.sleep(max(0.0, began + number * 0.02 - loop.time()))
            if running.ended.done():
                self.ended_s = round(loop.time() - began, 3)
                break
            running.receive(AudioReceived(sound[number * 480 : number * 480 + 480].tobytes()))
        await running.close(grace_s=1)

    def _stages(self) -> Any:
        speaker = tts.Speaker(
            finder(self.tts, service=TTS),
            voice="voice.wav",
            options=tts.Options(),
            api_key="public_token",
            discovery=tts.DiscoveryOptions(searches=5, pauses=Backoff(0.05, 1.5, 1.0)),
            ahead_s=10,
        )
        speaking = tts.TtsOptions(capacity=200, silent_s=1.5, retries=1)
        recogniser = stt.kyutai(
            finder(self.stt, service=STT), api_key="public_token", options=STT_OPTIONS, reconnect=RECONNECTING
        )
        return Stages(
            vad=None,
            end_of_turn=None,
            stt=named("STT", lambda source: source.pipe(recogniser, speaker.prepare())),
            llm=self.marbles.llm(ANSWERS, default="200ms t|", **SAYS),
            tts=lambda _: named("TTS", tts.kyutai(speaker, voice="", options=speaking)),
        )


def _microphone(script: list[tuple[float, str]], until_s: float) -> np.ndarray:
    level = np.zeros(round(until_s * 24_000), np.float32)
    for at_s, text in script:
        sound = TONES.say(text).samples
        start = round(at_s * 24_000)
        level[start : start + len(sound)] = sound
    return (level * 32767).astype("<i2")


@pytest.fixture
def talk(marbles: Marbles) -> Talk:
    return Talk(marbles)


def test_opening_and_two_turns(talk: Talk) -> None:
    """Each turn ends once, by the recogniser's own pause, and is answered; the parts of its time sum to the whole."""
    talk.run([(2.5, "one two three"), (7.0, "four five")], until_s=11)
    assert [event.text for event in talk.events(TurnEnded)] == ["one two three", "four five"]
    assert talk.spoken == "Hi! How are you today? It is noon."
    assert len(talk.events(ReplyStarted)) == len(talk.events(ReplyEnded)) == 3
    assert talk.events(ReplyStarted)[-1].conversation.messages == (
        Message("assistant", "Hi!"),
        Message("user", "one two three"),
        Message("assistant", "How are you today?"),
        Message("user", "four five"),
    )
    first, second = talk.events(TurnMeasured)
    for turn, llm_ms in ((first, 200), (second, 300)):
        assert sum(turn.parts_ms.values()) == pytest.approx(turn.total_ms)
        # The pause is sure after 240 ms and a frame; the flush takes 140 ms; the voice 200 ms from its third word on.
        assert turn.parts_ms["endpointing"] == pytest.approx(280, abs=60)
        assert turn.parts_ms["stt_tail"] == pytest.approx(140, abs=20)
        assert turn.parts_ms["first_token"] == pytest.approx(llm_ms)
        assert turn.parts_ms["tts"] == pytest.approx(210, abs=20)
        assert turn.parts_ms["pacing"] == pytest.approx(0, abs=1)
    assert not talk.events(Warned)


def test_a_word_stops_the_bot(talk: Talk) -> None:
    """The model's delay after it began; what was heard stays, and the next turn is answered."""
    talk.run([(2.5, "one two three"), (4.5, "four five")], until_s=9)
    (cut,) = talk.events(ReplyInterrupted)
    assert "How are you today?".startswith(cut.heard_text)
    assert talk.times(ReplyInterrupted)[0] == pytest.approx(4.5 + 0.5 + 0.16, abs=0.1)
    assert talk.times(TurnConfirmed)[-1] == talk.times(ReplyInterrupted)[0]
    answered_s = talk.times(ReplyStarted)[-1]
    assert not [at_s for at_s in talk.times(SpeechEncoded) if talk.times(ReplyInterrupted)[0] < at_s < answered_s]
    assert talk.spoken.endswith("It is noon.")


def test_the_connection_of_a_reply_is_open_when_it_begins(talk: Talk) -> None:
    """One for each reply that was said, none left open; the opening line had to wait for its own."""
    talk.run([(2.5, "one two three"), (7.0, "four five")], until_s=11)
    visits = talk.tts.visits
    assert len(visits) == 3
    began_s = [visit.began_s for visit in visits]
    assert began_s[1] < talk.times(TurnEnded)[0] - 0.15
    assert began_s[2] < talk.times(TurnEnded)[1] - 0.15


@pytest.mark.parametrize("mode", [Fails.DOWN, Fails.FULL, Fails.SILENT])
def test_no_recogniser_ends_the_session_with_a_reason(talk: Talk, mode: Fails) -> None:
    """Within three seconds, and the reason names the service."""

    async def trouble(talk: Talk) -> None:
        await talk.stt.fail(mode)

    talk.run([], until_s=5, trouble=trouble)
    (failed,) = talk.events(StageFailed)
    assert (failed.stage, failed.fatal) == ("STT", True)
    assert isinstance(failed.error, ServiceUnavailable)
    assert str(failed.error).startswith("The speech recognition (STT) ")
    assert talk.ended_s is not None
    assert talk.ended_s <= 3


@pytest.mark.parametrize("mode", [Fails.DOWN, Fails.FULL, Fails.MUTE, Fails.DIES])
def test_a_synthesiser_that_fails_costs_its_reply_only(talk: Talk, mode: Fails) -> None:
    """The user is told within three seconds of the reply; when it is back the next reply is said."""

    async def trouble(talk: Talk) -> None:
        await asyncio.sleep(2.4)
        await talk.tts.fail(mode)
        await asyncio.sleep(6)
        await talk.tts.fail(None)

    talk.run([(2.5, "one two three"), (9.5, "four five")], until_s=14, trouble=trouble)
    assert talk.spoken.endswith("It is noon.")
    told = sorted([*talk.times(Warned), *talk.times(StageFailed)])
    assert 0 <= told[0] - talk.times(TurnEnded)[0] < 3
    assert len(talk.events(ReplyStarted)) == len(talk.events(ReplyEnded)) == 3
    assert all(not failed.fatal and failed.stage == "TTS" for failed in talk.events(StageFailed))


def test_a_recogniser_that_dies_in_mid_sentence_costs_nothing(talk: Talk) -> None:
    """Not a word; the user is told."""

    async def trouble(talk: Talk) -> None:
        await asyncio.sleep(3.0)
        talk.stt.fail_open(Fails.DIES)

    talk.run([(2.5, "one two three"), (7.0, "four five")], until_s=11, trouble=trouble)
    assert [event.text for event in talk.events(TurnEnded)] == ["one two three", "four five"]
    assert talk.spoken == "Hi! How are you today? It is noon."
    assert [event.message[:28] for event in talk.events(Warned)] == ["The speech recognition (STT)"]
