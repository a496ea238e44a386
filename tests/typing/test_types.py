"""A type checker finds a pipeline whose stages do not fit, on the line where they do not.

The files of `right` have no error. In a file of `wrong` a comment `# error: reportSomeRule` marks each line on which
the checker reports that rule, and no other line has an error. Both folders are checked in one run: the checker takes
seconds to start.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.programs, pytest.mark.xdist_group("typing")]  # one run of the checker

HERE = Path(__file__).parent
CHECKER = shutil.which("basedpyright", path=str(Path(sys.executable).parent))
FILES = sorted([*HERE.glob("wrong/*.py"), *HERE.glob("right/*.py")])
CONFIG = {"include": ["wrong", "right"], "typeCheckingMode": "strict", "pythonVersion": "3.11"}

Found = set[tuple[int, str]]


def name_of(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


def marked(file: Path) -> Found:
    """The lines of a file that are marked as errors, with the rule."""
    lines = enumerate(file.read_text("utf-8").splitlines(), start=1)
    return {(number, mark[1]) for number, line in lines if (mark := re.search(r"# error: (\w+)", line))}


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """Return the checker's reports, by file, in its strict mode."""
    if CHECKER is None:
        pytest.skip("basedpyright is not installed")
    folder = tmp_path_factory.mktemp("checked")
    for file in FILES:
        (folder / file.parent.name).mkdir(exist_ok=True)
        shutil.copy(file, folder / file.parent.name)
    (folder / "pyrightconfig.json").write_text(json.dumps(CONFIG))
    command = [CHECKER, "--pythonpath", sys.executable, "--outputjson", "-p", str(folder)]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    assert report["summary"]["filesAnalyzed"] == len(FILES)
    found: dict[str, Found] = {}
    for one in report["generalDiagnostics"]:
        place = one["range"]["start"]["line"] + 1, one.get("rule", one["message"])
        found.setdefault(name_of(Path(one["file"])), set()).add(place)
    return found


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_the_checker_reports_the_marked_lines_and_no_others(file: Path, reported: dict[str, Found]) -> None:
    found, expected = reported.get(name_of(file), set()), marked(file)
    assert {line for line, _ in found} == {line for line, _ in expected}
    assert found >= expected


def test_every_wrong_file_marks_an_error_and_no_right_file_does() -> None:
    """Ten kinds of mistake at least: without marks, the test above would assert nothing of a file."""
    wrong = {file.name: marked(file) for file in FILES if file.parent.name == "wrong"}
    assert len(wrong) >= 10
    assert all(wrong.values())
    assert not any(marked(file) for file in FILES if file.parent.name == "right")
