"""`voicepipe show`: a recorded session as a picture."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help
from voicepipe.cli.recorded import add_recording_argument, file_of, open_recording, write_private

if TYPE_CHECKING:
    from voicepipe.testing.replay import Recording

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Draw a recorded session as a marble diagram: the user's voice, the words that were heard, the turns with their response
times, the reply, its sound, and what went wrong, on one axis of time. The picture is an SVG file, which any browser
shows; a marble's tooltip has its time and its whole text.
"""

EXAMPLES = """\
examples:
  voicepipe show talk.recording -o talk.svg     five seconds a row
  voicepipe show talk.recording --row 2 -o talk.svg
                                                two seconds a row: more room for words
  voicepipe show talk.recording --text          as lines of text
  voicepipe show sess_2b7 -o talk.svg           the session of a log line, in the folder of the setting recordings_dir
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add the arguments of `voicepipe show`."""
    parser = subparsers.add_parser(
        "show",
        help="draw a recorded session",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    add_recording_argument(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE.svg", help="the file to write (default: standard output)"
    )
    parser.add_argument("--row", type=float, default=5.0, metavar="SECONDS", help="the length of a row (default: 5)")
    parser.add_argument("--text", action="store_true", help="lines of text instead of a picture")


def run(args: argparse.Namespace) -> int:
    """Draw the session and return 0. Raises CommandError."""
    recording = open_recording(file_of(args.file))
    if not 0.5 <= args.row <= 3600:
        raise CommandError(f"--row {args.row:g}: a row has 0.5 to 3600 seconds")
    text = _text(recording) if args.text else _picture(recording, args.row)
    if args.output is None:
        sys.stdout.write(text)
        return 0
    write_private(args.output, text)
    return 0


def _picture(recording: Recording, row_s: float) -> str:
    from voicepipe.drawing.lanes import lanes_svg
    from voicepipe.testing.replay.lanes import lanes_of

    header = recording.header
    title = f"{header.session_id}: {recording.duration_s:.1f} s, ended: {recording.ended}"
    return lanes_svg(lanes_of(recording.emitted(), header.at_s), title, until_s=recording.duration_s, row_s=row_s)


def _text(recording: Recording) -> str:
    from voicepipe.recording.records import SoundEncoded
    from voicepipe.testing.player.picture import picture

    began_s = recording.header.at_s
    events = [(at_s - began_s, event) for at_s, event in recording.emitted() if not isinstance(event, SoundEncoded)]
    return f"{picture(events, ())}\n"
