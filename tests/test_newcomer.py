"""A newcomer's test beside a newcomer's module, under this repository's pytest settings."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("folder", [".", "my_bot"])
def test_a_test_imports_the_module_beside_it(tmp_path: Path, folder: str) -> None:
    """In the repository's root and in a folder of it; `-P` keeps the working folder off the path, as `pytest` does."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    mine = tmp_path / folder
    mine.mkdir(exist_ok=True)
    (mine / "bot.py").write_text("ANSWER = 42\n")
    (mine / "test_bot.py").write_text("from bot import ANSWER\n\ndef test_it(marbles):\n    assert ANSWER == 42\n")
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{folder}/test_bot.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
