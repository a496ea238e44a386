"""A run as a picture: each answer by the time at which it came, and where the time of answers goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from textwrap import wrap

from voicepipe.drawing.latency import Bar, document, stacked
from voicepipe.load.figures import TurnFigures
from voicepipe.load.sentences import sentences
from voicepipe.load.summary import REAL_TIME, Percentiles, Summary

__all__ = ["summary_svg"]

_LEFT, _TOP, _WIDTH, _HEIGHT = 70.0, 56.0, 620.0, 180.0
_LINE, _CHARACTERS = 16.0, 120


def summary_svg(summary: Summary, title: str) -> str:
    """Return an SVG document: answers as dots over time, percentiles and their parts, and the rest in sentences.

    Args:
        summary: The run.
        title: What stands above it.
    """
    dots = list(_dots(summary.turns, summary.took_s))
    bars, height = stacked(list(_bars(summary)), 16.0, _TOP + _HEIGHT + 60)
    below = _TOP + _HEIGHT + 60 + height + 22
    told = list(_told(summary, below))
    return document(title, 740.0, below + _LINE * len(told), [*dots, *bars, *told])


def _told(summary: Summary, y: float) -> Iterator[str]:
    """Yield what the figures do not show: refusals, errors, missing sound, and the cost."""
    for line in sentences(summary):
        for part in wrap(line, _CHARACTERS, subsequent_indent="    "):
            yield f'<text class="small" x="16" y="{y:g}" xml:space="preserve">{escape(part)}</text>'
            y += _LINE


def _bars(summary: Summary) -> Iterator[Bar]:
    """Yield the percentiles of the whole as the client measures it, and of each part of the server's account."""
    latency = summary.latency_ms
    told = _means(summary)
    yield Bar("median, by parts" if told else "median", latency.p50, told)
    yield Bar("95 of 100", latency.p95)
    yield Bar("99 of 100", latency.p99)
    if summary.barge_in_ms.count:
        yield Bar("barge-in, median", summary.barge_in_ms.p50)
        yield Bar("barge-in, 95 of 100", summary.barge_in_ms.p95)


def _means(summary: Summary) -> dict[str, float]:
    """Return the medians of the parts; where the dialect does not tell them, the means of the server's metrics."""
    medians: dict[str, Percentiles] = summary.parts_ms
    if medians:
        return {name: one.p50 for name, one in medians.items()}
    return dict(summary.cost.parts_ms) if summary.cost is not None else {}


def _dots(turns: Sequence[TurnFigures], took_s: float) -> Iterator[str]:
    longest_ms = max([REAL_TIME.slow_ms * 1.1, *(turn.latency_ms for turn in turns)])

    def height(ms: float) -> float:
        return _TOP + _HEIGHT - ms / longest_ms * _HEIGHT

    step = next(step for step in (250, 500, 1_000, 2_500, 5_000, 1e9) if longest_ms / step <= 6)
    for number in range(int(longest_ms / step) + 1):
        y = height(number * step)
        yield f'<path class="grid" d="M{_LEFT:g} {y:.1f} h{_WIDTH:g}"/>'
        yield f'<text class="small" x="{_LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{number * step:g} ms</text>'
    yield f'<path class="late" d="M{_LEFT:g} {height(REAL_TIME.slow_ms):.1f} h{_WIDTH:g}"/>'
    for turn in turns:
        x = _LEFT + turn.at_s / max(took_s, 1e-9) * _WIDTH
        yield f'<circle class="dot" cx="{x:.1f}" cy="{height(turn.latency_ms):.1f}" r="3"/>'
    end = _TOP + _HEIGHT + 16
    yield f'<text class="small" x="{_LEFT:g}" y="{end:g}">0 s</text>'
    yield f'<text class="small" x="{_LEFT + _WIDTH:g}" y="{end:g}" text-anchor="end">{took_s:.0f} s</text>'
