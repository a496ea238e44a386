"""`voicepipe draw`: a pipeline as a picture."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help, add_pipeline_argument, pipeline_of

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Draw a pipeline: its stages as boxes with their parameters, the types of the events on the arrows, boundaries with
what they hold, and where shared streams fork. It is drawn from the pipeline itself, by calling it with stand-ins: no
model is loaded, and nothing runs.
"""

EXAMPLES = """\
examples:
  voicepipe draw -o default.svg                  the default pipeline
  voicepipe draw my/pipeline.py -o mine.svg      your own; any browser shows the file
  voicepipe draw my/pipeline.py --overview -o small.svg
                                                 without parameters and event types
  voicepipe draw my/pipeline.py --mermaid        as text for Markdown pages, which many of them draw
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """The arguments of `voicepipe draw`."""
    parser = subparsers.add_parser(
        "draw",
        help="draw a pipeline",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    add_pipeline_argument(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the file to write (default: standard output)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--overview", action="store_true", help="the stages and the models alone, in a small picture")
    form.add_argument("--mermaid", action="store_true", help="Mermaid text instead of an SVG picture")


def run(args: argparse.Namespace) -> int:
    """0 when it is drawn; CommandError when the pipeline cannot be loaded or built, or the file not written."""
    from voicepipe.drawing import mermaid, svg
    from voicepipe.loader import PipelineError
    from voicepipe.trial import graph_of

    try:
        graph = graph_of(pipeline_of(args.pipeline))
    except PipelineError as error:
        raise CommandError(str(error)) from error
    title = args.pipeline or "the default pipeline"
    picture = mermaid(graph) if args.mermaid else svg(graph, title, small=args.overview)
    if args.output is None:
        sys.stdout.write(picture)
        return 0
    try:
        args.output.write_text(picture, "utf-8")
    except OSError as error:
        raise CommandError(f"cannot write {args.output}: {error.strerror}") from error
    return 0
