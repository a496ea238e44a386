"""`voicepipe settings`: each value, where it was set, and what it means; never a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from voicepipe import cli
from voicepipe.cli.settings import meanings_of
from voicepipe.settings import Settings, is_secret


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert cli.main(["settings", "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_setting_has_a_meaning() -> None:
    assert set(Settings.model_fields) <= set(meanings_of(Settings))


def test_each_value_says_where_it_was_set(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag wins over a variable, a variable over the file."""
    Path("voicepipe.toml").write_text('port = 1\nhost = "0.0.0.0"\nlog_level = "debug"\n')
    monkeypatch.setenv("VOICEPIPE_PORT", "2")
    monkeypatch.setenv("VOICEPIPE_HOST", "127.0.0.2")
    monkeypatch.setenv("KYUTAI_STT_URL", "ws://stt:1")
    assert listed(capsys, "--changed", "--port", "3") == {
        "host": {"value": "127.0.0.2", "from": "VOICEPIPE_HOST"},
        "port": {"value": 3, "from": "--port"},
        "stt_url": {"value": "ws://stt:1", "from": "KYUTAI_STT_URL"},
        "log_level": {"value": "debug", "from": "voicepipe.toml: log_level"},
    }


def test_no_secret_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In neither form; a password in an address is none either."""
    for field in filter(is_secret, Settings.model_fields):
        text = '{"ann": "s3cret"}' if field == "named_api_keys" else "s3cret"
        monkeypatch.setenv(f"VOICEPIPE_{field.upper()}", text)
    monkeypatch.setenv("VOICEPIPE_STT_URL", "ws://ann:s3cret@stt:1")
    for words in ([], ["--json"]):
        assert cli.main(["settings", *words]) == 0
        printed = capsys.readouterr().out
        assert "s3cret" not in printed
        assert "***" in printed


def test_a_part_of_a_name_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    """As a flag or a variable is written, too."""
    assert "max_sessions" in listed(capsys, "VOICEPIPE_MAX_SESSIONS")
    assert list(listed(capsys, "llm-model")) == ["llm_model"]


def test_the_table_has_the_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["settings", "log_level"]) == 0
    assert meanings_of(Settings)["log_level"] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [(["nosuch"], "no setting has 'nosuch' in its name"), (["--port", "x"], "--port = x: must be a whole number")],
)
def test_a_mistake_is_a_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["settings", *words]) == 2
    assert said in capsys.readouterr().err
