"""`voicepipe init`: a new project that passes its own tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import voicepipe
from voicepipe.cli import init, main, parsed
from voicepipe.drawing import trace
from voicepipe.loader import load_pipeline
from voicepipe.settings import load_settings


@pytest.fixture
def project(tmp_path: Path) -> Path:
    assert main(["init", str(tmp_path / "my-bot")]) == 0
    return tmp_path / "my-bot"


@pytest.mark.programs
def test_a_new_project_passes_its_own_tests(project: Path) -> None:
    """With the settings of no other project; its files are formatted, and ruff finds nothing in them."""
    environment = {**os.environ, "PYTHONPATH": str(Path(voicepipe.__file__).parents[1])}
    for command in (["pytest", "-q"], ["ruff", "format", "--check", "."], ["ruff", "check", "."]):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert command[0] != "pytest" or "3 passed" in done.stdout


def test_a_new_project_has_these_files(project: Path) -> None:
    """Without a name or a version left open."""
    written = {str(path.relative_to(project)): path.read_text("utf-8") for path in project.rglob("*") if path.is_file()}
    assert set(written) == set(init.FILES)
    assert written["README.md"].startswith("# my-bot\n")
    assert not [name for name, text in written.items() if "{name}" in text or "{version}" in text]
    assert re.search(r"^voicepipe-rx\[embedded\]>=\S+$", written["requirements.txt"], re.MULTILINE)


def test_its_settings_and_its_pipeline_can_be_used(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`voicepipe serve` in the folder serves the bot."""
    monkeypatch.chdir(project)
    assert load_settings({}).pipelines == {"bot": "bot.py"}
    assert trace(load_pipeline("bot.py")).find("write_out")
    assert tomllib.loads((project / "voicepipe.toml").read_text("utf-8"))["port"] == 8000


def test_its_commands_exist(project: Path) -> None:
    """The commands of the README and of the image exist; the workflow is YAML."""
    lines = (project / "README.md").read_text("utf-8") + (project / "Dockerfile").read_text("utf-8")
    commands = re.findall(r"^voicepipe ([^#\n]+)", lines, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        parsed(command.split())
    assert 'CMD ["voicepipe", "serve"]' in lines
    steps = yaml.safe_load((project / ".github/workflows/tests.yml").read_text("utf-8"))["jobs"]["tests"]["steps"]
    assert steps[-1] == {"run": "pytest"}


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing in it changes."""
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"voicepipe init: {tmp_path} is not empty: notes.txt is there; name a new folder\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_current_folder_is_taken_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert (tmp_path / "bot.py").exists()
    assert capsys.readouterr().out.splitlines()[1:] == ["  pytest", "  voicepipe serve"]


def test_a_file_in_its_place_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my-bot").write_text("")
    assert main(["init", str(tmp_path / "my-bot")]) == 2
    assert "my-bot: File exists" in capsys.readouterr().err
