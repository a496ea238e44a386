"""Tables in the pages of the reference: each name with the first sentence of its docstring.

Sphinx writes the whole docstrings when it builds the documentation. These tables make the pages readable where they are
not built, as in a repository's browser. ``python docs/_ext/summaries.py docs/reference`` writes them.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["main", "with_tables"]

_BLOCK = re.compile(r"(?:<!-- summary -->\n.*?<!-- end of summary -->\n\n)?(```\{eval-rst\}\n.*?\n```)", re.DOTALL)
_MODULE = re.compile(r"^\.\. currentmodule:: (\S+)$")
_NAME = re.compile(r"^\.\. auto(?:function|class|exception|data):: ([\w.]+)")
_EVENTS = ".. events::"


def with_tables(page: str) -> str:
    """Return a page with a table before each block of documented names; tables that it has are written anew.

    Args:
        page: MyST Markdown.
    """
    module = "voicepipe"

    def tabled(found: re.Match[str]) -> str:
        nonlocal module
        names: list[str] = []
        for line in found[1].splitlines():
            if named := _MODULE.match(line):
                module = named[1]
            elif named := _NAME.match(line):
                names.append(named[1] if "." in named[1] else f"{module}.{named[1]}")
            elif line == _EVENTS:
                names += _events()
        rows = "".join(_rows(names))
        table = f"| name | |\n|---|---|\n{rows}" if rows else ""
        return f"<!-- summary -->\n{table}<!-- end of summary -->\n\n{found[1]}" if rows else found[1]

    return _BLOCK.sub(tabled, page)


def _events() -> list[str]:
    module = importlib.import_module("voicepipe.events")
    return [f"voicepipe.events.{name}" for name in module.__all__ if inspect.isclass(getattr(module, name))]


def _rows(names: list[str]) -> Iterator[str]:
    for name in names:
        if sentence := _sentence(_object(name)):
            yield f"| `{name.rpartition('.')[2]}` | {sentence} |\n"


def _object(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def _sentence(thing: Any) -> str:
    """Return the first sentence of a docstring, in Markdown. A value or an alias has none of its own."""
    if not (inspect.isclass(thing) or callable(thing)) or not hasattr(thing, "__module__"):
        return ""
    text = " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
    sentence = re.split(r"(?<=[.!?])(?<!e\.g\.) (?=[A-Z`])", text)[0]
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", sentence).replace("``", "`").replace("|", "\\|")


def main(folder: Path) -> None:
    """Write the tables of every page in a folder."""
    for path in sorted(folder.glob("*.md")):
        before = path.read_text("utf-8")
        if (after := with_tables(before)) != before:
            path.write_text(after, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
