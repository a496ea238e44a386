"""Stacked bars of the time of answers, by part: SVG that reads well on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

__all__ = ["STYLE", "Bar", "axis", "bars_svg", "document", "stacked"]

STYLE = """
  text { font: 11px ui-sans-serif, system-ui, "DejaVu Sans", sans-serif; fill: #4b5563 }
  .title { font-size: 13px; font-weight: 600 } .small { font-size: 10.5px; fill: #7b8591 }
  .grid { stroke: #8b95a1; stroke-opacity: 0.35; stroke-width: 1 }
  .late { stroke: #c77f2e; stroke-width: 1.5; stroke-dasharray: 6 4 } .dot { fill: #3f7cac; fill-opacity: 0.55 }
  .p0 { fill: #8b95a1 } .p1 { fill: #3f7cac } .p2 { fill: #8e63b8 } .p3 { fill: #c77f2e } .p4 { fill: #4a9a62 }
  .p5 { fill: #b84a62 } .plain { fill: #8b95a1; fill-opacity: 0.35 }
  .rest { fill: none; stroke: #8b95a1; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) { text { fill: #c3cad3 } .small { fill: #9aa4b0 } }
"""
_LABEL, _BAR, _ROW, _WIDTH, _FIGURE = 150.0, 16.0, 26.0, 460.0, 80.0
_COLOURS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """One answer, or a percentile of many.

    Args:
        label: What stands before it.
        whole_ms: Its whole time; what the parts do not account for is left empty. Without parts it is one plain bar.
        parts_ms: Its parts, in the order of time.
    """

    label: str
    whole_ms: float
    parts_ms: Mapping[str, float] = field(default_factory=dict[str, float])


def bars_svg(bars: Sequence[Bar], title: str) -> str:
    """Return an SVG document of bars, with a legend.

    Args:
        bars: From top to bottom.
        title: The document's title, which stands above them.
    """
    body, height = stacked(bars, 16.0, 44.0)
    return document(title, _LABEL + _WIDTH + _FIGURE + 32, 44 + height + 16, body)


def document(title: str, width: float, height: float, body: Sequence[str]) -> str:
    """Return an SVG document with a title above its body."""
    lines = "\n".join(body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
        f'<text class="title" x="16" y="26">{escape(title)}</text>\n{lines}\n</svg>\n'
    )


def stacked(bars: Sequence[Bar], x: float, y: float) -> tuple[list[str], float]:
    """Return the lines of bars at a place, with axis and legend, and their height."""
    longest_ms = max((max(bar.whole_ms, sum(bar.parts_ms.values())) for bar in bars), default=0.0) or 1.0
    names = list(dict.fromkeys(name for bar in bars for name in bar.parts_ms))
    left, bottom = x + _LABEL, y + _ROW * len(bars)
    lines = list(axis(left, y, bottom, longest_ms))
    for row, bar in enumerate(bars):
        lines += _bar(bar, names, x, y + _ROW * row, _WIDTH / longest_ms)
    lines += _legend(names, left, bottom + 34)
    return lines, _ROW * len(bars) + (44 if names else 22)


def axis(left: float, top: float, bottom: float, longest_ms: float) -> Iterator[str]:
    """Yield a grid line for each round number of milliseconds."""
    step = next(step for step in (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 1e9) if longest_ms / step <= 6)
    for number in range(int(longest_ms / step) + 1):
        x = left + number * step / longest_ms * _WIDTH
        yield f'<path class="grid" d="M{x:.1f} {top - 4:g} V{bottom:g}"/>'
        yield f'<text class="small" x="{x:.1f}" y="{bottom + 12:g}" text-anchor="middle">{number * step:g} ms</text>'


def _bar(bar: Bar, names: Sequence[str], x: float, y: float, scale: float) -> Iterator[str]:
    at = x + _LABEL
    yield f'<text x="{at - 8:g}" y="{y + 12:g}" text-anchor="end">{escape(bar.label)}</text>'
    for number, name in enumerate(names):
        ms = bar.parts_ms.get(name, 0.0)
        if ms > 0:
            told = f"<title>{escape(name)}: {ms:.0f} ms</title>"
            kind = f"p{number % _COLOURS}"
            place = f'x="{at:.1f}" y="{y:g}" width="{ms * scale:.1f}" height="{_BAR:g}"'
            yield f'<rect class="{kind}" {place}>{told}</rect>'
            at += ms * scale
    rest_ms = bar.whole_ms - sum(bar.parts_ms.values())
    if rest_ms > 0:
        kind = "rest" if bar.parts_ms else "plain"
        place = f'x="{at:.1f}" y="{y:g}" width="{rest_ms * scale:.1f}" height="{_BAR:g}"'
        yield f'<rect class="{kind}" {place}/>'
    end = x + _LABEL + max(bar.whole_ms, sum(bar.parts_ms.values())) * scale
    yield f'<text class="small" x="{end + 6:.1f}" y="{y + 12:g}">{bar.whole_ms:.0f} ms</text>'


def _legend(names: Sequence[str], x: float, y: float) -> Iterator[str]:
    for number, name in enumerate(names):
        yield f'<rect class="p{number % _COLOURS}" x="{x:g}" y="{y - 9:g}" width="12" height="10" rx="2"/>'
        yield f'<text class="small" x="{x + 16:g}" y="{y:g}">{escape(name)}</text>'
        x += 28 + 6.2 * len(name)
