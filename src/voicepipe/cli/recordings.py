"""`voicepipe recordings`: the recordings of a folder, and which of them went badly."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help, add_service_options, settings_of
from voicepipe.cli.recorded import of_session

if TYPE_CHECKING:
    from voicepipe.recording.records import Header
    from voicepipe.testing.replay import Figures

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
List the recordings of a folder, the newest first, with what an operator asks about a conversation: how long it was, how
fast the bot answered, how often it cut the user off, how often the user interrupted it, what failed, and how it ended.
"""

EXAMPLES = """\
examples:
  voicepipe recordings                          those of the setting `recordings_dir`
  voicepipe recordings /var/lib/voicepipe/recordings --worst latency
                                                the slowest first
  voicepipe recordings --worst failures -n 5    the five with the most failures
  voicepipe recordings --delete sess_2b7        delete those of a session

To record: VOICEPIPE_RECORDINGS_DIR=/var/lib/voicepipe/recordings voicepipe serve. A conversation is recorded only if
its client allows it; VOICEPIPE_RECORDINGS_USER_SOUND=true keeps the user's sound, too, where the client allows that.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add the arguments of `voicepipe recordings`."""
    parser = subparsers.add_parser(
        "recordings",
        help="list the recorded sessions, the worst first",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", metavar="FOLDER", help="the folder (default: the setting recordings_dir)"
    )
    parser.add_argument("--worst", choices=sorted(_WORST), metavar="BY", help=f"sort by {', '.join(sorted(_WORST))}")
    parser.add_argument("-n", type=int, metavar="NUMBER", help="show so many at most")
    parser.add_argument(
        "--delete", metavar="SESSION", help="delete the recordings of one session, by its id or the first letters of it"
    )
    parser.add_argument("--json", action="store_true", help="a JSON object for each, one per line")
    add_service_options(parser)
    parser.set_defaults(server_settings=True)


@dataclass(frozen=True, slots=True)
class _Listed:
    """A recording, or why it cannot be read."""

    path: Path
    header: Header | None
    figures: Figures | None
    duration_s: float = 0.0
    ended: str = ""
    fault: str = ""


def run(args: argparse.Namespace) -> int:
    """List, or delete; 0. Raises CommandError."""
    folder: Path | None = args.folder or settings_of(args).recordings_dir
    if folder is None:
        raise CommandError("name a folder, or set recordings_dir (VOICEPIPE_RECORDINGS_DIR)")
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder: nothing has been recorded there yet")
    if args.delete is not None:
        return _delete(folder, args.delete)
    listed = [_listed(path) for path in sorted(folder.glob("*.recording"), reverse=True)]
    if args.worst is not None:
        listed.sort(key=lambda one: -1.0 if one.figures is None else _WORST[args.worst](one.figures), reverse=True)
    shown = listed[: args.n]
    if args.json:
        for one in shown:
            print(json.dumps(_json(one)))
    else:
        _show(shown, folder)
    return 0


_WORST: dict[str, Callable[[Figures], float]] = {
    "latency": lambda figures: figures.latency_longest_ms or 0.0,
    "cut-offs": lambda figures: figures.cut_offs,
    "interruptions": lambda figures: figures.interruptions,
    "failures": lambda figures: figures.failures,
}


def _delete(folder: Path, session: str) -> int:
    for path in of_session(folder, session):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise CommandError(f"cannot delete {path}: {error.strerror}") from error
        print(f"deleted {path}")
    return 0


def _listed(path: Path) -> _Listed:
    from voicepipe.testing.replay import BadRecording, figures, read, turns

    try:
        recording = read(path)
        numbers = figures(turns(recording.emitted(), recording.header.at_s))
    except BadRecording as error:
        return _Listed(path, None, None, fault=str(error))
    # The records go: a folder has more of them than memory.
    return _Listed(path, recording.header, numbers, recording.duration_s, recording.ended)


def _json(one: _Listed) -> dict[str, Any]:
    if one.header is None or one.figures is None:
        return {"file": str(one.path), "error": one.fault}
    header = one.header
    return {
        "file": str(one.path),
        "session": header.session_id,
        "began_at": header.began_at,
        "duration_s": round(one.duration_s, 3),
        "sound": header.sound,
        "ended": one.ended,
        **asdict(one.figures),
    }


def _show(listed: list[_Listed], folder: Path) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from voicepipe.testing.replay.export import printable

    table = Table(*_COLUMNS, box=None)
    for one in listed:
        table.add_row(*(escape(printable(text)) for text in _row(one)))
    Console(highlight=False, width=None if Console().is_terminal else 160).print(
        table if listed else f"{folder} has no recordings."
    )


_COLUMNS = (
    "file",
    "began (UTC)",
    "s",
    "turns",
    "median ms",
    "longest ms",
    "cut-offs",
    "interrupted",
    "failed",
    "ended",
)


def _row(one: _Listed) -> list[str]:
    if one.header is None or one.figures is None:
        return [one.path.name, one.fault]
    began = datetime.fromtimestamp(one.header.began_at, UTC)
    figures = one.figures
    numbers = (one.duration_s, figures.turns, figures.latency_median_ms, figures.latency_longest_ms)
    counts = (figures.cut_offs, figures.interruptions, figures.failures)
    shown = ["–" if number is None else f"{number:.0f}" for number in numbers]
    return [one.path.name, f"{began:%Y-%m-%d %H:%M:%S}", *shown, *map(str, counts), one.ended]
