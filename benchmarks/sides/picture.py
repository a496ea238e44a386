"""The picture of `benchmarks.sessions`, from its figures: CPU, latency and memory by the number of conversations.

python -m benchmarks.sides.picture figures.json docs/sessions.svg
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEIGHT, LEFT, TOP, GAP = 720, 150, 60, 44, 40
COLOURS = {"voicepipe": "#2563eb", "do-nothing": "#9ca3af"}


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel: its title, and points (conversations, value) by the server's name; a line for the goal."""

    title: str
    points: dict[str, list[tuple[float, float]]]
    goal: float | None = None


def panels(raw: Sequence[dict[str, Any]]) -> list[Panel]:
    """Return the panels of the figures; a server's own numbers begin anew where they fall."""
    servers: dict[str, list[dict[str, Any]]] = {"voicepipe": [], "do-nothing": []}
    name = "voicepipe"
    for number, one in enumerate(raw):
        if number and one["count"] <= raw[number - 1]["count"]:
            name = "do-nothing"
        servers[name].append(one)

    def drawn(value: Any) -> dict[str, list[tuple[float, float]]]:
        return {name: [(one["count"], value(one)) for one in each] for name, each in servers.items() if each}

    return [
        Panel("CPU, % of one core", drawn(lambda one: 100 * one["cores"])),
        Panel("CPU per second of a conversation, ms", drawn(lambda one: one["cpu_ms"]), 14.0),
        Panel("added latency, p95, ms", drawn(lambda one: float(np.percentile(one["added_ms"] or [0], 95))), 200.0),
        Panel("memory, MB", drawn(lambda one: one["memory_mb"])),
    ]


def svg(title: str, drawn: Sequence[Panel]) -> str:
    """Return the panels, one below the other, with one axis of conversations."""
    most = max(x for panel in drawn for points in panel.points.values() for x, _ in points)
    height = TOP + len(drawn) * (HEIGHT + GAP) + 20
    body = [
        f'<text x="{LEFT}" y="20" font-size="15" font-weight="bold">{escape(title)}</text>',
        *_legend(),
        *(part for number, panel in enumerate(drawn) for part in _panel(panel, TOP + number * (HEIGHT + GAP), most)),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + LEFT + 20} {height}"'
    style = ' font-family="sans-serif" font-size="12">'
    return "\n".join([head + style, '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>"]) + "\n"


def _legend() -> list[str]:
    return [
        f'<text x="{LEFT + 470 + 110 * number}" y="20" fill="{colour}">● {name}</text>'
        for number, (name, colour) in enumerate(COLOURS.items())
    ]


def _panel(panel: Panel, top: int, most: float) -> list[str]:
    values = [y for points in panel.points.values() for _, y in points]
    highest = max(values) * 1.1 or 1.0
    if panel.goal is not None and panel.goal < 3 * highest:
        highest = max(highest, panel.goal * 1.1)

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + WIDTH * x / most, top + HEIGHT - HEIGHT * y / highest

    parts = [
        f'<text x="{LEFT}" y="{top - 6}">{escape(panel.title)}</text>',
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#d1d5db"/>',
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{highest:.0f}</text>',
        f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">0</text>',
    ]
    if panel.goal is not None and panel.goal <= highest:
        _, y = place(0, panel.goal)
        parts.append(f'<path d="M{LEFT} {y:.1f}h{WIDTH}" stroke="#f59e0b" stroke-dasharray="4 4"/>')
    for name, points in panel.points.items():
        at = [place(x, y) for x, y in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[name]}"/>' for x, y in at]
    counts = sorted({x for points in panel.points.values() for x, _ in points})
    parts += [
        f'<text x="{place(x, 0)[0]:.1f}" y="{top + HEIGHT + 14}" text-anchor="middle">{x:g}</text>' for x in counts
    ]
    return parts


def main(figures: str, picture: str) -> None:
    """Draw the figures of one report, or of the report `sessions` among several."""
    read: Any = json.loads(Path(figures).read_text())
    report = next(one for one in (read if isinstance(read, list) else [read]) if one["name"] == "sessions")
    title = f"Conversations on one core: {report['machine']}, {report['date']}"
    Path(picture).write_text(svg(title, panels(report["raw"])))


if __name__ == "__main__":
    main(*sys.argv[1:3])
