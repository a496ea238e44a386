"""Marble diagrams as pictures: SVG that reads well on a light and on a dark page."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from voicepipe.testing.marbles.notation import COLUMN_MS, Diagram, Kind, Marble, format_ms

__all__ = ["Row", "svg"]

COLUMN = 28
"""Pixels per 20 ms."""
RADIUS = 12
ROW = 50
STACK = 2 * RADIUS + 2
"""The vertical distance of items of one instant, in pixels."""
BESIDE = RADIUS * 1.6
"""The distance from a value to a sign of the same instant on its right, in pixels."""
MARGIN = 16
LETTER = 7.5
"""Pixels that a letter of a row's name takes."""
LONG_SILENCE = 8
"""Columns without an item, in all rows, which are drawn as a break two columns wide."""
TICK_MS = 100

_COLOURS = ["#3b82c4", "#c2573f", "#4a9a62", "#8e63b8", "#b8862b", "#2f9a9a", "#b8548a", "#6f7d2c"]
_STYLE = """
  text { font: 13px ui-sans-serif, system-ui, sans-serif; fill: var(--ink) }
  .value { fill: #fff; font-weight: 600; text-anchor: middle; dominant-baseline: central }
  .name { text-anchor: end; dominant-baseline: central }
  .time { font-size: 10px; text-anchor: middle; fill: var(--pale) }
  .line { stroke: var(--ink); stroke-width: 1.5; fill: none }
  .end { stroke: var(--ink); stroke-width: 2.5; stroke-linecap: round; fill: none }
  .error { stroke: #d1453b; stroke-width: 3; stroke-linecap: round; fill: none }
  .grid { stroke: var(--pale); stroke-width: 0.5; opacity: 0.5 }
  .gap { stroke: var(--pale); stroke-width: 1.5; stroke-dasharray: 2 4 }
  .spread { fill: var(--pale); opacity: 0.25 }
  svg { --ink: #4b5563; --pale: #8b95a1 }
  @media (prefers-color-scheme: dark) { svg { --ink: #c3cad3; --pale: #8b95a1 } }
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A timeline with a name at its left, and what is said about it at its right."""

    name: str
    diagram: Diagram
    comment: str = ""


def svg(rows: Sequence[Row]) -> str:
    """Return diagrams as an SVG document, one below the other on one time axis.

    A value is a circle with its letter, completion a bar, an error a cross; an arrow means that it goes on, and a shade
    around an item is its tolerance.

    Args:
        rows: The diagrams with their names.
    """
    picture = _Picture(rows)
    body = "\n".join(picture.lines())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{picture.width:g}" height="{picture.height:g}" '
        f'viewBox="0 0 {picture.width:g} {picture.height:g}" role="img">\n<style>{_STYLE}</style>\n{body}\n</svg>\n'
    )


