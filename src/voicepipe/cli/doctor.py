"""`voicepipe doctor`: check a deployment, and say what to repair."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help, add_pipeline_argument, add_service_options, given_flags, pipelines_of

if TYPE_CHECKING:
    from voicepipe.doctor.findings import Finding
    from voicepipe.engine.health_checks import Check
    from voicepipe.settings import Loaded

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Check a deployment with the settings with which `voicepipe serve` would start here: services and models, cores and their
quota, memory, open files, the clock, the port, keys, folders and their permissions, the cluster and its token, and with
--public the address that users open, its TLS certificate and whether WebSockets pass through. Nothing is changed, and
no secret is printed.
"""

EXAMPLES = """\
examples:
  voicepipe doctor                                   as the user that runs the server, in its folder
  voicepipe doctor --config /etc/voicepipe/voicepipe.toml
  voicepipe doctor --public https://voice.example    and what a user's browser meets
  voicepipe doctor my_bot.py --json                  for machines

The status is 1 where something has to be repaired, and 0 where there are warnings only; with --strict they count, too.
In a container: docker compose exec voicepipe voicepipe doctor. A server that asks for a key gets the one in the
variable VOICEPIPE_TALK_KEY. Certificates of an authority of your own are trusted by the variable SSL_CERT_FILE.
"""

