"""Engines by their settings: services, embedded models, and mixtures of both."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reactivex

import voicepipe.engine.local
from voicepipe.conversation import Conversation
from voicepipe.engine.build import ComposedEngine, build_engine, check_all, embedded_kinds
from voicepipe.engine.health_checks import Probe
from voicepipe.engine.local import LocalParts, local_probe, needed_models
from voicepipe.engine.parts import InputStages, SessionPart
from voicepipe.engine.settings import EngineSettings
from voicepipe.events import Audio
from voicepipe.installation.installation import install_command
from voicepipe.installation.program import this_program
from voicepipe.presets import SPECULATION
from voicepipe.session import StageName
from voicepipe.testing import Marbles
from voicepipe.testing.servers import ByTime, Fails, LlmServer, SttServer, TtsServer
from voicepipe.weights import registry

NOWHERE = "ws://127.0.0.1:9"
HI = Conversation("Be brief.").user_said("Hi.")


class FakePart:
    """Stands for an embedded model: says what was opened and given back."""

    def __init__(self, kind: Any, stage: Any) -> None:
        self.kind, self.stage, self.open_now = kind, stage, 0

    def open(self) -> SessionPart[Any]:
        self.open_now += 1
        return SessionPart(self.stage, self._close)

    def _close(self) -> None:
        self.open_now -= 1

    def close(self) -> None:
        """Free nothing."""

    def probe(self) -> Any:
        return Probe(self.kind, "fake", "embedded", "", _loaded)


async def _loaded() -> str:
    return "loaded"


class FakeLocal:
    """Takes the place of `load_local`."""

    def __init__(self) -> None:
        self.wanted: list[list[str]] = []
        self.sessions = 0
        recogniser: Any = InputStages("vad", "end", "stt", "backlog")  # type: ignore[arg-type]
        parts: list[Any] = [FakePart("stt", recogniser), FakePart("llm", "llm"), FakePart("tts", "tts")]
        self.parts = LocalParts(*parts)

    def __call__(
        self, wanted: Any, *, uses: Any, sessions: int, progress: Any, gguf: Path | None = None, observer: Any = None
    ) -> LocalParts:
        self.wanted.append(sorted(wanted))
        self.sessions, self.uses, self.gguf = sessions, uses, gguf
        return self.parts


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> FakeLocal:
    fake = FakeLocal()
    monkeypatch.setattr(voicepipe.engine.local, "load_local", fake)
    return fake


@pytest.mark.parametrize(
    ("uses", "embedded", "health"),
    [
        (set(), [], set()),
        ({"vad"}, ["stt"], {"stt_up"}),
        ({"stt", "vad", "tts"}, ["stt", "tts"], {"stt_up", "tts_up", "voice_cloning_up"}),
        ({"llm"}, ["llm"], {"llm_up"}),
    ],
)
def test_only_what_a_pipeline_uses_is_loaded_and_told_of(
    marbles: Marbles, local: FakeLocal, uses: set[StageName], embedded: list[str], health: set[str]
) -> None:
    """And all that the event loop carries may talk where no model limits it."""
    settings = EngineSettings(network_sessions=17)
    engine = build_engine(settings, max_sessions=None, uses=uses)
    assert local.wanted == ([embedded] if embedded else [])
    assert {f"{kind}_up" for kind in engine.kinds} == health
    assert set(marbles.run(engine.health())) == health
    assert (engine.max_sessions == 17) == (not embedded)
    assert len(marbles.run(check_all(settings, uses))) == len(embedded)


def test_what_counted_as_unused_fails_with_what_to_do(marbles: Marbles) -> None:
    """Should a pipeline reach a stage in a way that its source did not show."""
    stages = build_engine(EngineSettings(), max_sessions=1, uses=()).stages()
    for name, made in (
        ("stt", stages.stt(reactivex.never())),
        ("vad", stages.vad and stages.vad(reactivex.never())),
        ("end_of_turn", stages.end_of_turn(Audio(np.zeros(8, np.float32), 24_000))),
        ("llm", stages.llm(Conversation())),
        ("tts", stages.tts(Conversation())(reactivex.never())),
    ):
        errors: list[Exception] = []
        assert made is not None
        made.subscribe(on_error=errors.append)
        assert str(errors[0]).startswith(f"{name}: session.{name} is used now, but its model was not loaded")
    stages.close()


def test_models_whose_stage_is_not_used_are_not_needed() -> None:
    """Of those that make one part together."""
    assert needed_models(["stt", "llm"], {"vad"}) == ["silero"]
    assert needed_models(["stt"], {"stt", "vad", "tts"}) == ["silero", "moonshine"]
    assert local_probe("stt", {"stt"}).what == "Moonshine"


@pytest.fixture
def llm(marbles: Marbles) -> Iterator[LlmServer]:
    server = LlmServer()
    marbles.run(server.start())
    yield server
    marbles.run(server.stop())


@pytest.mark.parametrize(
    ("urls", "embedded"),
    [
        ({}, ["llm", "stt", "tts"]),
        ({"stt_url": NOWHERE, "tts_url": NOWHERE, "llm_url": "~/qwen.gguf"}, ["llm"]),
        ({"llm_url": NOWHERE}, ["stt", "tts"]),
        ({"stt_url": NOWHERE, "tts_url": NOWHERE}, ["llm"]),
        ({"stt_url": NOWHERE, "llm_url": NOWHERE}, ["tts"]),
    ],
)
def test_only_the_models_that_are_needed_are_loaded(
    local: FakeLocal, urls: dict[str, str], embedded: list[str]
) -> None:
    """A part that has a URL is a service."""
    settings = EngineSettings(**urls)  # type: ignore[arg-type]
    assert sorted(embedded_kinds(settings)) == embedded
    build_engine(settings, max_sessions=3).close()
    assert local.wanted == [embedded]
    assert local.gguf == (Path.home() / "qwen.gguf" if urls.get("llm_url") == "~/qwen.gguf" else None)
    assert local.sessions == 3


@pytest.mark.usefixtures("local")
def test_replies_are_begun_ahead_where_that_costs_nothing() -> None:
    """A service is paid for what is thrown away; a setting decides otherwise."""

    def begun(**settings: object) -> int:
        return build_engine(EngineSettings(**settings), max_sessions=1).stages().speculations  # type: ignore[arg-type]

    assert (begun(), begun(llm_speculations=0)) == (SPECULATION.per_turn, 0)
    assert (begun(llm_url=NOWHERE), begun(tts_url=NOWHERE), begun(llm_url=NOWHERE, llm_speculations=2)) == (0, 0, 2)


@pytest.mark.programs
def test_with_services_only_nothing_embedded_is_imported() -> None:
    """Nor installed: neither the models' code nor what they run on."""
    code = """
import sys
from voicepipe.engine.build import build_engine
from voicepipe.engine.settings import EngineSettings
url = "ws://localhost:1"
engine = build_engine(EngineSettings(stt_url=url, tts_url=url, llm_url=url), max_sessions=None)
print(engine.max_sessions)
engine.close()
heavy = ["onnxruntime", "xllamacpp", "hibari", "voicepipe.engine.local", "voicepipe.weights.registry",
"voicepipe.llm.smollm"]
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["24", "[]"]


def test_how_many_sessions(local: FakeLocal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is the setting's; else what the cores carry; else, with services only, the setting for those."""
    monkeypatch.setattr("voicepipe.engine.build.usable_cores", lambda: 6)
    services: dict[str, Any] = {"stt_url": NOWHERE, "llm_url": NOWHERE, "tts_url": NOWHERE}
    assert build_engine(EngineSettings(), max_sessions=2).max_sessions == 2
    assert build_engine(EngineSettings(), max_sessions=None).max_sessions == 6
    assert build_engine(EngineSettings(**services, network_sessions=9), max_sessions=None).max_sessions == 9


