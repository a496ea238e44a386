"""The width of text without knowing the font: a little more than it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["SMALL", "Label", "label", "title_width", "wrapped"]

# Pixels that a letter takes: of a box's name, of small print.
TITLE, SMALL = 8.2, 6.4
LINE = 13.0
SHOWN = 3
"""Event types named on an arrow; the others are counted, and named when one points at them."""
WIDEST = 230.0


@dataclass(frozen=True, slots=True)
class Label:
    """The event types on an arrow: the lines that are shown, and all of them."""

    lines: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def width(self) -> float:
        return max((len(line) * SMALL for line in self.lines), default=0.0)

    @property
    def height(self) -> float:
        return LINE * len(self.lines) + 6 if self.lines else 4.0


def label(names: tuple[str, ...]) -> Label:
    """One name a line, the first ones."""
    shown = names if len(names) <= SHOWN else names[: SHOWN - 1]
    rest = (f"+ {len(names) - len(shown)} more",) if len(names) > len(shown) else ()
    return Label((*shown, *rest), names)


def title_width(name: str, small: Sequence[str]) -> float:
    """The wider of a box's name and its small print."""
    return max(len(name) * TITLE, *(len(line) * SMALL for line in small), 0.0)


def wrapped(texts: Sequence[str], width: float) -> list[str]:
    """Small print, several texts a line, as many as go into `width`, or into WIDEST where that is more."""
    letters = max(width, WIDEST) / SMALL
    lines: list[str] = []
    for text in texts:
        if lines and len(lines[-1]) + 3 + len(text) <= letters:
            lines[-1] += f" · {text}"
        else:
            lines.append(text)
    return lines