_WIDE = 160
_KEY_VARIABLE = "VOICEPIPE_TALK_KEY"
_COLOURS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "fault": "[red]fault[/]"}
_PACKAGES = {"redis_url": ("redis", "redis"), "otel_url": ("opentelemetry.exporter.otlp", "otel")}
_FILES = ("characters_file", "voices_file", "tts_pronunciations")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add the arguments of `voicepipe doctor`."""
    parser = subparsers.add_parser(
        "doctor",
        help="check a deployment, and say what to repair",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    add_pipeline_argument(parser, several=True)
    add_service_options(parser)
    parser.add_argument("--public", metavar="URL", help="the address that users open: https://voice.example")
    parser.add_argument("--strict", action="store_true", help="status 1 for warnings, too")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.set_defaults(server_settings=True)


def run(args: argparse.Namespace) -> int:
    """Return 0 if nothing has to be repaired, 1 if something has. Raises CommandError for a mistake in the command."""
    import asyncio

    from voicepipe.doctor.findings import fault
    from voicepipe.settings import SettingsError, read_settings

    try:
        loaded = read_settings(given_flags(args), file=args.config)
    except SettingsError as error:
        findings = [fault("settings", str(error), "correct it; `voicepipe settings` says what each setting means")]
    else:
        findings = asyncio.run(_findings(args, loaded))
    failed = [one for one in findings if one.state == "fault" or (args.strict and one.state == "warning")]
    if args.json:
        told = {"ok": not failed, "findings": [asdict(one) for one in findings]}
        print(json.dumps(told, ensure_ascii=False))
    else:
        _show(findings)
    return int(bool(failed))


async def _findings(args: argparse.Namespace, loaded: Loaded) -> list[Finding]:
    from voicepipe.doctor.findings import fine

    changed = len(loaded.written)
    told = f"{changed} not at their default; `voicepipe settings --changed` lists them"
    found = [fine("settings", told if changed else "all at their default")]
    found += await _services(args, loaded)
    found += _machine(loaded)
    found += _here(loaded, args.public)
    found += await _elsewhere(args, loaded)
    return found


async def _services(args: argparse.Namespace, loaded: Loaded) -> list[Finding]:
    """Return the state of what the pipelines use. A pipeline that cannot be loaded is a fault, too."""
    from voicepipe.cli.check import checks_of
    from voicepipe.doctor.findings import fault
    from voicepipe.installation.clash import all_clashes
    from voicepipe.loader import PipelineError

    clashes = [fault("packages", str(clash), "see the line above") for clash in all_clashes()]
    try:
        pipelines = pipelines_of(args.pipelines, loaded.settings)
        _, checks = await checks_of(list(pipelines.values()), loaded.settings)
    except (CommandError, PipelineError) as error:
        return [*clashes, fault("pipeline", str(error), "correct it; `voicepipe check` says more")]
    return [*clashes, *map(_of_check, checks)]


def _of_check(check: Check) -> Finding:
    from voicepipe.doctor.findings import Finding

    probe = check.probe
    said = f"{probe.what}{'' if probe.where == 'embedded' else f' at {probe.where}'}: {check.said}"
    state = "ok" if check.up else "fault" if probe.needed else "warning"
    return Finding(probe.kind, state, said, "" if check.up else probe.advice)


def _machine(loaded: Loaded) -> Iterator[Finding]:
    from voicepipe.cli.workers import workers_of
    from voicepipe.doctor.findings import fault
    from voicepipe.doctor.machine import Machine, machine_findings
    from voicepipe.engine.build import embedded_kinds, sessions_of
    from voicepipe.weights import registry

    settings = loaded.settings
    try:
        workers = workers_of(settings)
    except CommandError as error:
        yield fault("workers", str(error), "unset workers")
        workers = 1
    embedded = embedded_kinds(settings)
    size_mb = 0.0
    if embedded:
        from voicepipe.engine.local import needed_models
        from voicepipe.session import STAGE_NAMES

        names = needed_models(embedded, STAGE_NAMES, settings.llm_file)
        size_mb = sum(registry.REGISTRY[name].size_mb for name in names)
    sessions = settings.max_sessions or sessions_of(settings, embedded)
    yield from machine_findings(Machine.this(), sessions=sessions, workers=workers, models_mb=2 * size_mb)


def _here(loaded: Loaded, public: str | None) -> Iterator[Finding]:
    """Yield the state of port, keys, folders, files and proxies."""
    from voicepipe.cli.address import check_address
    from voicepipe.doctor.cluster import cluster_findings
    from voicepipe.doctor.files import file_findings, folder_findings, secret_findings
    from voicepipe.doctor.serving import key_finding, port_finding, proxy_findings
    from voicepipe.settings import is_secret
    from voicepipe.weights.registry import cache_folder

    settings, refused = loaded.settings, ""
    try:
        check_address(settings.host, settings.port)
    except CommandError as error:
        refused = str(error)
    yield port_finding(settings.host, settings.port, refused)
    yield key_finding(settings, public)
    yield from secret_findings({field: place for field, place in loaded.written.items() if is_secret(field)})
    folders = {"recordings_dir": settings.recordings_dir, "donations_dir": settings.donations_dir}
    yield from folder_findings({name: folder for name, folder in folders.items() if folder is not None})
    yield from _model_folder(cache_folder())
    files: dict[str, Path | None] = {name: getattr(settings, name) for name in _FILES}
    yield from file_findings({name: file for name, file in files.items() if file is not None})
    yield from proxy_findings(_service_urls(loaded))
    yield from cluster_findings(settings.engine, os.environ)


def _model_folder(folder: Path) -> Iterator[Finding]:
    from voicepipe.doctor.findings import fault, fine

    if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
        yield fault("models", f"{folder} cannot be read", f"chown {folder} to the user that runs the server")
    elif folder.is_dir():
        yield fine("models", f"fetched ones are in {folder}")


def _service_urls(loaded: Loaded) -> dict[str, str]:
    settings = loaded.settings
    urls = {
        "stt_url": (settings.stt_url or "").removeprefix("openai:"),
        "tts_url": (settings.tts_url or "").removeprefix("openai:"),
        "llm_url": settings.llm_service or "",
        "voice_cloning_url": settings.voice_cloning_url or "",
        "otel_url": settings.otel_url or "",
        "news_url": settings.news_url if settings.newsapi_api_key is not None else "",
    }
    return {name: url for name, url in urls.items() if url}


async def _elsewhere(args: argparse.Namespace, loaded: Loaded) -> list[Finding]:
    from voicepipe.client import CannotConnect
    from voicepipe.doctor.public import public_findings
    from voicepipe.doctor.serving import package_findings, reached

    settings = loaded.settings
    shared = {"redis_url": (settings.redis_url, 6379), "otel_url": (settings.otel_url, 4318)}
    addresses = {name: (url, port) for name, (url, port) in shared.items() if url is not None}
    found = [*package_findings({name: _PACKAGES[name] for name in addresses})]
    found += [one async for one in reached(addresses)]
    if args.public is None:
        return found
    key = os.environ.get(_KEY_VARIABLE, "").strip() or None
    try:
        return [*found, *[one async for one in public_findings(args.public, key)]]
    except CannotConnect as error:
        raise CommandError(f"--public: {error}") from None


def _show(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for column in ("", "what", "found"):
        table.add_column(column, overflow="fold")
    for one in findings:
        table.add_row(_COLOURS[one.state], escape(one.what), escape(one.said))
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    console.print(table)
    for one in findings:
        if one.remedy:
            console.print(f"{one.what}: {one.remedy}", markup=False, soft_wrap=True)
    if not any(one.remedy for one in findings):
        console.print("Nothing has to be repaired.")