def test_a_mixed_session_has_stages_of_both_kinds(local: FakeLocal, marbles: Marbles, llm: LlmServer) -> None:
    """The embedded recogniser and voice, and the service's words; what is closed is given back."""
    engine = build_engine(EngineSettings(llm_url=llm.url), max_sessions=1)
    stages = engine.stages()
    assert (stages.vad, stages.end_of_turn, stages.stt, stages.tts) == ("vad", "end", "stt", "tts")
    answer = marbles.record(stages.llm(HI))
    assert "".join(one.value for one in answer if isinstance(one.value, str)) == "You said: Hi."
    recogniser: Any = local.parts.stt
    assert recogniser.open_now == 1
    stages.close()
    assert recogniser.open_now == 0
    marbles.run(engine.disconnect())
    engine.close()


def health(marbles: Marbles, engine: ComposedEngine) -> dict[str, bool]:
    return marbles.run(engine.health())


def test_health_follows_the_services(local: FakeLocal, marbles: Marbles, llm: LlmServer) -> None:
    """Down, and up again; what is embedded is up."""
    engine = build_engine(EngineSettings(llm_url=llm.url), max_sessions=1)
    well = {"stt_up": True, "tts_up": True, "llm_up": True, "voice_cloning_up": False}
    assert health(marbles, engine) == well
    marbles.run(llm.stop())
    assert health(marbles, engine) == {**well, "llm_up": False}
    marbles.run(llm.start())
    assert health(marbles, engine) == well
    marbles.run(engine.disconnect())


