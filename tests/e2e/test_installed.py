"""The wheel in an environment of its own: what its hints name, and what it says beside the package `voicepipe`."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path

import pytest
from newcomer import Environment, make_environment

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("wheel")]


@pytest.fixture
def environment(wheel: Path, tmp_path: Path) -> Environment:
    made = make_environment(tmp_path / "env")
    made.install(wheel)
    return made


def other_package(folder: Path) -> Path:
    """A wheel `voicepipe` 1.0.0 with the file names and the command that the one on the index has."""
    path = folder / "voicepipe-1.0.0-py3-none-any.whl"
    record = "voicepipe-1.0.0.dist-info"
    files = {
        "voicepipe/__init__.py": "class VoicePipeline: ...\n",
        "voicepipe/cli.py": "def main():\n    print('the other one')\n",
        f"{record}/METADATA": "Metadata-Version: 2.1\nName: voicepipe\nVersion: 1.0.0\n",
        f"{record}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{record}/entry_points.txt": "[console_scripts]\nvoicepipe = voicepipe.cli:main\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, f"{record}/RECORD": "".join(f"{name},,\n" for name in files)}.items():
            archive.writestr(name, text)
    return path


def test_the_hint_names_the_wheel(environment: Environment, wheel: Path, tmp_path: Path) -> None:
    """With the pip of the environment."""
    helped = environment.run("voicepipe", "talk", "--help", cwd=tmp_path)
    assert f"{environment.python} -m pip install '{wheel}[mic]'" in helped.stdout
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert environment.run("voicepipe", "--version", cwd=tmp_path).stdout == f"voicepipe {project['version']}\n"


def test_the_other_package_before_ours(environment: Environment, wheel: Path, tmp_path: Path) -> None:
    """Ours works, and says what is wrong; the check says it, too."""
    environment.install(other_package(tmp_path))
    environment.install(wheel)
    drawn = environment.run("voicepipe", "draw", cwd=tmp_path)
    assert drawn.returncode == 0
    assert "the package voicepipe 1.0.0 has files in the folder of voicepipe-rx" in drawn.stderr
    checked = environment.run("voicepipe", "check", cwd=tmp_path)
    assert "pip uninstall -y voicepipe && " in checked.stdout
    assert checked.stderr == ""


def test_the_other_package_after_ours(environment: Environment, wheel: Path, tmp_path: Path) -> None:
    """Its `__init__.py` has replaced ours: no command runs, until the one that is printed has repaired it."""
    environment.install(other_package(tmp_path))
    drawn = environment.run("voicepipe", "draw", cwd=tmp_path)
    assert (drawn.returncode, drawn.stdout) == (2, "")
    uninstall, reinstall = drawn.stderr.partition("To repair it: ")[2].strip().split(" && ")
    assert uninstall == f"{environment.python} -m pip uninstall -y voicepipe"
    for command in (uninstall, reinstall):
        done = environment.run(*command.split(), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    drawn = environment.run("voicepipe", "draw", cwd=tmp_path)
    assert (drawn.returncode, drawn.stderr) == (0, "")
