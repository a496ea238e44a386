"""`voicepipe export`: a recorded session as sound and text."""

from __future__ import annotations

import argparse
from pathlib import Path

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help
from voicepipe.cli.recorded import add_recording_argument, file_of, open_recording, write_private

__all__ = ["add_parser", "run"]

_LONGEST_S = 12 * 3600

DESCRIPTION = """\
Write what was said in a recorded session: a stereo WAV file, the user on the left and the bot on the right, as the
client played it, and a transcript with times. Only you can read both, as the recording. The user's channel is silent
where the recording has no sound of the user, because the client or the operator did not allow it.
"""

EXAMPLES = """\
examples:
  voicepipe export talk.recording               talk.wav and talk.txt beside it
  voicepipe export talk.recording -o /tmp/talk  /tmp/talk.wav and /tmp/talk.txt
  voicepipe export sess_2b7                     the session of a log line, in the folder of the setting recordings_dir
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add the arguments of `voicepipe export`."""
    parser = subparsers.add_parser(
        "export",
        help="write a recorded session as sound and text",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    add_recording_argument(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="NAME",
        help="the files' name without .wav (default: that of the recording)",
    )


def run(args: argparse.Namespace) -> int:
    """Write both files and return 0. Raises CommandError."""
    from voicepipe.client.recording import write_blocks
    from voicepipe.recording.private_files import private
    from voicepipe.testing.replay.export import RATE_HZ, blocks_of, transcript_of

    path = file_of(args.file)
    recording = open_recording(path)
    if recording.duration_s > _LONGEST_S:
        raise CommandError(f"{path} has {recording.duration_s / 3600:.0f} hours; a WAV file has 12 at most")
    name: Path = args.output or path.with_suffix("")
    sound, text = name.with_name(f"{name.name}.wav"), name.with_name(f"{name.name}.txt")
    try:
        write_blocks(sound, blocks_of(recording), 2, RATE_HZ, private)
    except OSError as error:
        raise CommandError(f"cannot write {error.filename}: {error.strerror}") from error
    write_private(text, transcript_of(recording))
    print(f"{sound}\n{text}")
    if not recording.header.sound:
        print("The left channel is silent: this recording has no sound of the user.")
    return 0
