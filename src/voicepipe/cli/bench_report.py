"""The result of `voicepipe bench`, as tables for people."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from voicepipe.load.sentences import sentences
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
    for line in sentences(summary):
        console.print(line, markup=False, soft_wrap=True)


def _rows(summary: Summary) -> Iterator[tuple[str, Percentiles]]:
    yield "from the user's last sound to the bot's first", summary.latency_ms
    for name, one in summary.parts_ms.items():
        yield f"  in the server: {name}", one
    if summary.barge_in_ms.count:
        yield "barge-in, from the user's first sound to silence", summary.barge_in_ms
