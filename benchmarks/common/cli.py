"""One benchmark as a command: arguments, a progress bar, a report."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from benchmarks.common.report import Report, busy_cores
from benchmarks.common.server import ServerFailed
from benchmarks.common.speech import NoSpeech

__all__ = ["Progress", "Run", "Skipped", "add_options", "command", "measured"]


BUSY_CORES = 0.2
"""The number of cores in use by other programs from which on the report warns of it."""


class Skipped(Exception):
    """This machine cannot run the benchmark; the message says why."""


class Progress(Protocol):
    """Reports the progress of a benchmark."""

    def __call__(self, what: str, done: int, of: int) -> None: ...


class Run(Protocol):
    """Measures."""

    def __call__(self, progress: Progress, *, quick: bool) -> Report: ...


def command(name: str, run: Run, what: str | None, argv: Sequence[str] | None = None) -> int:
    """Run one benchmark; 0 when it measured (whatever it found), 2 when it could not."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=what,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    args = parser.parse_args(argv)
    report = measured(run, quick=args.quick)
    if report is None:
        return 2
    report.print(Console())
    if args.json is not None:
        args.json.write_text(json.dumps(report.as_json(), indent=1, default=str) + "\n")
    if args.markdown is not None:
        args.markdown.write_text(report.markdown())
    return 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all benchmarks take."""
    parser.add_argument("--quick", action="store_true", help="a look: fewer turns, figures that are worth less")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report as Markdown")


def measured(run: Run, *, quick: bool) -> Report | None:
    """The report of a benchmark, under a progress bar; None, and a line on stderr, when it could not be had."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def show(what: str, done: int, of: int) -> None:
            bar.update(task, description=what, completed=done, total=of)

        busy = busy_cores()
        try:
            report = run(show, quick=quick)
        except (Skipped, NoSpeech, ServerFailed) as reason:
            bar.console.print(f"not measured: {reason}", markup=False, highlight=False)
            return None
        except KeyboardInterrupt:
            sys.exit(130)
    if busy > BUSY_CORES:
        report.notes.append(f"other programs kept {busy:.1f} cores busy before this began: the times say little")
    return report
