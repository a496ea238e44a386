"""`voicepipe donations`: donated voices, listed, trimmed and removed."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help, add_service_options, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voicepipe.voices.donations import Donation

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
List the voices that were donated to a server, trim one for a cloning service, or remove one when its donor has
withdrawn it. A voice is named by its id, by the beginning of that, or by the donor's e-mail address.
"""

EXAMPLES = """\
examples:
  voicepipe donations                           those of the setting `donations_dir`
  voicepipe donations /var/lib/voices --json    those of a folder, for machines
  voicepipe donations --trim 0b8b5e0e           silence at both ends goes, and more than 10 s of voice; the donation
                                                itself stays as it is, and ID.trimmed.wav is written beside it
  voicepipe donations --remove ann@example.org  recording, trimmed recording and facts

To collect voices: VOICEPIPE_DONATIONS_DIR=/var/lib/voices voicepipe serve (KYUTAI_VOICE_DONATION_DIR is read, too).
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add the arguments of `voicepipe donations`."""
    parser = subparsers.add_parser(
        "donations",
        help="list, trim and remove donated voices",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", metavar="FOLDER", help="the folder (default: the setting donations_dir)"
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--trim", metavar="ID", help="write a recording without silence at its ends")
    action.add_argument("--remove", metavar="ID", help="delete a voice")
    action.add_argument("--json", action="store_true", help="a JSON object for each, one per line")
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="the longest trimmed recording (default: 10)"
    )
    add_service_options(parser)
    parser.set_defaults(server_settings=True)


def run(args: argparse.Namespace) -> int:
    """Do what the arguments say; 0. Raises CommandError."""
    from voicepipe.voices.donations import NoDonation, donations, find, remove

    folder: Path | None = args.folder or settings_of(args).donations_dir
    if folder is None:
        raise CommandError("name a folder, or set donations_dir (VOICEPIPE_DONATIONS_DIR)")
    try:
        if args.trim is not None:
            print(_trim(find(folder, args.trim), args.seconds))
        elif args.remove is not None:
            for path in remove(find(folder, args.remove)):
                print(f"deleted {path}")
        else:
            _list(donations(folder), folder, as_json=args.json)
    except NoDonation as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from error
    return 0


def _trim(donation: Donation, most_s: float) -> str:
    """Write the trimmed recording; return its name and length."""
    from voicepipe.client.recording import BadRecording, read_recording, write_mono
    from voicepipe.recording.private_files import private
    from voicepipe.voices.donations import quiet_ends, trimmed_path

    if not most_s > 0:
        raise CommandError(f"--seconds {most_s:g}: a recording is longer than nothing")
    rate_hz = 24_000
    try:
        samples = read_recording(donation.sound, rate_hz)
        begin, end = quiet_ends(samples, rate_hz, most_s=most_s)
    except (BadRecording, ValueError) as error:
        raise CommandError(f"{donation.sound}: {error}") from error
    path = trimmed_path(donation)
    write_mono(path, samples[begin:end], rate_hz, opener=private)
    return f"{path}  {(end - begin) / rate_hz:.1f} s of {len(samples) / rate_hz:.1f} s"


def _list(found: Sequence[Donation], folder: Path, *, as_json: bool) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if as_json:
        for one in found:
            print(json.dumps(_json(one)))
        return
    table = Table("id", "given (UTC)", "nickname", "e-mail", "kB", "form", box=None)
    for one in found:
        given = f"{datetime.fromtimestamp(one.given_at, UTC):%Y-%m-%d %H:%M}"
        row = (one.id, given, one.nickname, one.email, f"{one.bytes / 1000:.0f}", one.format_version)
        table.add_row(*map(escape, row))
    console = Console(highlight=False, width=None if Console().is_terminal else 160)
    console.print(table if found else f"{folder} has no donations.")


def _json(one: Donation) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(one).items()}
