"""`voicepipe bench` measures a real server in another process, in real time, from processes of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from processes import free_port, serving

from voicepipe.cli import main
from voicepipe.client import write_stereo

ROOT = Path(__file__).parents[2]
SERVER = [sys.executable, str(ROOT / "tests/e2e/realtime/scripted_server.py")]

pytestmark = pytest.mark.e2e


@pytest.fixture
def speech(tmp_path: Path) -> str:
    """A tone of half a second, which the scripted recogniser hears as words."""
    folder = tmp_path / "speech"
    folder.mkdir()
    tone = (0.3 * np.sin(np.arange(12_000) * 0.07)).astype(np.float32)
    write_stereo(folder / "hello.wav", tone, tone)
    return str(folder)


def test_the_most_users_are_found_measured_and_drawn(
    speech: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One user, then two in two processes; CPU and memory are the server's own."""
    drawn = tmp_path / "run.svg"
    with serving(SERVER, PYTHONPATH=str(ROOT / "tests/helpers")) as url:
        words = ["--speech", speech, "--seconds", "3", "--over", "0.5", "--barge-ins", "0.5", "--processes", "2"]
        loose = ["--median", "5", "--slow", "10"]  # the machine may be busy
        found = main(
            ["bench", "--url", url, "--find-capacity", "--most", "2", *words, *loose, "--plot", str(drawn), "--json"]
        )
    told = json.loads(capsys.readouterr().out)
    assert [run["sessions"] for run in told["runs"]] == [1, 2], told
    assert (found, told["capacity"]) == (0, 2), told
    best = told["best"]
    assert best["outcomes"] == {"done": 2, "refused": 0, "failed": 0}
    assert best["latency_ms"]["count"] == len(best["turns"]) >= 2
    assert set(best["parts_ms"]) >= {"endpointing", "first_token", "tts"}
    assert 0 < best["cost"]["cpu_per_session"] < 2
    assert best["cost"]["peak_memory_bytes"] > 30e6
    assert best["own_cores"] > 0
    assert len(ElementTree.parse(drawn).findall("{*}circle")) == len(best["turns"])


def test_no_server_there_is_exit_code_2(speech: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--url", f"http://127.0.0.1:{free_port()}", "--speech", speech, "--seconds", "1"]) == 2
    assert "no server answers at" in capsys.readouterr().err
