"""`voicepipe check`: whether everything that a pipeline needs is available, and whether the pipeline works."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import (
    Help,
    add_pipeline_argument,
    add_service_options,
    pipelines_of,
    serve_command,
    settings_of,
)

if TYPE_CHECKING:
    from voicepipe.engine.health_checks import Check
    from voicepipe.services import ControlPlane
    from voicepipe.session import Pipeline, StageName
    from voicepipe.settings import Settings

__all__ = ["add_parser", "checks_of", "run"]

# Columns of a table that is not printed to a terminal.
_WIDE = 240

_DESCRIPTION = """\
Try a pipeline without a conversation, ask every service that it uses, look for every embedded model that it needs, and
say what to do where something is missing. No model is loaded. Ends with status 1 when something needed is missing, and
with status 2 when the pipeline, or an option, is wrong.
"""

_EXAMPLES = """\
examples:
  voicepipe check                              what `voicepipe serve` would use
  voicepipe check my/pipeline.py               what `voicepipe serve my/pipeline.py` would use
  voicepipe check --llm http://localhost:8091  with another language model
  voicepipe check --config production.toml     with the settings of a file
  voicepipe check --json                       for machines
"""

_USES = {
    "stt": "speech to text, pauses",
    "tts": "text to speech",
    "llm": "language model",
    "voice_cloning": "voice cloning (optional)",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """The arguments of `voicepipe check`."""
    parser = subparsers.add_parser(
        "check",
        help="see whether a pipeline works, and whether every service and model that it needs is there",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=Help,
    )
    add_pipeline_argument(parser, several=True)
    add_service_options(parser)
    parser.set_defaults(server_settings=False)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def run(args: argparse.Namespace) -> int:
    """Return 0 if everything that the pipeline needs is available, 1 if not. Raises CommandError for a mistake."""
    settings = settings_of(args)
    pipelines = pipelines_of(args.pipelines, settings)
    import asyncio

    from voicepipe.installation.clash import all_clashes
    from voicepipe.loader import PipelineError

    try:
        uses, checks = asyncio.run(checks_of(list(pipelines.values()), settings))
    except PipelineError as error:
        raise CommandError(str(error)) from error
    clashes = [str(clash) for clash in all_clashes()]
    ok = all(check.up for check in checks if check.probe.needed)
    if args.json:
        listed = [_fields(check) for check in checks]
        print(json.dumps({"ok": ok, "uses": sorted(uses), "checks": listed, "clashes": clashes}, ensure_ascii=False))
    else:
        _show(checks, ok, clashes, serve_command(args))
    return int(not ok)


async def checks_of(pipelines: Sequence[Pipeline], settings: Settings) -> tuple[Collection[StageName], list[Check]]:
    """Return what the pipelines use, and its state. Raises PipelineError."""
    from voicepipe.engine.build import check_all

    uses: set[StageName] = {stage for pipeline in pipelines for stage in await _uses(pipeline, settings)}
    async with _cluster(settings) as plane:
        return uses, await check_all(settings, uses, plane)


@asynccontextmanager
async def _cluster(settings: Settings) -> AsyncGenerator[ControlPlane | None]:
    """Connect to the cluster of the settings, if they name one; where that fails, its stages are down."""
    if settings.engine is None:
        yield None
        return
    import asyncio

    from voicepipe.cluster.connection import ClusterError, connect, disconnect
    from voicepipe.cluster.plane import RayControlPlane, UnreachablePlane

    try:
        await asyncio.to_thread(connect, settings.engine)
    except ClusterError as error:
        yield UnreachablePlane(error)
        return
    try:
        yield RayControlPlane()
    finally:
        await asyncio.to_thread(disconnect)


async def _uses(pipeline: Pipeline, settings: Settings) -> Collection[StageName]:
    """Try a pipeline, and return what it uses. Raises PipelineError."""
    from voicepipe.trial import try_pipeline

    trial = await try_pipeline(pipeline, notices_pauses=settings.stt_kyutai is not None)
    for sentence in trial.unshared:
        print(sentence, file=sys.stderr)
    if trial.warning is not None:
        print(f"the pipeline failed when it was tried, and may work later: {trial.warning}", file=sys.stderr)
    return trial.uses


def _fields(check: Check) -> dict[str, Any]:
    probe = check.probe
    fields = {"kind": probe.kind, "what": probe.what, "where": probe.where, "needed": probe.needed, "up": check.up}
    fields |= {"said": check.said, "took_ms": round(check.took_s * 1000, 1)}
    return fields if check.up else {**fields, "advice": probe.advice}


def _show(checks: Sequence[Check], ok: bool, clashes: Sequence[str], serve: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title_justify="left")
    for column in ("for", "is", "where", "", "says", "ms"):
        table.add_column(column, overflow="fold", justify="right" if column == "ms" else "left")
    for check in checks:
        probe, up = check.probe, "[green]up[/]" if check.up else "[red]down[/]"
        took = f"{check.took_s * 1000:.0f}"
        table.add_row(_USES[probe.kind], escape(probe.what), escape(probe.where), up, escape(check.said), took)
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    if checks:
        console.print(table)
    else:
        console.print("This pipeline uses no model and no service.")
    for check in checks:
        if not check.up:
            console.print(f"{check.probe.kind}: {check.probe.advice}", markup=False, soft_wrap=True)
    for clash in clashes:
        console.print(clash, markup=False, soft_wrap=True)
    if ok:
        console.print(f"Everything that a conversation needs is there: {serve}", markup=False, soft_wrap=True)
