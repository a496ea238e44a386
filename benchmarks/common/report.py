"""Figures as tables: in the terminal, as Markdown, as JSON."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable

__all__ = ["SUMMARY", "Budget", "Cell", "Report", "Table", "busy_cores", "machine", "percentile", "summary"]

Cell: TypeAlias = str | int | float | None

WORD = 16
"""A word of up to this length is not broken in a terminal that has room for the words."""

SUMMARY = ("n", "mean", "p50", "p95", "max")
"""The columns of a table that `summary` fills."""


def percentile(values: Sequence[float], q: float) -> float:
    """Linear between neighbours, as numpy's default; NaN of nothing."""
    return float(np.percentile(values, q)) if len(values) else float("nan")


def summary(values: Sequence[float]) -> list[Cell]:
    """Count, mean, median, 95th percentile and maximum."""
    if not len(values):
        return [0, None, None, None, None]
    return [len(values), float(np.mean(values)), percentile(values, 50), percentile(values, 95), max(values)]


@dataclass(frozen=True, slots=True)
class Budget:
    """A promise: `what` is at most `limit`."""

    what: str
    measured: float
    limit: float
    unit: str

    @property
    def kept(self) -> bool:
        """Of what could not be measured nothing is kept."""
        return self.measured <= self.limit

    def __str__(self) -> str:
        verdict = "PASS" if self.kept else "FAIL"
        return f"{verdict}  {self.what}: {_shown(self.measured)} {self.unit} (at most {_shown(self.limit)} {self.unit})"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]


@dataclass(slots=True)
class Report:
    """The results of a benchmark. `raw` is every single figure, for the JSON only."""

    name: str
    title: str
    tables: list[Table] = field(default_factory=list[Table])
    budgets: list[Budget] = field(default_factory=list[Budget])
    notes: list[str] = field(default_factory=list[str])
    raw: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def print(self, console: Console) -> None:
        """Tables first, then what the reader must know, then the verdicts."""
        console.rule(self.title)
        for table in self.tables:
            console.print(_rich(table))
        for note in self.notes:
            console.print(f"· {note}", markup=False, highlight=False)
        for budget in self.budgets:
            console.print(str(budget), style="green" if budget.kept else "red", markup=False, highlight=False)

    def markdown(self) -> str:
        """A section of level two."""
        parts = [f"## {self.title}", *map(_markdown, self.tables)]
        parts += ["\n".join(f"- {note}" for note in self.notes)] if self.notes else []
        parts += ["\n".join(f"- **{verdict}**" for verdict in map(str, self.budgets))] if self.budgets else []
        return "\n\n".join(parts) + "\n"

    def as_json(self) -> Mapping[str, Any]:
        budgets = [{**asdict(budget), "kept": budget.kept} for budget in self.budgets]
        return {**asdict(self), "budgets": budgets, "machine": machine(), "date": date.today().isoformat()}


def machine() -> str:
    """The processor, system and Python version of this machine."""
    return f"{os.cpu_count()} × {_processor()}, {platform.system()}, Python {platform.python_version()}"


def busy_cores(during_s: float = 1.0) -> float:
    """The number of cores that all programs use now, over `during_s` seconds; 0 where there is no /proc."""
    try:
        before = _busy_and_all_ticks()
        time.sleep(during_s)
        busy, every = (after - begun for after, begun in zip(_busy_and_all_ticks(), before, strict=True))
    except OSError:
        return 0.0
    return (os.cpu_count() or 1) * busy / max(1, every)


def _busy_and_all_ticks() -> tuple[int, int]:
    ticks = [int(count) for count in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)  # without idle and waiting for a disk


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _shown(cell: Cell) -> str:
    match cell:
        case None:
            return "–"
        case float():
            return f"{cell:.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
        case _:
            return str(cell)


def _cells(table: Table) -> Iterable[list[str]]:
    return ([_shown(cell) for cell in row] for row in table.rows)


def _rich(table: Table) -> RichTable:
    shown, rows = RichTable(title=table.title, title_justify="left"), list(_cells(table))
    for number, column in enumerate(table.columns):
        width = min(WORD, _longest_word([column, *(row[number] for row in rows)]))
        shown.add_column(column, justify="right" if number else "left", overflow="fold", min_width=width)
    for row in rows:
        shown.add_row(*row)
    return shown


def _longest_word(texts: Iterable[str]) -> int:
    return max((len(word) for text in texts for word in text.split()), default=0)


def _markdown(table: Table) -> str:
    head = "| " + " | ".join(table.columns) + " |"
    rule = "|---|" + "---:|" * (len(table.columns) - 1)
    return "\n".join([f"{table.title}:", "", head, rule, *("| " + " | ".join(row) + " |" for row in _cells(table))])
