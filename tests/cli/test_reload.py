"""`voicepipe serve --reload`: which folders are watched, and what it needs. tests/e2e/test_workers.py runs it."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

import pytest

from voicepipe.cli import reload
from voicepipe.cli.errors import CommandError
from voicepipe.settings import load_settings


@pytest.mark.parametrize(
    ("pipelines", "toml", "folders"),
    [
        (["bots/a.py", "bots/b.py:sales"], "", ["bots"]),
        (["bots.a"], "", ["."]),
        ([], "", ["."]),
        ([], 'pipelines = {a = "bots/a.py"}', ["bots"]),
        (["bots/a.py"], 'characters_file = "texts/mine.yaml"', ["bots", "texts"]),
    ],
)
def test_the_folders_of_pipelines_and_settings_are_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipelines: list[str], toml: str, folders: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "voicepipe.toml").write_text(toml)
    settings = load_settings(environment={}, folder=tmp_path)
    found = reload.watched_folders(Namespace(pipelines=pipelines, config=None), settings)
    assert found == [(tmp_path / folder).resolve() for folder in folders]


def test_the_folder_of_a_settings_file_is_watched(tmp_path: Path) -> None:
    args = Namespace(pipelines=[str(tmp_path / "a.py")], config=tmp_path / "settings/mine.toml")
    found = reload.watched_folders(args, load_settings(environment={}, folder=tmp_path))
    assert found == [tmp_path, tmp_path / "settings"]


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(reload, "find_spec", lambda _: None)
    with pytest.raises(CommandError, match=r"--reload needs one more package: .*pip install .*reload"):
        reload.check_reload()


def test_another_system_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(CommandError, match="--reload needs Linux"):
        reload.check_reload()
