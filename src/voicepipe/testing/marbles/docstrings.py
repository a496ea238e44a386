"""Marble diagrams in docstrings: found without importing anything, and parsed, so that a test or a page can use them.

A block looks like this; each row is a name, a diagram, and, if one likes, a comment::

    .. marbles::

        source     ab---c|
        debounce   ---b--(c|)     with 40 ms

Two spaces or more end the name, and the diagram. Only a row without any ``-`` may be drawn rather than written: in
``a   b   c |`` every space is an empty column, up to the end sign.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voicepipe.testing.marbles.notation import Diagram, DiagramError, parse
from voicepipe.testing.marbles.render import Row

__all__ = ["Block", "blocks", "find", "parse_row", "rows"]

_MARK = ".. marbles::"
_DIRECTIVE = re.compile(
    r"^(?P<indent> *)\.\. marbles::[^\n]*\n(?P<body>(?:(?P=indent) +[^\n]*\n?| *\n)*)", re.MULTILINE
)
_ROW = re.compile(r"(?P<name>\S+(?: \S+)*?) {2,}(?P<rest>\S.*)")
_DRAWING = re.compile(r"[^|#:]*[|#]\)?")


@dataclass(frozen=True, slots=True)
class Block:
    """The rows of one ``.. marbles::``, and the module, class or function with that docstring."""

    where: str
    rows: tuple[Row, ...]


def find(folder: Path) -> Iterator[Block]:
    """Yield every block in the docstrings of Python files.

    Args:
        folder: Where to look, at any depth.

    Raises:
        DiagramError: A block is no diagram; a note names its place.
    """
    for path in sorted(folder.rglob("*.py")):
        module = ".".join(path.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__")
        text = path.read_text("utf-8")
        if _MARK not in text:  # most files: reading all of them as Python takes half a second
            continue
        for name, docstring in _docstrings(ast.parse(text)):
            where = f"{module}.{name}" if name else module
            try:
                yield from (Block(where, found) for found in blocks(docstring))
            except DiagramError as error:
                error.add_note(f"in the docstring of {where}")
                raise


def blocks(docstring: str) -> Iterator[tuple[Row, ...]]:
    """The rows of each ``.. marbles::`` in a docstring. Raises DiagramError."""
    for directive in _DIRECTIVE.finditer(docstring + "\n"):
        yield tuple(rows(textwrap.dedent(directive["body"])))


def rows(text: str) -> Iterator[Row]:
    """A row per line that is not blank. Raises DiagramError."""
    return (parse_row(line.strip()) for line in text.splitlines() if line.strip())


def parse_row(line: str) -> Row:
    """``"name   diagram   comment"``. Raises DiagramError.

    >>> row = parse_row("source   a   b |   two of them")
    >>> row.name, [marble.at_ms for marble in row.diagram.marbles], row.comment
    ('source', [0, 80, 120], 'two of them')
    """
    match = _ROW.fullmatch(line)
    if match is None:
        raise DiagramError("a row is a name, two spaces or more, and a diagram", line, len(line))
    written, comment = _split(match["rest"])
    return Row(match["name"], _read(written), comment.strip())


def _split(rest: str) -> tuple[str, str]:
    head = re.split(r" {2,}", rest, maxsplit=1)[0]
    if "-" in head or re.search(r"[|#!]", head):
        return head, rest[len(head) :]
    end = _DRAWING.match(rest)
    written = end[0] if end else head
    return written, rest[len(written) :]


def _read(written: str) -> Diagram:
    drawn = "-" not in written and not re.search(r"\d(ms|s)\b", written)
    return parse(written.replace(" ", "-") if drawn else written)


def _docstrings(module: ast.Module) -> Iterator[tuple[str, str]]:
    yield "", ast.get_docstring(module) or ""
    yield from _inside(module, "")


def _inside(node: ast.AST, prefix: str) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield f"{prefix}{child.name}", ast.get_docstring(child) or ""
            yield from _inside(child, f"{prefix}{child.name}.")
