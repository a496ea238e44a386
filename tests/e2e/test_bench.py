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


def test_users_in_two_processes_are_measured_and_drawn(
    speech: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """CPU and memory are the server's own; the status says whether it kept up, which a busy machine decides."""
    drawn = tmp_path / "run.svg"
    with serving(SERVER, PYTHONPATH=str(ROOT / "tests/helpers")) as url:
        words = ["--speech", speech, "--seconds", "3", "--over", "0.5", "--barge-ins", "0.5", "--json"]
        status = main(["bench", "--url", url, "--sessions", "2", "--processes", "2", *words, "--plot", str(drawn)])
    run = json.loads(capsys.readouterr().out)
    assert run["kept_up"] is (run["misses"] == []) is (status == 0)
    assert run["outcomes"] == {"done": 2, "refused": 0, "failed": 0}
    assert run["latency_ms"]["count"] == len(run["turns"]) >= 1
    assert set(run["parts_ms"]) >= {"endpointing", "first_token", "tts"}
    assert 0 < run["cost"]["cpu_per_session"] < 2
    assert run["cost"]["peak_memory_bytes"] > 30e6
    assert run["own_cores"] > 0
    assert len(ElementTree.parse(drawn).findall("{*}circle")) == len(run["turns"])


def test_no_server_there_is_exit_code_2(speech: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--url", f"http://127.0.0.1:{free_port()}", "--speech", speech, "--seconds", "1"]) == 2
    assert "no server answers at" in capsys.readouterr().err
