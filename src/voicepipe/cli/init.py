"""`voicepipe init`: a new project in an empty folder."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help
from voicepipe.installation.installation import installation

__all__ = ["FILES", "add_parser", "run"]

FILES = {
    "bot.py": "bot.py",
    "test_bot.py": "test_bot.py",
    "voicepipe.toml": "voicepipe.toml",
    "requirements.txt": "requirements.txt",
    "README.md": "README.md",
    "Dockerfile": "Dockerfile",
    ".dockerignore": "dockerignore",
    ".gitignore": "gitignore",
    ".github/workflows/tests.yml": "tests.yml",
}
"""The files of a new project, each with the template that it is made of."""

_DESCRIPTION = """\
Write a new project into an empty folder: a pipeline with a stage of its own, a marble test and scenarios, settings, a
README, a Dockerfile and a workflow that runs the tests. The folder is made if there is none; one that is not empty is
left as it is.
"""

_EXAMPLES = """\
examples:
  voicepipe init my-bot         in a new folder
  voicepipe init                in the current folder, which is empty
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """The arguments of `voicepipe init`."""
    parser = subparsers.add_parser(
        "init",
        help="write a new project into an empty folder",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=Help,
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="FOLDER", help="where (default: the current folder)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the project, and say what to do next. CommandError if the folder is not empty, or cannot be written."""
    folder: Path = args.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if there := sorted(path.name for path in folder.iterdir()):
            raise CommandError(f"{folder.resolve()} is not empty: {there[0]} is there; name a new folder")
        _write(folder)
    except OSError as error:
        raise CommandError(f"{folder}: {error.strerror or error}") from error
    inside = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    print(f"A new project is in {folder.resolve()}. Its tests, and the bot itself:")
    print(f"  {inside}pytest")
    print(f"  {inside}voicepipe serve")
    return 0


def _write(folder: Path) -> None:
    from importlib.resources import files

    templates = files("voicepipe.cli") / "project"
    names = {"name": folder.resolve().name, "version": installation().version}
    for name, template in FILES.items():
        text = (templates / f"{template}.tmpl").read_text("utf-8")
        for key, value in names.items():
            text = text.replace(f"{{{key}}}", value)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
