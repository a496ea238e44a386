"""Pipelines as `voicepipe draw` draws them.

    .. pipeline:: pipelines/echo.py     its picture, drawn when the page is built

A build also refreshes `docs/pictures/default.svg`, the overview that the README shows.
"""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from pictures import without_style, write_style_sheet
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from voicepipe.drawing import svg, trace
from voicepipe.loader import load_pipeline

DOCS = Path(__file__).resolve().parent.parent
ROOT = DOCS.parent
README_PICTURE = DOCS / "pictures" / "default.svg"
DEFAULT = "pipelines/default.py"


@cache
def drawn(ref: str) -> str:
    """The output of `voicepipe draw REF` in the folder of the source."""
    return svg(trace(load_pipeline(str(_file(ref)))), ref)


def _file(ref: str) -> Path:
    return next(place / ref for place in (ROOT, DOCS) if (place / ref).is_file())


class PipelineDirective(SphinxDirective):
    """`.. pipeline:: FILE`, seen from the folder of the source, or from `docs`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        ref = self.arguments[0]
        self.env.note_dependency(str(_file(ref)))
        picture = without_style(drawn(ref)).replace('role="img"', f'role="img" aria-label="{escape(ref)}, drawn"', 1)
        html = f'<figure class="pipeline"><div class="picture">{picture}</div></figure>\n'
        return [nodes.raw("", html, format="html")]


def refresh(_: Sphinx) -> None:
    picture = svg(trace(load_pipeline(str(ROOT / DEFAULT))), DEFAULT, small=True)
    if not README_PICTURE.is_file() or README_PICTURE.read_text("utf-8") != picture:
        README_PICTURE.write_text(picture, "utf-8")


def _style_sheet(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        write_style_sheet(Path(app.outdir), "pipelines.css", drawn(DEFAULT), "figure.pipeline")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("pipeline", PipelineDirective)
    app.add_css_file("pipelines.css")
    app.connect("builder-inited", refresh)
    app.connect("build-finished", _style_sheet)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
