"""The directive `marbles`: the diagrams of docstrings and pages as pictures, drawn by `voicepipe.testing`.

    .. marbles::

        source     ab---c|
        debounce   ---b--(c|)     with 40 ms

The pictures stand in the page itself, not in files of their own, so that they follow its light and dark. What is said
about a row comes below the picture, where long sentences have room.
"""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from pictures import without_style, write_style_sheet
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from voicepipe.testing.marbles.docstrings import rows
from voicepipe.testing.marbles.notation import DiagramError, parse
from voicepipe.testing.marbles.render import Row, svg

SMALLEST = 0.75
"""The smallest scale of a diagram that is wider than the page; beyond it the diagram can be scrolled."""


class marbles(nodes.General, nodes.Element):
    """A diagram: `text` as it is written, `rows` as they are read."""


class MarblesDirective(SphinxDirective):
    """`.. marbles::`, with a row per line."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        try:
            read = list(rows("\n".join(self.content)))
        except DiagramError as error:
            raise self.error(str(error)) from error
        return [marbles("", text="\n".join(self.content), rows=read)]


def as_html(self: Any, node: marbles) -> None:
    read: list[Row] = node["rows"]
    picture = without_style(svg([replace(row, comment="") for row in read]))
    width = re.search(r'width="([\d.]+)"', picture)
    least = f'style="min-width: {float(width[1]) * SMALLEST:.0f}px"' if width else ""
    picture = picture.replace('role="img"', f'role="img" aria-label="{escape(_spoken(read))}" {least}', 1)
    self.body.append(f'<figure class="marbles">\n<div class="picture">{picture}</div>\n{_legend(read)}</figure>\n')
    raise nodes.SkipNode


def as_text(self: Any, node: marbles) -> None:
    """Every other form of the documentation shows the diagram as it was written."""
    self.visit_literal_block(nodes.literal_block(node["text"], node["text"]))
    raise nodes.SkipNode


def _legend(read: list[Row]) -> str:
    said = [(row.name, row.comment) for row in read if row.comment]
    if not said:
        return ""
    lines = "".join(f"<div><span>{escape(name)}</span> {_parts(comment)}</div>" for name, comment in said)
    return f"<figcaption>{lines}</figcaption>\n"


def _parts(comment: str) -> str:
    """Three spaces set things apart in a docstring; in a page a dot does."""
    return escape(" · ".join(part for part in re.split(r" {2,}", comment) if part))


def _spoken(read: list[Row]) -> str:
    return "Marble diagram: " + "; ".join(row.name for row in read)


def _style_sheet(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        write_style_sheet(Path(app.outdir), "marbles.css", svg([Row("", parse("a|"))]), "figure.marbles")


def setup(app: Sphinx) -> dict[str, Any]:
    texts = dict.fromkeys(("latex", "text", "man", "texinfo"), (as_text, None))
    app.add_node(marbles, html=(as_html, None), **texts)
    app.add_directive("marbles", MarblesDirective)
    app.add_css_file("marbles.css")
    app.connect("build-finished", _style_sheet)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
