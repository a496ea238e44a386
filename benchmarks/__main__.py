"""All benchmarks, or those that are named, one after the other, and their figures as one page.

    python -m benchmarks                                     all, about half an hour; leave the machine alone meanwhile
    python -m benchmarks graph conversation --quick          these two, a first look
    python -m benchmarks --markdown docs/benchmarks.md       the page that the documentation shows
    python -m benchmarks --json figures.json                 every single figure

Each one says what it measures, from which moment to which, when it is asked: python -m benchmarks.NAME --help
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from datetime import date

from rich.console import Console

from benchmarks.common import Report
from benchmarks.common.cli import add_options, measured
from benchmarks.common.report import machine

NAMES = (
    "conversation",
    "speculation",
    "barge_in",
    "interruptions",
    "accuracy",
    "answers",
    "packet_loss",
    "capacity",
    "services",
    "sessions",
    "opus",
    "workers",
    "cluster",
    "startup",
    "graph",
    "adversary",
    "pipecat",
)


def main(argv: Sequence[str] | None = None) -> int:
    """0 when all were measured, whatever was found; 2 when one could not be."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    add_options(parser)
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(NAMES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    console, reports = Console(), list[Report]()
    for name in args.names or NAMES:
        report = measured(importlib.import_module(f"benchmarks.{name}").run, quick=args.quick)
        if report is not None:
            report.print(console)
            reports.append(report)
    if args.json is not None:
        args.json.write_text(json.dumps([one.as_json() for one in reports], indent=1, default=str) + "\n")
    if args.markdown is not None:
        args.markdown.write_text(_page(reports, quick=args.quick))
    return 0 if len(reports) == len(args.names or NAMES) else 2


def _page(reports: Sequence[Report], *, quick: bool) -> str:
    how = " --quick" if quick else ""
    head = f"""\
# Benchmarks

Measured on {date.today().isoformat()} with `python -m benchmarks{how}` on {machine()}.
`python -m benchmarks.NAME --help` says of each what is measured, from which moment to which.
"""
    return "\n".join([head, *(report.markdown() for report in reports)])


if __name__ == "__main__":
    sys.exit(main())
