"""The number of workers, and the capacity of each."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from voicepipe.boundary import cores
from voicepipe.cli import main
from voicepipe.cli.workers import share_of, workers_of
from voicepipe.settings import Settings

SERVICES: dict[str, Any] = {"stt_url": "ws://stt:1", "tts_url": "ws://tts:1", "llm_url": "http://llm:1"}


@pytest.fixture(autouse=True)
def _three_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable_cores", lambda: 3)
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.mark.parametrize(
    ("settings", "workers"),
    [
        (SERVICES, 3),
        ({**SERVICES, "workers": 5}, 5),
        ({**SERVICES, "workers": 1}, 1),
        ({**SERVICES, "max_sessions": 2}, 2),
        ({}, 1),
        ({**SERVICES, "tts_url": None}, 1),
        ({**SERVICES, "llm_url": "model.gguf"}, 1),
        ({"workers": 2}, 2),
    ],
)
def test_services_have_a_worker_for_each_core_and_embedded_models_one(settings: dict[str, Any], workers: int) -> None:
    assert workers_of(Settings(**settings)) == workers


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_have_one(platform: str, monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Any) -> None:
    """Several are an error that says what to do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "platform", platform)
    assert workers_of(Settings(**SERVICES)) == 1
    assert main(["serve", "--workers", "2"]) == 2
    assert "several workers need Linux; take --workers 1" in capsys.readouterr().err


def test_sessions_are_divided() -> None:
    assert [share_of(5, 3, lane) for lane in range(3)] == [2, 2, 1]
    assert share_of(None, 3, 0) is None
