"""The reference is complete, and what is generated and committed is what would be generated now."""

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@pytest.mark.parametrize(
    ("module", "page"),
    [
        ("voicepipe.operators", "operators"),
        ("voicepipe.testing", "testing"),
        ("voicepipe.testing.servers", "testing"),
        ("voicepipe", "python"),
    ],
)
def test_every_public_name_is_in_the_reference(module: str, page: str) -> None:
    """Each name that can be imported is in the reference."""
    text = (DOCS / "reference" / f"{page}.md").read_text("utf-8")
    documented = set(re.findall(r"^\.\. auto\w+:: (\w+)", text, re.MULTILINE))
    # Two have pages of their own, 20 ms are on every page, and two are for the servers themselves.
    elsewhere = {"Event", "Scenario", "COLUMN_MS", "Tones", "repeated"}
    assert set(importlib.import_module(module).__all__) - documented - elsewhere == set()


def _with_members(text: str) -> Iterator[str]:
    """Yield the classes of which a page documents all members that have a docstring."""
    module = ""
    for kind, name, options in re.findall(
        r"^\.\. (currentmodule|autoclass):: ([\w.]+)\n((?:   :.*\n)*)", text, re.MULTILINE
    ):
        if kind == "currentmodule":
            module = name
        elif re.search(r"^   :members:$", options, re.MULTILINE) and ":undoc-members:" not in options:
            yield name if "." in name else f"{module}.{name}"


@pytest.mark.parametrize("page", sorted((DOCS / "reference").glob("*.md")), ids=lambda page: page.stem)
def test_no_member_is_left_out_of_the_reference(page: Path) -> None:
    """Sphinx leaves a method without a docstring out of `:members:`, without a word."""
    for path in _with_members(page.read_text("utf-8")):
        module, _, name = path.rpartition(".")
        kind: type[object] = getattr(importlib.import_module(module), name)
        members: dict[str, object] = dict(vars(kind))
        public = [key for key, one in members.items() if key[0] != "_" and (callable(one) or type(one) is property)]
        assert [key for key in public if not inspect.getdoc(members[key])] == [], path


@pytest.mark.programs
def test_the_picture_in_the_readme_is_of_the_default_pipeline() -> None:
    """`tox -e docs` refreshes it, and so does the command that is run here, with `-o docs/pictures/default.svg`."""
    picture = DOCS / "pictures" / "default.svg"
    command = [sys.executable, "-m", "voicepipe", "draw", "--overview", "pipelines/default.py"]
    drawn = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (drawn.returncode, drawn.stderr) == (0, "")
    out_of_date = f"out of date: python {' '.join(command[1:])} -o {picture.relative_to(ROOT)}"
    assert picture.read_text("utf-8") == drawn.stdout, out_of_date


def test_the_picture_in_the_readme_stands_beside_the_text() -> None:
    """At most 500 pixels high and 400 wide, in its own size, so that its letters have the size of the text's."""
    shown = re.search(r'<img [^>]*width="(\d+)" height="(\d+)"', (ROOT / "README.md").read_text("utf-8"))
    drawn = re.search(r'width="([\d.]+)" height="([\d.]+)"', (DOCS / "pictures" / "default.svg").read_text("utf-8"))
    assert shown is not None
    assert drawn is not None
    assert [float(size) for size in shown.groups()] == pytest.approx([float(size) for size in drawn.groups()], abs=1)
    assert int(shown[1]) <= 400
    assert int(shown[2]) <= 500


def test_every_pipeline_is_in_the_gallery() -> None:
    """With its code and its picture."""
    text = (DOCS / "gallery.md").read_text("utf-8")
    for pipeline in (ROOT / "pipelines").glob("*.py"):
        assert f"```{{pipeline}} pipelines/{pipeline.name}\n" in text
        assert f"```{{literalinclude}} ../pipelines/{pipeline.name}\n" in text


def test_every_page_can_be_reached() -> None:
    """From the front page's lists, which are the side bar."""
    text = (DOCS / "index.md").read_text("utf-8")
    for page in DOCS.rglob("[!_]*.md"):
        name = str(page.relative_to(DOCS).with_suffix(""))
        assert (
            name == "index" or {"_build", "grafana"} & set(page.parts) or re.search(rf"^{name}$", text, re.MULTILINE)
        ), name


def test_links_of_the_readme_lead_somewhere() -> None:
    """Within the source."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text("utf-8")):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("page", sorted((DOCS / "reference").glob("*.md")), ids=lambda page: page.stem)
def test_summaries_are_those_of_the_docstrings(page: Path) -> None:
    """A page of the reference can be read where it is not built."""
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        summaries = importlib.import_module("summaries")
    finally:
        sys.path.remove(str(DOCS / "_ext"))
    text = page.read_text("utf-8")
    assert summaries.with_tables(text) == text, "out of date: python docs/_ext/summaries.py docs/reference"


def test_names_on_the_coming_from_page_exist() -> None:
    """Each name of the right column is one of voicepipe's."""
    places = ["", ".events", ".operators", ".presets", ".testing", ".client"]
    known = {name for place in places for name in dir(importlib.import_module(f"voicepipe{place}"))}
    presets = importlib.import_module("voicepipe.presets")
    known |= {name for kind in vars(presets).values() if isinstance(kind, type) for name in dir(kind)}
    known |= {"pipeline", "session", "client", *dir(importlib.import_module("voicepipe.testing").Scenario)}
    rows = [
        line.split(" | ") for line in (DOCS / "howto/coming-from.md").read_text("utf-8").splitlines() if "|" in line
    ]
    cells = [row[-1] for row in rows if len(row) == 3]
    quoted = [code for cell in cells for code in re.findall(r"(?<!})`([A-Za-z_.]+)[^`/<]*`", cell)]
    names = {part for code in quoted for part in code.split(".") if not code.startswith("voicepipe")}
    assert len(names) > 40
    assert names - known == set()
