"""`voicepipe settings`: every setting with its value, where the value was set, and what the setting means."""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help, add_service_options, given_flags

if TYPE_CHECKING:
    from voicepipe.settings import Loaded

__all__ = ["add_parser", "meanings_of", "run"]

_DESCRIPTION = """\
Print the settings with which `voicepipe serve` would start here: each value, where it was set, and what it means. A
flag wins over a variable, a variable over voicepipe.toml, and that over the default. Secrets are not printed. NAME is
a setting, or a part of its name; without one all are printed.
"""

_EXAMPLES = """\
examples:
  voicepipe settings                           all settings
  voicepipe settings --changed                 those that are not at their default
  voicepipe settings session limit             those with "session" or "limit" in their name
  voicepipe settings --config production.toml  with the settings of a file
  voicepipe settings --json                    for machines
"""

# Columns of a table that is not printed to a terminal.
_WIDE = 160


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add the arguments of `voicepipe settings`."""
    parser = subparsers.add_parser(
        "settings",
        help="see every setting: its value, where it was set, and what it means",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=Help,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a setting, or a part of its name (default: all)")
    parser.add_argument("--changed", action="store_true", help="only those that are not at their default")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    add_service_options(parser)
    parser.set_defaults(server_settings=True)


def run(args: argparse.Namespace) -> int:
    """Print the settings and return 0. Raises CommandError for a wrong value, and for a name that no setting has."""
    from voicepipe.settings import SettingsError, read_settings

    try:
        loaded = read_settings(given_flags(args), file=args.config)
    except SettingsError as error:
        raise CommandError(str(error)) from error
    fields = _chosen(args.names, list(type(loaded.settings).model_fields))
    if args.changed:
        fields = [field for field in fields if field in loaded.written]
    print(json.dumps(_json(loaded, fields), indent=2, ensure_ascii=False)) if args.json else _show(loaded, fields)
    return 0


def meanings_of(model: type) -> dict[str, str]:
    """Return the text below each field of a class of settings, with the fields that it inherits."""
    meanings: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if kind.__module__.startswith("voicepipe."):
            (written,) = ast.parse(inspect.getsource(kind)).body
            meanings |= _texts(written)
    return meanings


def _texts(written: ast.stmt) -> Iterator[tuple[str, str]]:
    for one, following in pairwise(written.body if isinstance(written, ast.ClassDef) else []):
        match one, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, " ".join(text.split())
            case _:
                pass


def _chosen(names: Sequence[str], fields: Sequence[str]) -> list[str]:
    parts = [name.lower().removeprefix("--").replace("-", "_").removeprefix("voicepipe_") for name in names]
    for name, part in zip(names, parts, strict=True):
        if not any(part in field for field in fields):
            raise CommandError(f"no setting has {name!r} in its name; `voicepipe settings` lists all")
    return [field for field in fields if not parts or any(part in field for part in parts)]


def _json(loaded: Loaded, fields: Sequence[str]) -> dict[str, Any]:
    values = loaded.settings.model_dump(mode="json", include=set(fields))
    return {
        field: {
            "value": loaded.shown(field) if values[field] and isinstance(values[field], str) else values[field],
            "from": loaded.written.get(field, "default"),
        }
        for field in fields
    }


def _show(loaded: Loaded, fields: Sequence[str]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    meanings = meanings_of(type(loaded.settings))
    table = Table(show_lines=True)
    for column, least in (("setting", 22), ("value", 12), ("from", 12), ("means", 30)):
        table.add_column(column, overflow="fold", min_width=least)
    for field in fields:
        source = loaded.written.get(field, "[dim]default[/]")
        table.add_row(field, escape(loaded.shown(field)), source, escape(meanings.get(field, "")))
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    console.print(table if fields else "Every setting is at its default.")
