"""`voicepipe check`: a table, JSON, and an exit code."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from voicepipe.cli import main
from voicepipe.testing.servers import ByTime, LlmServer, SttServer, TtsServer

PIPELINES = Path(__file__).parents[2] / "pipelines"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in ("STT_URL", "TTS_URL", "LLM_URL", "LLM_MODEL", "VOICE_CLONING_URL"):
        monkeypatch.delenv(f"VOICEPIPE_{name}", raising=False)
        monkeypatch.delenv(f"KYUTAI_{name}", raising=False)


@pytest.fixture(scope="module")
def services() -> Iterator[list[str]]:
    """All three, on the loop of another thread: the options that name them."""
    up, over = Event(), Event()
    options: list[str] = []

    async def serve() -> None:
        async with SttServer(ByTime([])) as stt, TtsServer() as tts, LlmServer() as llm:
            options.extend(["--stt", stt.url, "--tts", tts.url, "--llm", llm.url])
            up.set()
            await asyncio.get_running_loop().run_in_executor(None, over.wait)

    thread = Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert up.wait(10)
    yield options
    over.set()
    thread.join(10)


def test_all_is_there(services: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and a line for each service with its address and what it says."""
    assert main(["check", *services]) == 0
    said = capsys.readouterr().out
    for url in services[1::2]:
        assert url in said
    assert "model fake" in said
    (served,) = re.findall(r"Everything that a conversation needs is there: \S+ serve (.+)", said)
    assert sorted(served.split()) == sorted(services), "the command serves what was checked"


def test_something_is_down(services: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and what to do about it."""
    assert main(["check", *services, "--llm", "http://127.0.0.1:9"]) == 1
    said = capsys.readouterr().out
    assert "cannot be reached: Connection refused" in said
    assert "llm: start the service, or correct llm_url, or unset it" in said
    assert "Everything" not in said


def test_a_cluster_that_cannot_be_used_is_down(
    services: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its stages are, with the reason; what has a URL is asked as always."""
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    stt, tts = services[:2], services[2:4]
    assert main(["check", "--json", "--engine", "ray://auto", *stt, *tts]) == 1
    checks = {one["kind"]: one for one in json.loads(capsys.readouterr().out)["checks"]}
    assert [checks[kind]["up"] for kind in ("stt", "tts", "llm")] == [True, True, False]
    assert checks["llm"]["where"] == "cluster:llm"
    assert "there is no token at" in checks["llm"]["said"]
    assert "voicepipe cluster up" in checks["llm"]["advice"]


def test_only_what_a_pipeline_uses_is_asked(services: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A parrot has no use for a language model, and an echo for none at all."""
    assert main(["check", str(PIPELINES / "parrot.py"), *services, "--llm", "http://127.0.0.1:9", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["uses"] == ["end_of_turn", "stt", "tts", "vad"]
    assert {check["kind"] for check in answer["checks"]} == {"stt", "tts"}
    assert main(["check", str(PIPELINES / "echo.py")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("This pipeline uses no model and no service.\n")
    assert said.endswith(f"voicepipe serve {PIPELINES / 'echo.py'}\n")


def test_a_mistake_in_the_pipeline_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `voicepipe serve` would tell it, with exit code 2."""
    (tmp_path / "mine.py").write_text("def pipeline(session):\n    session.received\n")
    assert main(["check", "mine.py"]) == 2
    said = f"pipeline ({tmp_path}/mine.py:1) returned None (is its `return` missing?); a stage returns an Observable"
    assert capsys.readouterr().err == f"voicepipe check: {said}\n"


def test_voice_cloning_is_not_needed(
    services: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told that it is down, and that is all."""
    monkeypatch.setenv("KYUTAI_VOICE_CLONING_URL", "http://127.0.0.1:9")
    assert main(["check", *services]) == 0
    assert "voice_cloning: start the service" in capsys.readouterr().out


def test_json_for_machines(services: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One object: whether all is well, and everything that the table says."""
    assert main(["check", "--json", *services, "--llm-model", "gone"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    by_kind = {check.pop("kind"): check for check in answer["checks"]}
    assert [by_kind[kind]["up"] for kind in ("stt", "tts", "llm")] == [True, True, True]
    took_ms = by_kind["llm"].pop("took_ms")
    assert 0 < took_ms < 60_000  # real time, on a machine that may have other work to do
    assert by_kind["llm"] == {
        "what": "OpenAI-compatible",
        "where": services[-1],
        "needed": True,
        "up": True,
        "said": "model gone (not listed; the service has fake)",
    }


def test_a_wrong_setting_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    assert main(["check", "--config", "none.toml"]) == 2
    assert capsys.readouterr().err == "voicepipe check: none.toml does not exist\n"
