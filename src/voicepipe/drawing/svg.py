"""A graph as SVG that reads well on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from voicepipe.drawing.graph import Graph, NodeKind, overview
from voicepipe.drawing.layout import ABOVE_PART, JOIN, LINE, TITLE, Arrow, Box, Drawing, layout
from voicepipe.drawing.spacing import SMALL

__all__ = ["svg"]

MARGIN = 16.0
SMALL_MARGIN = 2.0

_STYLE = """
  text { font-family: ui-sans-serif, system-ui, "DejaVu Sans", sans-serif; fill: #4b5563 }
  .name { font-size: 13px; font-weight: 600; text-anchor: middle }
  .small, .event, .part, .join, .legend { font-size: 10.5px; fill: #7b8591 }
  .small, .join { text-anchor: middle }
  .part { font-style: italic; text-anchor: middle }
  .event { fill: #3f7cac }
  .box { stroke: #8b95a1; stroke-width: 1.2; fill: #8b95a1; fill-opacity: 0.10 }
  .own { stroke: #4a9a62; fill: #4a9a62; fill-opacity: 0.16 }
  .model { stroke: #8e63b8; fill: #8e63b8; fill-opacity: 0.16 }
  .client { stroke: #4b5563; fill: none }
  .boundary { stroke: #c77f2e; stroke-width: 3; stroke-dasharray: 6 4 }
  .holds { font-size: 10.5px; font-weight: 600; text-anchor: middle; fill: #c77f2e }
  .arrow { stroke: #8b95a1; stroke-width: 1.4; fill: none }
  .head, .fork { fill: #8b95a1 }
  .copies { fill: none; stroke: #8b95a1; stroke-width: 1.4 }
  @media (prefers-color-scheme: dark) {
    text { fill: #c3cad3 } .small, .part, .join, .legend { fill: #9aa4b0 }
    .event { fill: #7fb3dd } .client { stroke: #c3cad3 } .holds { fill: #e0a25c }
  }
"""
_CLASSES = {NodeKind.OWN: "box own", NodeKind.MODEL: "box model", NodeKind.CLIENT: "box client", NodeKind.STAGE: "box"}
_LEGEND = {"box own": "written in this pipeline", "box model": "a model or service of the session"}


def svg(graph: Graph, title: str, *, small: bool = False) -> str:
    """Return an SVG document: boxes from the client to the client, event types on the arrows between them.

    A dot is where a shared stream forks; a ring, where a stream that is not shared is made anew for each arrow. A
    broken orange line is a boundary. The types that a label leaves out are in its tooltip.

    Args:
        graph: What `trace` returns.
        title: The document's title, which screen readers say.
        small: Draw the overview, without a legend.
    """
    drawing, margin = (layout(overview(graph), SMALL), SMALL_MARGIN) if small else (layout(graph), MARGIN)
    drawing.x = drawing.y = margin
    legend = [] if small else list(_legend(graph, drawing.height + 2 * margin + 6))
    width = max(drawing.width + 2 * margin, 260.0)
    height = drawing.height + 2 * margin + (24 if legend else 0)
    body = "\n".join([*_drawing(drawing), *legend])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img">\n<title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )


def _drawing(drawing: Drawing) -> Iterator[str]:
    yield f'<g transform="translate({drawing.x:g} {drawing.y:g})">'
    for arrow in drawing.arrows:
        yield _arrow(arrow)
    leaving = [arrow.source for arrow in drawing.arrows]
    for box in drawing.boxes:
        yield from _box(box)
        if box in leaving:
            yield from _event_types(box)
        if leaving.count(box) > 1:
            yield _fork(box)
    yield "</g>"


# ---- boxes -----------------------------------------------------------------------------------------------------------


def _box(box: Box) -> Iterator[str]:
    if box.node.kind is NodeKind.JOIN:
        x, y = box.middle, box.y + box.height / 2
        yield f'<circle class="box" cx="{x:g}" cy="{y:g}" r="{JOIN:g}"/>'
        yield f'<path class="arrow" d="M{x - 5:g} {y:g} h10 M{x:g} {y - 5:g} v10"/>'
        yield _text("join", x + JOIN + 6, y + 4, box.node.name, anchor="start")
        return
    round_by = box.height / 2 if box.node.kind is NodeKind.CLIENT else 6
    yield f'<g transform="translate({box.x:g} {box.y:g})">'
    yield (f'<rect class="{_CLASSES[box.node.kind]}" width="{box.width:g}" height="{box.height:g}" rx="{round_by:g}"/>')
    yield from _writing(box)
    if box.node.boundary is not None:
        yield f'<path class="boundary" d="M0 0 H{box.width:g}"/>'
    for name, inner in box.inner:
        if name:
            yield _text("part", inner.x + inner.width / 2, inner.y - ABOVE_PART / 2 + 4, name)
        yield from _drawing(inner)
    yield "</g>"


def _writing(box: Box) -> Iterator[str]:
    middle, y = box.width / 2, box.pad / 2 + TITLE - 4
    yield _text("name", middle, y, box.node.name)
    for number, line in enumerate(box.small):
        holds = box.node.boundary is not None and number == len(box.small) - 1
        yield _text("holds" if holds else "small", middle, y + LINE * (number + 1), line)


def _event_types(box: Box) -> Iterator[str]:
    if box.label.lines:
        yield f"<g><title>{escape(', '.join(box.label.names))}</title>"
        for number, line in enumerate(box.label.lines):
            yield _text("event", box.middle + 8, box.y + box.height + 14 + 13 * number, line)
        yield "</g>"


def _fork(box: Box) -> str:
    kind = "fork" if box.node.shared or box.node.kind is NodeKind.CLIENT else "copies"
    return f'<circle class="{kind}" cx="{box.middle:g}" cy="{box.y + box.height + box.label.height:g}" r="4"/>'


def _text(kind: str, x: float, y: float, text: str, anchor: str = "") -> str:
    style = f' style="text-anchor: {anchor}"' if anchor else ""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}"{style}>{escape(text)}</text>'


# ---- arrows ----------------------------------------------------------------------------------------------------------


def _arrow(arrow: Arrow) -> str:
    (x, y), *rest = arrow.points
    path = f"M{x:g} {y:g}"
    for to_x, to_y in rest:
        half = (to_y - y) / 2
        path += f" V{to_y:g}" if to_x == x else f" C{x:g} {y + half:g} {to_x:g} {to_y - half:g} {to_x:g} {to_y:g}"
        x, y = to_x, to_y
    head = f"M{x:g} {y:g} l-4 -8 h8 z"
    return f'<path class="arrow" d="{path}"/><path class="head" d="{head}"/>'


# ---- the legend ------------------------------------------------------------------------------------------------------


def _legend(graph: Graph, y: float) -> Iterator[str]:
    nodes = list(graph.everything())
    used = {_CLASSES.get(node.kind, "") for node in nodes}
    x = MARGIN
    for kind, meaning in _LEGEND.items():
        if kind in used:
            yield f'<rect class="{kind}" x="{x:g}" y="{y - 9:g}" width="14" height="10" rx="2"/>'
            yield _text("legend", x + 20, y, meaning)
            x += 36 + 6.0 * len(meaning)
    if any(node.boundary for node in nodes):
        yield f'<path class="boundary" d="M{x:g} {y - 4:g} h20"/>'
        yield _text("legend", x + 26, y, "a boundary, what it holds, and what it does then")
