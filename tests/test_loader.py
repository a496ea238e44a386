"""The loader finds the requested pipeline, and reports file and line of one that cannot be loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from voicepipe import loader
from voicepipe.loader import PipelineError, load_pipeline

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into an empty current folder; what gets imported is forgotten after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())

    def file(name: str, source: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        return path

    yield file
    for name, module in list(sys.modules.items()):
        if any(place.startswith(str(tmp_path)) for place in _places(module)):
            del sys.modules[name]


def _places(module: ModuleType) -> list[str]:
    """A module's file, or the folders of a package without one."""
    file = getattr(module, "__file__", None)
    return [file] if file else list(getattr(module, "__path__", []))


def told(ref: str) -> str:
    with pytest.raises(PipelineError) as raised:
        load_pipeline(ref)
    return str(raised.value)


GOOD = "def pipeline(session): return 'made'\n"


def test_the_default_pipeline_of_a_checkout_is_found(write: Write):
    """It lies in `pipelines` beside `src`, or inside of the package that is installed, wherever one stands."""
    package = Path(loader.__file__).parent
    places = [package.parents[1] / "pipelines" / "default.py", package / "pipelines" / "default.py"]
    assert Path(load_pipeline().__code__.co_filename) in places


def test_the_default_pipeline_of_an_installed_package_is_found(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The wheel has the folder inside of the package."""
    write("site/voicepipe/pipelines/default.py", GOOD)
    monkeypatch.setattr(loader, "__file__", str(tmp_path / "site" / "voicepipe" / "loading.py"))
    assert load_pipeline()(None) == "made"  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("ref", ["bots/mine.py", "./bots/mine.py", "bots.mine", "bots.mine:pipeline"])
def test_a_module_is_named_by_its_path_or_its_name(write: Write, ref: str):
    """Relative to the current folder."""
    write("bots/mine.py", GOOD)
    assert load_pipeline(ref)(None) == "made"  # pyright: ignore[reportArgumentType]


def test_another_function_is_named_behind_a_colon(write: Write):
    """A path may hold a colon's function, too; anything that can be called with a session is one."""
    path = write("mine.py", "class Bot:\n    def __init__(self, session, loud=False): self.said = 'class'\n")
    assert load_pipeline(f"{path}:Bot")(None).said == "class"  # pyright: ignore


def test_modules_beside_it_can_be_imported_also_later(write: Write):
    """As in a script: at its top, and when it runs."""
    write("bots/words.py", "GREETING = 'hi'\n")
    write("bots/more.py", "NAME = 'you'\n")
    write(
        "bots/mine.py",
        "from words import GREETING\ndef pipeline(session):\n    from more import NAME\n    return GREETING, NAME\n",
    )
    assert load_pipeline("bots/mine.py")(None) == ("hi", "you")  # pyright: ignore[reportArgumentType]


def test_a_file_may_have_the_name_of_a_module_that_everybody_needs(write: Write):
    """`json.py` is loaded as what it is, and `json` stays what it was."""
    import json

    write("bots/json.py", GOOD)
    assert load_pipeline("bots/json.py")(None) == "made"  # pyright: ignore[reportArgumentType]
    assert sys.modules["json"] is json


@pytest.mark.parametrize("ref", ["pipelines/ecko.py", "defautl"])
def test_a_file_that_is_not_there_is_guessed_at(write: Write, ref: str):
    """Among the files beside it, and our own pipelines."""
    write("pipelines/echo.py", GOOD)
    assert "did you mean" in told(ref)
    assert ("pipelines/echo.py" in told(ref)) == ("ecko" in ref)
    assert ("default.py" in told(ref)) == ("defautl" in ref)


def test_what_is_no_module_is_told(write: Write, tmp_path: Path):
    """An absent file, a folder by its path and by its name, a text, and nothing."""
    write("notes/readme.md", "")
    assert told("absent.py") == "absent.py does not exist"
    assert told("./notes") == "notes is a folder"
    assert told("notes") == "notes is a folder; name a file in it"
    assert told("./notes/readme.md") == "notes/readme.md is not a Python file, whose name ends in .py"
    write("notes.txt", "")
    assert told("notes.txt") == "notes.txt is not a Python file, whose name ends in .py"
    assert told("absent.txt") == "there is no file absent.txt, and no module 'absent'"
    assert told("no.such.module") == "there is no file no.such.module, and no module 'no'"
    assert "name is empty" in told("")


def test_a_missing_function_lists_what_there_is(write: Write):
    """The likeliest first; what was imported, and what is private, is not offered."""
    path = write("mine.py", "from os import getcwd\ndef help_me(): ...\ndef pipelin(session): ...\ndef _x(): ...\n")
    assert (
        told("mine.py")
        == f"{path} has no function 'pipeline'; it has pipelin, help_me (choose one with mine.py:pipelin)"
    )


def test_a_module_without_functions_says_so(write: Write):
    """It holds nothing to choose from."""
    path = write("mine.py", "x = 1\n")
    assert told("mine.py") == f"{path} has no function 'pipeline', nor any other function"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("\npipeline = 3\n", "2: 'pipeline' is of type int, and should be a function"),
        ("\n\npipeline: str = 'x'\n", "3: 'pipeline' is of type str, and should be a function"),
        ("def pipeline(): ...\n", "1: pipeline() should take one argument, the session: def pipeline(session)"),
        ("def pipeline(a, b): ...\n", "1: pipeline(a, b) should take one argument, the session: def pipeline(session)"),
        ("async def pipeline(s): ...\n", "1: pipeline() is async; a pipeline is a plain function that"),
        ("async def pipeline(s):\n    yield\n", "1: pipeline() is async; a pipeline is a plain function that"),
        ("x = 1\nx.y\n", "2: AttributeError: 'int' object has no attribute 'y'"),
        ("import nosuchthing\n", "1: ModuleNotFoundError: No module named 'nosuchthing'"),
        ("\nfrom os import nosuch\n", "2: ImportError: cannot import name 'nosuch' from 'os'"),
        ("x = 1\ndef pipeline(:\n", "2: SyntaxError: "),
        ("if True:\nx = 1\n", "2: IndentationError: expected an indented block"),
        ("\nimport json\njson.loads('{')\n", "3: JSONDecodeError: "),
        ("import sys\nsys.exit(3)\n", "2: SystemExit: 3"),
        ("assert False\n", "1: AssertionError"),
    ],
)
@pytest.mark.parametrize("ref", ["bots/mine.py", "bots.mine"])
def test_a_fault_is_told_with_its_file_and_line(write: Write, source: str, says: str, ref: str):
    """The line of the user's own, also where a library that it called has raised."""
    path = write("bots/mine.py", source)
    assert told(ref).startswith(f"{path}:{says}")


def test_a_fault_in_a_module_beside_it_is_told_there(write: Write):
    """The innermost line of the user's own."""
    other = write("bots/other.py", "\n1 / 0\n")
    write("bots/mine.py", "import other\n")
    assert told("bots/mine.py") == f"{other}:2: ZeroDivisionError: division by zero"


def test_a_module_that_failed_leaves_nothing_behind(write: Write):
    """Mended, it loads."""
    path = write("mine.py", "1 / 0\n")
    before = set(sys.modules)
    told("mine.py")
    assert set(sys.modules) - before == set()
    path.write_text(GOOD + "# mended, and of another size\n")
    assert load_pipeline("mine.py")(None) == "made"  # pyright: ignore[reportArgumentType]
