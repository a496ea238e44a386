"""The rules of `tests/conftest.py` for a whole run, on a small copy of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.programs

ROOT = Path(__file__).parents[1]


TESTS = """
import needs, pytest

needs.SOURCES["no-such-program"] = "apt-get install it"

def test_it_is_a_unit_test(request):
    assert request.node.get_closest_marker("unit")
    open("left.txt", "w").close()

def test_it_needs_a_program():
    needs.require("no-such-program")

@pytest.mark.models
def test_models(): 1 / 0

@pytest.mark.e2e
def test_e2e(): 1 / 0

@pytest.mark.explored
def test_explored(): 1 / 0
"""
SKIPPED = "in CI nothing may be skipped, and 1 tests were: tests/test_it.py::test_it_needs_a_program"
WRITTEN = "the repository's root gained ['left.txt']"


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["here", "ci"])
def test_a_run_that_writes_or_in_ci_skips_fails(tmp_path: Path, workers: tuple[str, ...]) -> None:
    """It names the file, and in CI the test; a skip names its program; `-m unit` takes what has no other marker."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "tests" / "helpers").mkdir(parents=True)
    for name in ("conftest.py", "helpers/examples.py", "helpers/needs.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests" / name)
    (tmp_path / "tests" / "test_it.py").write_text(TESTS)
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    in_ci = {"CI": "true"} if workers else {}
    command = [sys.executable, "-m", "pytest", "-q", "-m", "unit", *workers]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment | in_ci, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert "1 passed, 1 skipped" in done.stdout, done.stdout + done.stderr
    assert "needs no-such-program (apt-get install it)" in done.stdout
    assert WRITTEN in done.stdout
    assert (SKIPPED in done.stdout) == bool(in_ci)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED


GROUP = """
import os
import pytest

@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(6))
def test_it(number, tmp_path_factory):
    (tmp_path_factory.getbasetemp().parent / f"{os.environ['PYTEST_XDIST_WORKER']}-{number}").touch()
"""


def test_tests_of_one_group_run_on_one_worker(tmp_path: Path) -> None:
    """Servers, browsers and models of a module are started once: pytest and pytest-xdist must fit each other."""
    (tmp_path / "test_it.py").write_text(GROUP)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", f"--basetemp={tmp_path}/made"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert len({path.name.partition("-")[0] for path in (tmp_path / "made").glob("gw?-?")}) == 1
