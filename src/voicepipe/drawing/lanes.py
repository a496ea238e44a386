"""A session as an SVG marble diagram: lanes below each other on one axis of time, which breaks into rows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape as html_escape
from itertools import pairwise
from typing import Literal, TypeAlias

__all__ = ["Kind", "Lane", "Marble", "lanes_svg"]

Kind: TypeAlias = Literal["user", "bot", "fact", "good", "bad"]
"""The side that did it, or how it is judged: it has a colour."""

_WIDTH, _MARGIN = 1400.0, 16.0
_LANE, _RADIUS, _LETTER = 30.0, 5.0, 5.9
_AXIS, _TITLE = 22.0, 26.0

_STYLE = """
  text { font: 11px ui-sans-serif, system-ui, "DejaVu Sans", sans-serif; fill: var(--ink); dominant-baseline: central }
  .name { text-anchor: end } .time { font-size: 10px; text-anchor: middle; fill: var(--pale) }
  .title { font-size: 13px; font-weight: 600 }
  .line { stroke: var(--pale); stroke-width: 1; opacity: 0.6 } .grid { stroke: var(--pale); opacity: 0.25 }
  .user { fill: #3b82c4 } .bot { fill: #4a9a62 } .fact { fill: #8b95a1 } .good { fill: #2f9a9a } .bad { fill: #d1453b }
  .span { opacity: 0.45 }
  svg { --ink: #4b5563; --pale: #8b95a1 }
  @media (prefers-color-scheme: dark) { svg { --ink: #c3cad3; --pale: #8b95a1 } }
"""


@dataclass(frozen=True, slots=True)
class Marble:
    """Something that happened at `at_s`; with `until_s`, something that lasted. `detail` is what a tooltip says."""

    at_s: float
    text: str
    kind: Kind
    until_s: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """A line with a name at its left, and its marbles in the order of time."""

    name: str
    marbles: Sequence[Marble]


def escape(text: str) -> str:
    r"""Return a text for XML, which knows no control characters and no halves of surrogate pairs.

    >>> escape("a\x1b & b")
    'a\ufffd &amp; b'
    """
    return html_escape(_NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text))


_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def lanes_svg(lanes: Sequence[Lane], title: str, *, until_s: float, row_s: float = 5.0) -> str:
    """Return an SVG document.

    Args:
        lanes: The lanes, from the top down.
        title: The title, which screen readers say.
        until_s: The end of the last row, in seconds from 0.
        row_s: The seconds of one row.
    """
    rows = max(1, math.ceil(until_s / row_s))
    row_height = _AXIS + _LANE * len(lanes) + _MARGIN
    height = _TITLE + _MARGIN + rows * row_height
    picture = _Picture(lanes, row_s, row_height)
    body = "\n".join(line for row in range(rows) for line in picture.row(row))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH:g}" height="{height:g}" '
        f'viewBox="0 0 {_WIDTH:g} {height:g}" role="img">\n<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n'
        f'<text class="title" x="{_MARGIN:g}" y="{_MARGIN:g}">{escape(title)}</text>\n{body}\n</svg>\n'
    )


class _Picture:
    def __init__(self, lanes: Sequence[Lane], row_s: float, row_height: float) -> None:
        self._lanes, self._row_s, self._row_height = lanes, row_s, row_height
        self._left = 2 * _MARGIN + _LETTER * max((len(lane.name) for lane in lanes), default=0)

    def row(self, number: int) -> Iterator[str]:
        """Yield the lines of a row of so many seconds."""
        began_s, top = number * self._row_s, _TITLE + number * self._row_height
        yield from self._axis(began_s, top)
        for place, lane in enumerate(self._lanes):
            yield from self._lane(lane, began_s, top + _AXIS + _LANE * (place + 0.5))

    def _x(self, at_s: float, began_s: float) -> float:
        share = (at_s - began_s) / self._row_s
        return round(self._left + min(1.0, max(0.0, share)) * (_WIDTH - self._left - _MARGIN), 1)

    def _axis(self, began_s: float, top: float) -> Iterator[str]:
        bottom = top + _AXIS + _LANE * len(self._lanes)
        for second in range(math.floor(self._row_s) + 1):
            x = self._x(began_s + second, began_s)
            yield f'<path class="grid" d="M{x:g} {top + _AXIS:g} V{bottom:g}"/>'
            yield f'<text class="time" x="{x:g}" y="{top + _AXIS - 9:g}">{began_s + second:g} s</text>'

    def _lane(self, lane: Lane, began_s: float, y: float) -> Iterator[str]:
        ends_s = began_s + self._row_s
        yield f'<text class="name" x="{self._left - 8:g}" y="{y:g}">{escape(lane.name)}</text>'
        yield f'<path class="line" d="M{self._left:g} {y:g} H{_WIDTH - _MARGIN:g}"/>'
        here = [one for one in lane.marbles if one.at_s < ends_s and (one.until_s or one.at_s) >= began_s]
        starts = [self._x(one.at_s, began_s) for one in here] + [_WIDTH]
        for marble, (x, following) in zip(here, pairwise(starts), strict=True):
            yield from self._marble(marble, x, self._x(marble.until_s or marble.at_s, began_s), following, y)

    def _marble(self, marble: Marble, x: float, end: float, following: float, y: float) -> Iterator[str]:
        yield f"<g><title>{escape(f'{marble.at_s:.3f} s  {marble.detail or marble.text}')}</title>"
        if marble.until_s is None:
            yield f'<circle class="{marble.kind}" cx="{x:g}" cy="{y:g}" r="{_RADIUS:g}"/>'
        else:
            yield (
                f'<rect class="{marble.kind} span" x="{x:g}" y="{y - _RADIUS:g}" '
                f'width="{max(1.0, end - x):g}" height="{2 * _RADIUS:g}" rx="3"/>'
            )
        if text := _fitting(marble.text, following - x - 2 * _RADIUS):
            yield f'<text x="{x + _RADIUS + 3:g}" y="{y:g}">{escape(text)}</text>'
        yield "</g>"


def _fitting(text: str, width: float) -> str:
    """Return as much of a text as there is room for.

    >>> _fitting("Hello there", 40), _fitting("Hello there", 200)
    ('Hello…', 'Hello there')
    """
    room = int(width / _LETTER)
    return text if len(text) <= room else f"{text[: room - 1]}…" if room > 2 else ""
