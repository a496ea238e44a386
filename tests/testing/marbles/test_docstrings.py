"""Marble diagrams in docstrings."""

from pathlib import Path

import pytest

import voicepipe
from voicepipe.testing import DiagramError, find
from voicepipe.testing.marbles.docstrings import blocks, parse_row

SOURCES = Path(voicepipe.__file__).parent


def test_every_diagram_of_voicepipe_parses():
    """All blocks in all docstrings can be read, and each has a source and a result."""
    found = list(find(SOURCES))
    assert {"voicepipe.rx.transduce.transduce", "voicepipe.operators.words.split_words"} <= {
        block.where for block in found
    }
    assert all(block.rows for block in found)


@pytest.mark.parametrize(
    ("line", "name", "items", "comment"),
    [
        ("source   a--b|   two of them", "source", [(0, "a"), (60, "b"), (80, "|")], "two of them"),
        ("heard   p-w     p: Pause   w: Word | None", "heard", [(0, "p"), (40, "w")], "p: Pause   w: Word | None"),
        ("source   a   b |   drawn", "source", [(0, "a"), (80, "b"), (120, "|")], "drawn"),
        ("merge of two  (ab)|", "merge of two", [(0, "a"), (0, "b"), (20, "|")], ""),
        ("vad   ss__   s: speech | nothing", "vad", [(0, "s"), (20, "s"), (40, "_"), (60, "_")], "s: speech | nothing"),
        ("llm   a 230ms b|", "llm", [(0, "a"), (250, "b"), (270, "|")], ""),
    ],
)
def test_rows(line, name, items, comment):
    """A name, a diagram, and perhaps a comment, with two spaces or more in between."""
    row = parse_row(line)
    assert row.name == name
    assert [(marble.at_ms, marble.symbol) for marble in row.diagram.marbles] == items
    assert row.comment == comment


def test_blocks_end_with_their_indentation():
    """A docstring may have several, and text around them."""
    text = """Does something.

    .. marbles::

        source   a|
        result   b|

    Not this:  c|

    .. marbles::
        other   d|
    """
    assert [[row.name for row in rows] for rows in blocks(text)] == [["source", "result"], ["other"]]


def test_a_row_without_a_diagram():
    """It is shown, as a mistake in a diagram is."""
    with pytest.raises(DiagramError, match="a row is a name"):
        list(blocks(".. marbles::\n\n    source\n"))


def test_a_mistake_names_its_place(tmp_path):
    """Module, class and function, although nothing is imported."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "module.py").write_text(
        'class A:\n    def b(self):\n        """Does.\n\n        .. marbles::\n\n            x   (a-|\n        """'
    )
    with pytest.raises(DiagramError) as caught:
        list(find(package))
    assert caught.value.__notes__ == ["in the docstring of package.module.A.b"]
