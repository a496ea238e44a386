"""The result of `voicepipe bench`, as tables for people."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from voicepipe.load.server_figures import Cost
from voicepipe.load.summary import Percentiles, Summary

__all__ = ["print_summary"]

# Columns of a table that is not printed to a terminal.
_WIDE = 120


def print_summary(summary: Summary) -> None:
    """Print a run: latency by part, what went wrong, and what it cost."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    table = Table("ms", title_justify="left")
    for column in ("answers", "median", "95 of 100", "99 of 100", "longest"):
        table.add_column(column, justify="right")
    for name, one in _rows(summary):
        figures = (f"{value:.0f}" for value in (one.p50, one.p95, one.p99, one.longest))
        table.add_row(name, str(one.count), *figures)
    console.print(table)
    for line in _lines(summary):
        console.print(line, markup=False, soft_wrap=True)


def _rows(summary: Summary) -> Iterator[tuple[str, Percentiles]]:
    yield "from the user's last sound to the bot's first", summary.latency_ms
    for name, one in summary.parts_ms.items():
        yield f"  in the server: {name}", one
    if summary.barge_in_ms.count:
        yield "barge-in, from the user's first sound to silence", summary.barge_in_ms


def _lines(summary: Summary) -> Iterator[str]:
    outcomes = summary.outcomes
    yield (
        f"{summary.sessions} users: {outcomes['done']} to the end, {outcomes['refused']} refused, "
        f"{outcomes['failed']} cut off; {summary.asked} turns, {summary.unanswered} not answered, the bot spoke over "
        f"the user {summary.over_user} times"
    )
    yield f"sound that came too late: {summary.underruns} times, {summary.underrun_share:.2%} of the bot's sound"
    for what, counts in (("ended", summary.reasons), ("the server says", summary.problems)):
        for reason, number in counts.items():
            yield f"{what} ({number}x): {reason}"
    yield from _cost(summary.cost, summary.parts_ms == {})
    yield f"the simulated users took {summary.own_cores:.2f} cores, and were late by {summary.late_ms:.0f} ms at most"
    if summary.kept_up:
        yield "In real time."
    for miss in summary.misses:
        yield f"Not in real time: {miss}."


def _cost(cost: Cost | None, tells_parts: bool) -> Iterator[str]:
    if cost is None:
        yield "the server's CPU and memory are not known: it has no /metrics with series of its process"
        return
    per_session = "" if cost.cpu_per_session is None else f", {cost.cpu_per_session:.3f} of a core a session"
    memory = (
        "" if cost.memory_per_session_bytes is None else f", {cost.memory_per_session_bytes / 1e6:.1f} MB a session"
    )
    yield f"the server: {cost.cores:.2f} cores{per_session}; {cost.peak_memory_bytes / 1e6:.0f} MB{memory}"
    if tells_parts and cost.parts_ms:
        parts = ", ".join(f"{name} {ms:.0f}" for name, ms in cost.parts_ms.items())
        yield f"the parts of its answers, mean in ms: {parts}"
