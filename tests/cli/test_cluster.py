"""`voicepipe cluster`: what it says without a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicepipe.cli import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("status", "no cluster was started on this machine; name one: --engine ray://ADDRESS, or ray://auto"),
        ("down", "no cluster was started on this machine"),
        ("up absent.yaml", "absent.yaml: cannot be read"),
        ("join 10.0.0.1:6379", "there is no "),
        ("status --engine ray://auto", "there is no token at"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    assert main(["cluster", *words.split()]) == 2
    assert said in capsys.readouterr().err


def test_serve_with_a_cluster_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it listens, and a stage of a cluster without a cluster is told, too."""
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    services = ["--tts", "ws://127.0.0.1:9", "--llm", "http://127.0.0.1:9", "--port", "0", "--workers", "1"]
    assert main(["serve", "--engine", "ray://auto", *services]) == 2
    assert "there is no token at" in capsys.readouterr().err
    assert main(["serve", "--stt", "cluster:stt", *services]) == 2
    assert "cluster:stt is a stage of a cluster, and none is named: set engine" in capsys.readouterr().err
