"""``python -m voicepipe.testing render "a--b|" [-o out.svg]``: a marble diagram as a picture."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from voicepipe.testing.marbles.docstrings import rows
from voicepipe.testing.marbles.notation import DiagramError, parse
from voicepipe.testing.marbles.render import Row, svg

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status: 0, or 2 for an invalid diagram."""
    options = _parser().parse_args(arguments)
    try:
        picture = svg([row for text in options.diagram for row in _rows(text)])
    except DiagramError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.output is None:
        sys.stdout.write(picture)
    else:
        options.output.write_text(picture, "utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m voicepipe.testing", description=__doc__)
    render = parser.add_subparsers(dest="command", required=True).add_parser("render", help="draw diagrams as SVG")
    render.add_argument(
        "diagram",
        nargs="+",
        help='a diagram, "name: diagram", or several lines as in a docstring; - reads such lines from standard input',
    )
    render.add_argument("-o", "--output", type=Path, help="the file to write, standard output without it")
    return parser


def _rows(text: str) -> Iterator[Row]:
    if text == "-":
        yield from rows(sys.stdin.read())
    elif "\n" in text:
        yield from rows(text)
    else:
        name, separator, diagram = text.rpartition(": ")
        yield Row(name if separator else "", parse(diagram))


if __name__ == "__main__":
    sys.exit(main())
