"""The Python in the documentation runs: every page, the README included."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from processes import serving

pytest.importorskip("sybil", reason="the documentation's code needs sybil")
from sybil import Document, Sybil
from sybil.parsers.myst import PythonCodeBlockParser

from voicepipe.testing import Marbles

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"

SCRIPTED_SERVER = [sys.executable, str(ROOT / "tests/e2e/realtime/scripted_server.py")]

FIXTURES: dict[str, Callable[[ExitStack], Any]] = {
    "marbles": lambda stack: stack.enter_context(Marbles()),
    "server": lambda stack: stack.enter_context(serving(SCRIPTED_SERVER, PYTHONPATH=str(ROOT / "tests/helpers"))),
}
"""What a test in a page may ask for: a `server` is the address of one whose models are scripted."""


SYBIL = Sybil([PythonCodeBlockParser()])


def pages() -> Iterator[Path]:
    yield README
    for page in sorted(DOCS.rglob("*.md")):
        if "_build" not in page.parts and "```" in page.read_text("utf-8"):
            yield page


def test_functions(document: Document) -> dict[str, Callable[..., None]]:
    return {name: thing for name, thing in document.namespace.items() if name.startswith("test_")}


test_functions.__test__ = False  # type: ignore[attr-defined]


MARKS = {
    "(server)": pytest.mark.e2e,
    "explore(": pytest.mark.explored,
    "add_routes(app": pytest.mark.models,  # with the settings of an installation, which has the embedded models
}
"""What the code of a page needs, by what stands in it."""


def as_parameter(page: Path) -> Any:
    text = page.read_text("utf-8")
    marks = [mark for code, mark in MARKS.items() if code in text]
    return pytest.param(page, id=str(page.relative_to(ROOT)), marks=marks)


@pytest.mark.parametrize("page", [as_parameter(page) for page in pages()])
def test_the_code_of_a_page_runs(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks in their order, in one namespace; then the tests that they have defined."""
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(page.parent)
    monkeypatch.setenv("CI", "1")  # what is drawn by lot is the same each time
    module = ModuleType(f"page_{page.stem}")  # openai.md is not openai
    monkeypatch.setitem(sys.modules, module.__name__, module)
    document = SYBIL.parse(page)
    document.namespace = vars(module)
    for example in document.examples():
        example.evaluate()
    for function in test_functions(document).values():
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        with ExitStack() as stack:
            function(**{name: FIXTURES[name](stack) for name in names})


def test_the_readme_is_among_them() -> None:
    """And its test with it."""
    document = SYBIL.parse(README)
    assert sum("def test_" in str(example.parsed) for example in document.examples()) == 1
