"""The page's modules: their types, their style, and what the pure ones decide."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from needs import require

import voicepipe

HERE = Path(__file__).parent
PAGE = Path(voicepipe.__file__).parent / "server" / "page"
TESTS = sorted((HERE / "modules").glob("*.test.mjs"))

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("page")]


def passes(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("config", ["tsconfig.json", "tsconfig.worklets.json"])
def test_the_types_are_right(config: str, node_modules: Path) -> None:
    """`tsc --checkJs`, strict: the worklets with the names of the audio thread, all others with those of a page."""
    passes(node_modules / ".bin" / "tsc", "-p", HERE / config, "--typeRoots", node_modules / "@types")


def test_the_linter_finds_nothing(node_modules: Path) -> None:
    passes(node_modules / ".bin" / "biome", "check", "--error-on-warnings", f"--config-path={HERE}", PAGE)


@pytest.mark.parametrize("test", TESTS, ids=lambda path: path.name.partition(".")[0])
def test_a_pure_module_decides_as_it_should(test: Path, tmp_path: Path) -> None:
    """In Node.js, which wants to be told that these files are modules."""
    node = require("node")
    shutil.copytree(PAGE, tmp_path / "page")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(test, tmp_path)
    passes(node, "--test", tmp_path / test.name)


def test_each_module_has_one_idea() -> None:
    """300 lines at the most, and a comment at its head that says what it is."""
    for path in PAGE.glob("*.js"):
        text = path.read_text("utf-8")
        assert text.startswith("/**"), path.name
        assert len(text.splitlines()) <= 300, path.name
