"""Speech services by HTTP as parts of an engine: a whole conversation, what is embedded, and what `check` says."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import reactivex
from kyutai import TONES
from pydantic import ValidationError
from scripted_stages import scripted_stages

import voicepipe.engine.local
from voicepipe.audio import Pcm16
from voicepipe.engine.build import build_engine, check_all, embedded_kinds, embedded_uses
from voicepipe.engine.health_checks import Probe
from voicepipe.engine.local import LocalParts, needed_models
from voicepipe.engine.parts import InputStages, SessionPart
from voicepipe.engine.settings import EngineSettings
from voicepipe.events import (
    AudioReceived,
    Event,
    ReplyEnded,
    ReplyInterrupted,
    SettingsChanged,
    SpeechEncoded,
    StageFailed,
    TurnEnded,
    TurnMeasured,
    Warned,
    WordSpoken,
)
from voicepipe.loader import load_pipeline
from voicepipe.metrics.registry import Metrics
from voicepipe.metrics.stages import metered_stages
from voicepipe.realtime import sentence
from voicepipe.session import STAGE_NAMES, SessionRunner
from voicepipe.testing import Marbles, VirtualLoop
from voicepipe.testing.servers import ByTone, Fails, LlmServer, SpeechServer, TranscriptionServer

NOWHERE = "http://127.0.0.1:9"
ANSWERS = {
    "Hello.": "Good morning.",
    "one two three": "That is six, and here is a long story about it, of more than one clause, told at length.",
    "four five": "Nine.",
}
SCRIPT = [(4.5, "one two three")]


class LoudEar:
    """In place of the embedded models: any loud sound is speech, and a pause after it is its end."""

    def open(self) -> SessionPart[InputStages]:
        stages = scripted_stages(lambda _: "")
        return SessionPart(InputStages(stages.vad, lambda _: reactivex.just(0.9), stages.stt, stages.backlog))

    def probe(self) -> Probe:
        raise AssertionError("the service is asked")


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], list[str]]]:
    """Which kinds were loaded, and for which stages."""
    calls = list[tuple[list[str], list[str]]]()

    def load(wanted: Collection[str], *, uses: Collection[str], **_: Any) -> LocalParts:
        calls.append((sorted(wanted), sorted(uses)))
        return LocalParts(stt=LoudEar())  # type: ignore[arg-type]

    monkeypatch.setattr(voicepipe.engine.local, "load_local", load)
    return calls


@dataclass
class Talk:
    """One session of the default pipeline on three services by HTTP."""

    stt: TranscriptionServer = field(default_factory=lambda: TranscriptionServer(ByTone(TONES), api_key="sk-ear"))
    tts: SpeechServer = field(default_factory=lambda: SpeechServer(api_key="sk-voice"))
    metrics: Metrics = field(default_factory=Metrics)
    events: list[tuple[float, Event]] = field(default_factory=list[tuple[float, Event]])

    async def run(
        self, until_s: float, script: list[tuple[float, str]] = SCRIPT, trouble: Any = None, **settings: Any
    ) -> None:
        async with self.stt, self.tts, LlmServer(ANSWERS) as llm:
            given = {"stt_api_key": "sk-ear", "tts_api_key": "sk-voice", **settings}
            urls = {"stt_url": f"openai:{self.stt.url}", "tts_url": f"openai:{self.tts.url}/v1", "llm_url": llm.url}
            engine = build_engine(EngineSettings(**urls, **given), max_sessions=None, observe=self.metrics.observer)
            beside = asyncio.create_task(trouble()) if trouble else None
            await self._session(metered_stages(engine.stages(), self.metrics), until_s, script)
            if beside is not None:
                await beside
            await engine.disconnect()
            engine.close()
            await asyncio.sleep(0.1)
            assert self.stt.open == self.tts.open == []

    async def _session(self, stages: Any, until_s: float, script: list[tuple[float, str]]) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        running = SessionRunner(
            load_pipeline(None),
            session_id="test",
            codec=Pcm16(),
            stages=stages,
            emit=lambda event: self.events.append((loop.time() - began_s, event)),
        )
        running.receive(SettingsChanged("Be brief."))
        level = np.zeros(round(until_s * 24_000), np.float32)
        for at_s, text in script:
            sound = TONES.say(text).samples
            level[round(at_s * 24_000) :][: len(sound)] = sound
        for number, frame in enumerate((level * 32_767).astype("<i2").reshape(-1, 480)):
            await asyncio.sleep(max(0.0, began_s + number * 0.02 - loop.time()))
            running.receive(AudioReceived(frame.tobytes()))
        await running.close(grace_s=1)

    def of(self, kind: type) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kind)]


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_a_conversation_on_services_by_http(virtual_loop: VirtualLoop, talk: Talk, loaded: list[Any]) -> None:
    """The bot opens, hears a question and answers it; the metrics know of both services, and nothing stays open."""
    virtual_loop.run(talk.run(15))
    assert loaded == [(["stt"], sorted(set(STAGE_NAMES) - {"stt"}))]
    assert not talk.of(StageFailed)
    assert [turn.text for turn in talk.of(TurnEnded) if turn.text] == ["one two three"]
    assert [reply.text for reply in talk.of(ReplyEnded)] == ["Good morning.", ANSWERS["one two three"]]
    assert talk.of(SpeechEncoded)
    (measured,) = talk.of(TurnMeasured)
    assert measured.total_ms < 1_200
    samples = {sample.name: sample.value for metric in talk.metrics.collect() for sample in metric.samples}
    assert samples["voicepipe_stt_sessions_total"] == len(talk.stt.requests)
    assert samples["voicepipe_tts_sessions_total"] == len(talk.tts.requests)
    assert samples["voicepipe_tts_active_sessions"] == samples["voicepipe_stt_active_sessions"] == 0


def test_a_word_of_the_user_drops_what_the_voice_was_to_say(virtual_loop: VirtualLoop, talk: Talk) -> None:
    """The requests end with the reply."""
    virtual_loop.run(talk.run(15, [*SCRIPT, (7.2, "four five")]))
    (interrupted,) = talk.of(ReplyInterrupted)
    assert ANSWERS["one two three"].startswith(interrupted.heard_text.strip())
    assert [reply.text for reply in talk.of(ReplyEnded)] == ["Good morning.", "Nine."]
    assert talk.of(WordSpoken)


@pytest.mark.parametrize("mode", [mode for mode in Fails if mode not in (Fails.ENDLESS, Fails.EARLY)])
def test_whatever_the_voice_does_the_conversation_goes_on(virtual_loop: VirtualLoop, talk: Talk, mode: Fails) -> None:
    """The opening fails, in time and with a reason; the answer to the user is spoken."""
    talk.tts.dies_after = 0

    async def trouble() -> None:
        await talk.tts.fail(mode, for_s=3.5)

    virtual_loop.run(talk.run(15, trouble=trouble, tts_model="fake-tts", tts_first_sound_s=1.0, tts_silent_s=1.0))
    failed = talk.of(StageFailed)
    assert failed
    assert {one.stage for one in failed} == {"TTS"}
    assert sentence(failed[0]).startswith("The speech synthesis (TTS) ")
    assert [reply.text for reply in talk.of(ReplyEnded)][-1] == ANSWERS["one two three"]


def test_a_recogniser_that_fails_is_told_and_the_session_lives(virtual_loop: VirtualLoop, talk: Talk) -> None:
    async def trouble() -> None:
        await talk.stt.fail(Fails.SILENT, for_s=7)

    virtual_loop.run(talk.run(18, [*SCRIPT, (9.0, "four five")], trouble, stt_model="fake-stt", stt_answer_s=2))
    assert [warned.message for warned in talk.of(Warned)] == [
        "The speech recognition (STT) did not answer in time. Please say that again."
    ]
    assert [turn.text for turn in talk.of(TurnEnded)] == ["", "four five"]
    assert talk.of(ReplyEnded)[-1].text == "Nine."


# ---- settings --------------------------------------------------------------------------------------------------------


def test_only_what_notices_pauses_is_embedded() -> None:
    """And where a pipeline uses none of it, nothing is."""
    settings = EngineSettings(stt_url=f"openai:{NOWHERE}", tts_url=f"openai:{NOWHERE}", llm_url=NOWHERE)
    assert embedded_kinds(settings) == ["stt"]
    assert needed_models(["stt"], embedded_uses(settings)) == ["silero", "smart-turn"]
    assert embedded_kinds(settings, {"stt", "tts"}) == []
    assert build_engine(settings, max_sessions=None).max_sessions == settings.network_sessions


def test_a_kyutai_server_needs_nothing_embedded() -> None:
    settings = EngineSettings(stt_url=NOWHERE, tts_url=NOWHERE)
    assert (settings.stt_kyutai, settings.stt_openai) == (NOWHERE, None)
    assert embedded_kinds(settings) == ["llm"]


@pytest.mark.parametrize("text", ["openai:", "openai:here", "openai:ftp://x", "openai"])
def test_an_address_that_is_none_shows_both_forms(text: str) -> None:
    with pytest.raises(ValidationError, match=r"ws://localhost:8090, or openai:http://localhost:8000"):
        EngineSettings(stt_url=text)


# ---- check -----------------------------------------------------------------------------------------------------------


def test_check_asks_the_services_and_looks_for_the_models(marbles: Marbles) -> None:
    """With the key, the model, and what to do."""

    async def main() -> tuple[list[Any], dict[str, bool]]:
        async with TranscriptionServer(ByTone(TONES), models=["whisper"]) as stt, SpeechServer(api_key="sk") as tts:
            settings = EngineSettings(
                stt_url=f"openai:{stt.url}", tts_url=f"openai:{tts.url}", llm_url=NOWHERE, tts_api_key="wrong"
            )
            checks = await check_all(settings, {"vad", "stt", "tts"})
            engine = build_engine(settings, max_sessions=None)
            health = await engine.health()
            await engine.disconnect()
            return checks, health

    checks, health = marbles.run(main())
    by_what = {(check.probe.kind, check.probe.what): check for check in checks}
    assert by_what["stt", "OpenAI-compatible"].said == "model whisper"
    assert by_what["stt", "Silero"].probe.where == "embedded"
    voice = by_what["tts", "OpenAI-compatible"]
    assert not voice.up
    assert voice.said.startswith("does not accept our key: set tts_api_key (401")
    assert voice.probe.advice == "start the service, or correct tts_url, or unset it to use hibari, which is embedded"
    assert (health["stt_up"], health["tts_up"], health["llm_up"]) == (True, False, False)


def test_a_kind_is_up_when_all_of_it_is(marbles: Marbles) -> None:
    """A recogniser by HTTP is of no use without the model that notices pauses."""
    from voicepipe.engine.health_checks import Checks

    async def up() -> str:
        return "ready"

    async def down() -> str:
        raise ConnectionError("not fetched")

    probe = Probe("stt", "a", "b", "", up)
    for probes, expected in (([probe, replace(probe, ask=down)], False), ([probe, probe], True)):
        assert marbles.run(Checks(probes, within_s=1, kinds=["stt"]).health()) == {"stt_up": expected}
