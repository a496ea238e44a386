"""A printed command is one that runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from voicepipe.installation.program import this_program


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with an environment whose Python has no `voicepipe` beside it."""
    (tmp_path / "env" / "bin").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "env" / "bin" / "python"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    monkeypatch.setenv("PATH", os.defpath)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    return tmp_path


def script(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("typed", ["env/bin/voicepipe", "./env/bin/voicepipe", "{folder}/env/bin/voicepipe"])
def test_a_script_below_the_working_folder_is_named_from_there(
    folder: Path, typed: str, monkeypatch: pytest.MonkeyPatch
):
    """However it was called; also where the environment is activated, as another terminal has not done that."""
    bin_folder = script(folder / "env/bin/voicepipe").parent
    monkeypatch.setattr(sys, "argv", [typed.format(folder=folder)])
    assert this_program() == "env/bin/voicepipe"
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.defpath}")
    assert this_program() == "env/bin/voicepipe"
    monkeypatch.setenv("VIRTUAL_ENV", str(folder / "env"))
    assert this_program() == "env/bin/voicepipe"


def test_a_script_elsewhere_is_named_by_its_whole_path(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Quoted, where a shell would take it for two words."""
    other = script(folder.parent / "an env" / "voicepipe")
    monkeypatch.setattr(sys, "argv", [str(other)])
    assert this_program() == f"'{other}'"


def test_a_script_that_every_terminal_finds_is_named_by_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """An installation for the user or for all, which no environment has put there; through a link, too."""
    usual = folder / "usual"
    script(folder / "app" / "voicepipe")
    usual.mkdir()
    (usual / "voicepipe").symlink_to(folder / "app" / "voicepipe")
    monkeypatch.setattr(sys, "argv", [str(usual / "voicepipe")])
    monkeypatch.setenv("PATH", f"{usual}{os.pathsep}{os.defpath}")
    assert this_program() == "voicepipe"


def test_a_script_in_the_working_folder_has_a_dot(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A shell looks for a bare name in PATH only."""
    monkeypatch.setattr(sys, "argv", [str(script(folder / "voicepipe"))])
    assert this_program() == "./voicepipe"


def test_the_module_is_named_by_its_interpreter(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """`python -m voicepipe`; and in a program that is neither, where no script is beside the interpreter."""
    monkeypatch.setattr(sys, "argv", ["/src/voicepipe/__main__.py"])
    assert this_program() == "env/bin/python -m voicepipe"
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pytest"])
    assert this_program() == "env/bin/python -m voicepipe"
    script(folder / "env" / "bin" / "voicepipe")
    assert this_program() == "env/bin/voicepipe"


@pytest.mark.e2e
def test_what_is_printed_runs():
    """The command for what was started as a module is one that a shell runs."""
    code = """
import sys
import voicepipe.__main__ as module
import voicepipe.installation.program as program
sys.argv = [module.__file__]
print(program.this_program())
"""
    program = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    helped = subprocess.run(f"{program} talk --help", shell=True, capture_output=True, text=True, check=True)
    assert "--sample" in helped.stdout
