"""`voicepipe check`: is everything there that a conversation needs?"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from voicepipe.cli.options import add_service_options, settings_of
from voicepipe.program import this_program

if TYPE_CHECKING:
    from voicepipe.engine.checks import Check

__all__ = ["add_parser", "run"]

_WIDE = 240
"""Columns of a table that nobody looks at in a terminal."""

_DESCRIPTION = """\
Asks every service that is configured, looks for every embedded model that is needed, and says what to do where
something is missing. No model is loaded. Ends with status 1 when a conversation cannot be had.
"""

_EXAMPLES = """\
examples:
  voicepipe check                              what `voicepipe serve` would use
  voicepipe check --llm http://localhost:8091  with another language model
  voicepipe check --config production.toml     with the settings of a file
  voicepipe check --json                       for machines
"""

_USES = {
    "stt": "hears: speech to text, pauses",
    "tts": "speaks: text to speech",
    "llm": "thinks: the language model",
    "voice_cloning": "clones voices (not needed)",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """The arguments of `voicepipe check`."""
    parser = subparsers.add_parser(
        "check",
        help="see whether every service and model is there",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_service_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def run(args: argparse.Namespace) -> int:
    """0: a conversation can be had. 1: something that it needs is down."""
    settings = settings_of(args)
    import asyncio

    from voicepipe._clash import all_clashes
    from voicepipe.engine.build import check_all

    checks, clashes = asyncio.run(check_all(settings)), [str(clash) for clash in all_clashes()]
    ok = all(check.up for check in checks if check.probe.needed)
    if args.json:
        fields = {"ok": ok, "checks": [_fields(check) for check in checks], "clashes": clashes}
        print(json.dumps(fields, ensure_ascii=False))
    else:
        _show(checks, ok, clashes)
    return int(not ok)


def _fields(check: Check) -> dict[str, Any]:
    probe = check.probe
    fields = {"kind": probe.kind, "what": probe.what, "where": probe.where, "needed": probe.needed, "up": check.up}
    fields |= {"said": check.said, "took_ms": round(check.took_s * 1000, 1)}
    return fields if check.up else {**fields, "advice": probe.advice}


def _show(checks: Sequence[Check], ok: bool, clashes: Sequence[str]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title_justify="left")
    for column in ("for", "is", "where", "", "says", "ms"):
        table.add_column(column, overflow="fold", justify="right" if column == "ms" else "left")
    for check in checks:
        probe, up = check.probe, "[green]up[/]" if check.up else "[red]down[/]"
        took = f"{check.took_s * 1000:.0f}"
        table.add_row(_USES[probe.kind], probe.what, escape(probe.where), up, escape(check.said), took)
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    console.print(table)
    for check in checks:
        if not check.up:
            console.print(f"{check.probe.kind}: {check.probe.advice}", markup=False, soft_wrap=True)
    for clash in clashes:
        console.print(clash, markup=False, soft_wrap=True)
    if ok:
        console.print(
            f"Everything that a conversation needs is there: {this_program()} serve", soft_wrap=True, markup=False
        )
