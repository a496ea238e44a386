"""A newcomer's test beside a newcomer's module, under this repository's pytest settings."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.programs
def test_a_test_imports_the_module_beside_it(tmp_path: Path) -> None:
    """In the repository's root and in a folder of it; `-P` keeps the working folder off the path, as `pytest` does."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder, name in ((tmp_path, "bot"), (tmp_path / "mine", "parrot")):
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text("ANSWER = 42\n")
        test = f"from {name} import ANSWER\n\ndef test_it(marbles):\n    assert ANSWER == 42\n"
        (folder / f"test_{name}.py").write_text(test)
    command = [sys.executable, "-P", "-m", "pytest", "-q", "test_bot.py", "mine/test_parrot.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