class _Picture:
    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._left = MARGIN + LETTER * max((len(row.name) for row in rows), default=0) + MARGIN
        self._breaks = list(_breaks(rows))
        self._end_ms = max((row.diagram.length_ms for row in rows), default=0)
        self._colours = _colours(rows)
        self._right = self._x(self._end_ms) + COLUMN / 2
        comments = max((LETTER * len(row.comment) for row in rows), default=0)
        self.width = self._right + (MARGIN + comments if comments else 0) + MARGIN
        self.height = MARGIN + sum(map(_height, rows)) + 2 * MARGIN

    def lines(self) -> Iterator[str]:
        yield from self._axis()
        top: float = MARGIN
        for row in self._rows:
            yield from self._row(row, top + _height(row) / 2)
            top += _height(row)

    def _x(self, at_ms: float) -> float:
        """Return the column of a time; long silences are folded."""
        folded = sum(_folded_ms(start, end, at_ms) for start, end in self._breaks)
        return self._left + COLUMN / 2 + (at_ms - folded) / COLUMN_MS * COLUMN

    def _axis(self) -> Iterator[str]:
        bottom = self.height - MARGIN * 1.5
        for at_ms in range(0, int(self._end_ms) + 1, TICK_MS):
            if not any(start < at_ms < end for start, end in self._breaks):
                x = self._x(at_ms)
                yield f'<path class="grid" d="M{x:g} {MARGIN} V{bottom:g}"/>'
                yield f'<text class="time" x="{x:g}" y="{bottom + 13:g}">{at_ms}</text>'
        yield f'<text class="time" x="{self._right + MARGIN / 2:g}" y="{bottom + 13:g}">ms</text>'

    def _row(self, row: Row, y: float) -> Iterator[str]:
        yield f'<text class="name" x="{self._left - MARGIN / 2:g}" y="{y:g}">{escape(row.name)}</text>'
        yield from self._line(row, y)
        for at_ms, marbles in row.diagram.instants:
            values = [marble for marble in marbles if marble.kind is Kind.NEXT]
            yield from self._spread(at_ms, marbles, y)
            for marble in marbles:
                if marble.kind is not Kind.NEXT:
                    yield _SIGNS[marble.kind](self._x(at_ms) + (BESIDE if values else 0), y)
            for number, marble in enumerate(values):
                yield from self._value(marble, y + (number - (len(values) - 1) / 2) * STACK)
        if row.comment:
            comment = escape(row.comment).replace("  ", "\u2003")  # SVG would run the spaces together
            yield f'<text x="{self._right + MARGIN:g}" y="{y:g}" dominant-baseline="central">{comment}</text>'

    def _line(self, row: Row, y: float) -> Iterator[str]:
        ended_ms = next((marble.at_ms for marble in row.diagram.marbles if marble.kind in _ENDS), None)
        together = any(marble.at_ms == ended_ms and marble.kind is Kind.NEXT for marble in row.diagram.marbles)
        right = self._right if ended_ms is None else self._x(ended_ms) + (BESIDE if together else 0)
        left = self._left
        for start, end in self._breaks:
            if ended_ms is None or end <= ended_ms:
                yield f'<path class="line" d="M{left:g} {y:g} H{self._x(start):g}"/>'
                yield from self._break(start, end, y)
                left = self._x(end)
        yield f'<path class="line" d="M{left:g} {y:g} H{right:g}"/>'
        if ended_ms is None:
            yield f'<path class="line" d="M{right - 6:g} {y - 4:g} L{right:g} {y:g} L{right - 6:g} {y + 4:g}"/>'

    def _break(self, start: float, end: float, y: float) -> Iterator[str]:
        left, right = self._x(start), self._x(end)
        yield f'<path class="gap" d="M{left:g} {y:g} H{right:g}"/>'
        yield f'<text class="time" x="{(left + right) / 2:g}" y="{y - 6:g}">{format_ms(end - start)}</text>'

    def _spread(self, at_ms: float, marbles: Sequence[Marble], y: float) -> Iterator[str]:
        if tolerance_ms := max(marble.tolerance_ms for marble in marbles):
            half = tolerance_ms / COLUMN_MS * COLUMN
            yield (
                f'<rect class="spread" x="{self._x(at_ms) - half:g}" y="{y - RADIUS - 4:g}" '
                f'width="{2 * half:g}" height="{2 * RADIUS + 8}" rx="4"/>'
            )

    def _value(self, marble: Marble, y: float) -> Iterator[str]:
        x = self._x(marble.at_ms)
        yield f'<circle cx="{x:g}" cy="{y:g}" r="{RADIUS}" fill="{self._colours[marble.symbol]}"/>'
        yield f'<text class="value" x="{x:g}" y="{y:g}">{escape(marble.symbol)}</text>'


def _bar(x: float, y: float) -> str:
    return f'<path class="end" d="M{x:g} {y - RADIUS:g} V{y + RADIUS:g}"/>'


def _cross(x: float, y: float) -> str:
    arm = RADIUS * 0.7
    return (
        f'<path class="error" d="M{x - arm:g} {y - arm:g} L{x + arm:g} {y + arm:g} '
        f'M{x - arm:g} {y + arm:g} L{x + arm:g} {y - arm:g}"/>'
    )


def _caret(x: float, y: float) -> str:
    return f'<path class="end" d="M{x - 6:g} {y + 12:g} L{x:g} {y + 3:g} L{x + 6:g} {y + 12:g}"/>'


def _stop(x: float, y: float) -> str:
    return f'<path class="end" stroke-dasharray="3 4" d="M{x:g} {y - RADIUS:g} V{y + RADIUS:g}"/>'


_SIGNS: dict[Kind, Callable[[float, float], str]] = {
    Kind.COMPLETED: _bar,
    Kind.ERROR: _cross,
    Kind.SUBSCRIBED: _caret,
    Kind.DISPOSED: _stop,
}
_ENDS = (Kind.COMPLETED, Kind.ERROR, Kind.DISPOSED)


def _height(row: Row) -> float:
    """A row is as high as the most values that it has at one instant."""
    most = max((sum(one.kind is Kind.NEXT for one in marbles) for _, marbles in row.diagram.instants), default=1)
    return ROW + max(0, most - 1) * STACK


def _colours(rows: Sequence[Row]) -> dict[str, str]:
    """The same letter has the same colour in every row."""
    letters = dict.fromkeys(marble.symbol for row in rows for marble in row.diagram.marbles if marble.kind is Kind.NEXT)
    return {letter: _COLOURS[number % len(_COLOURS)] for number, letter in enumerate(letters)}


def _breaks(rows: Sequence[Row]) -> Iterator[tuple[float, float]]:
    """The silences that are folded, from the end of a column to the next item."""
    times = sorted({0, *(marble.at_ms for row in rows for marble in row.diagram.marbles)})
    for before, after in itertools.pairwise(times):
        if after - before > (LONG_SILENCE + 1) * COLUMN_MS:
            yield before + COLUMN_MS, after


def _folded_ms(start: float, end: float, at_ms: float) -> float:
    """Return the length that is left out before a time; two columns of each silence stay."""
    left_out = end - start - 2 * COLUMN_MS
    return left_out * min(1.0, max(0.0, (at_ms - start) / (end - start)))