# ---- check -----------------------------------------------------------------------------------------------------------


def test_everything_that_is_named_is_asked(marbles: Marbles, llm: LlmServer) -> None:
    """Kyutai's servers, the language model, voice cloning; side by side, with no model loaded."""

    async def main() -> dict[str, tuple[bool, str]]:
        async with SttServer(ByTime([])) as stt, TtsServer() as tts:
            settings = EngineSettings(stt_url=stt.url, tts_url=tts.url, llm_url=llm.url, voice_cloning_url=NOWHERE)
            return {check.probe.kind: (check.up, check.said) for check in await check_all(settings)}

    answers = marbles.run(main())
    assert [answers[kind][0] for kind in ("stt", "tts", "llm")] == [True, True, True]
    assert answers["llm"][1] == "model fake"
    assert answers["voice_cloning"] == (False, "cannot be reached: Connection refused")


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        (Fails.DOWN, "cannot be reached: Connection refused"),
        (Fails.FORBIDDEN, "does not accept our key: set llm_api_key (401 told to answer 401)"),
        (Fails.MISSING, "is not set up: it should be an OpenAI-compatible service (404 told to answer 404)"),
        (Fails.BROKEN, "is out of order: 500 told to answer 500"),
        (Fails.SLOW, "no answer within 2 s"),
    ],
)
def test_each_fault_of_a_language_model_is_told(marbles: Marbles, llm: LlmServer, mode: Fails, says: str) -> None:
    """In a sentence that says what to do, or is followed by one."""
    marbles.run(llm.fail(mode))
    answers = marbles.run(check_all(EngineSettings(llm_url=llm.url, stt_url=NOWHERE, tts_url=NOWHERE)))
    (check,) = [check for check in answers if check.probe.kind == "llm"]
    assert (check.up, check.said) == (False, says)
    assert check.probe.advice == "start the service, or correct llm_url, or unset it to use SmolLM2, which is embedded"


def test_a_configured_model_that_is_not_listed_is_told(marbles: Marbles, llm: LlmServer) -> None:
    """Clients are served all the same: many services list nothing, or other spellings."""
    settings = EngineSettings(llm_url=llm.url, llm_model="gone", stt_url=NOWHERE, tts_url=NOWHERE)
    (check,) = [check for check in marbles.run(check_all(settings)) if check.probe.kind == "llm"]
    assert (check.up, check.said) == (True, "model gone (not listed; the service has fake)")


def test_an_embedded_model_that_is_absent_is_told(marbles: Marbles, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that gets it. Smart Turn may be absent."""
    monkeypatch.setattr(registry, "find", lambda name: None if name in ("smollm2", "smart-turn") else name)
    answers = {check.probe.kind: check for check in marbles.run(check_all(EngineSettings()))}
    assert answers["stt"].up
    assert answers["tts"].up
    assert not answers["llm"].up
    assert "the model 'smollm2'" in answers["llm"].said
    assert "voicepipe models fetch" in answers["llm"].said


def test_a_missing_extra_is_told(marbles: Marbles, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install."""
    monkeypatch.setattr(voicepipe.engine.local, "find_spec", lambda name: None)
    (check, *_) = marbles.run(check_all(EngineSettings()))
    assert (check.up, check.said) == (False, "not installed: onnxruntime")
    assert check.probe.advice == f"{install_command('embedded')}, then: {this_program()} models fetch"
