"""`voicepipe replay`: a recorded session, run again."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help, pipeline_of
from voicepipe.cli.recorded import add_recording_argument, file_of, open_recording, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from voicepipe.testing.replay import Difference, Recording, Replayed

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Run a recorded session again, in virtual time: the client's messages and the answers of recogniser, language model and
voice come when they came. Nothing is asked or called again, and no model is loaded.

With the pipeline as it was, every event comes again, to the bit. Where the pipeline does something else, both timelines
are shown, and the session goes on: timers fire when they are due, and each stage gives what it gave in the recording,
with the delay that it had there.
"""

EXAMPLES = """\
examples:
  voicepipe replay talk.recording               is it still the same? exit code 1 where it is not
  voicepipe replay sess_2b7                     the session of a log line, in the folder of the setting recordings_dir
  voicepipe replay talk.recording --pipeline my/pipeline.py
                                                what would my pipeline have done?
  voicepipe replay talk.recording --set ENDPOINTING.silence_ms=500 -o what-if.svg
                                                what if a turn ended after less silence? before and after
  voicepipe replay talk.recording --as-test tests/test_talk.py
                                                a test that pytest runs

`voicepipe recordings` lists the recordings of a folder. PRESET.field is a number of voicepipe.presets.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add the arguments of `voicepipe replay`."""
    parser = subparsers.add_parser(
        "replay",
        help="run a recorded session again, with the same pipeline or another",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    add_recording_argument(parser)
    parser.add_argument(
        "--pipeline",
        metavar="PIPELINE",
        help="a file or a module (default: the recorded pipeline, if it is in this folder)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PRESET.field=value",
        dest="changes",
        help="another number in a preset; may be given several times",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.svg", help="draw both sessions")
    parser.add_argument("--as-test", type=Path, metavar="FILE.py", help="write a regression test")
    parser.add_argument("--json", action="store_true", help="the numbers as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Run the session again: 0 where it is the same, and for "what if"; 1 where it differs. Raises CommandError."""
    from voicepipe.testing.replay import NotReplayable, WrongOverride, differences, overridden

    args.file = file_of(args.file)
    ref = _ref(args)
    try:
        recording, before = _replayed(args, ref)
        if not args.changes:
            difference = differences(recording, before)
            _write(args, ref, recording, before, list(recording.emitted()))
            return _tell_same(args, recording, before, difference)
        with overridden(args.changes):
            _, after = _replayed(args, ref)
    except (NotReplayable, WrongOverride) as error:
        raise CommandError(str(error)) from error
    _write(args, ref, recording, after, before.events)
    _tell_figures(args, recording, before.events, after.events, recorded=list(recording.emitted()))
    return 0


def _replayed(args: argparse.Namespace, ref: str | None) -> tuple[Recording, Replayed]:
    """Run the session again. The pipeline is loaded before the recording is read, which has events of its own."""
    from voicepipe.testing.replay import replay

    pipeline = pipeline_of(ref)
    recording = open_recording(args.file)
    return recording, replay(recording, pipeline, modelled=bool(args.changes))


def _ref(args: argparse.Namespace) -> str | None:
    """Return the pipeline's name. Raises CommandError for a recorded one that is not in this folder.

    A recording may come from anywhere, and a pipeline is code: it says where to look, and never what to run.
    """
    from voicepipe.loader import is_default

    if args.pipeline is not None:
        return args.pipeline
    recorded = open_recording(args.file).header.pipeline
    path = Path(recorded.rpartition(":")[0])
    if path.is_file() and is_default(path):
        return None
    if path.is_file() and path.resolve().is_relative_to(Path.cwd().resolve()):
        return recorded
    if path.name == "default.py" and path.parent.name == "pipelines":
        return None
    if path.is_file():
        raise CommandError(f"the pipeline is not in this folder; to run it, add --pipeline {shlex.quote(recorded)}")
    told = f"{recorded} is not on this machine" if recorded else "the recorded pipeline has no name"
    raise CommandError(f"{told}; name it with --pipeline")


# ---- what is written -------------------------------------------------------------------------------------------------


def _write(
    args: argparse.Namespace,
    ref: str | None,
    recording: Recording,
    after: Replayed,
    before: Sequence[tuple[float, Any]],
) -> None:
    from voicepipe.drawing.lanes import lanes_svg
    from voicepipe.testing.replay.lanes import lanes_of
    from voicepipe.testing.replay.regression import regression_test
    from voicepipe.testing.replay.turns import turns

    began_s = recording.header.at_s
    if args.output is not None:
        lanes = [*lanes_of(before, began_s, before="before:"), *lanes_of(after.events, began_s, before="after:")]
        title = f"{recording.header.session_id}: {', '.join(args.changes) or 'recorded, and run again'}"
        write_private(args.output, lanes_svg(lanes, title, until_s=recording.duration_s))
    if args.as_test is not None:
        found = turns(after.events, began_s)
        write_private(args.as_test, regression_test(args.as_test, args.file, found, pipeline=ref, changes=args.changes))


# ---- what is said ----------------------------------------------------------------------------------------------------


def _tell_same(
    args: argparse.Namespace, recording: Recording, replayed: Replayed, difference: Difference | None
) -> int:
    if difference is None:
        if args.json:
            print(json.dumps({"same": True, "events": len(replayed.events)}))
        else:
            print(f"The same: {len(replayed.events)} events in {recording.duration_s:.1f} s, to the bit.")
        return 0
    before = list(recording.emitted())
    if not args.json:
        at_s, why = replayed.diverged or (_at(difference), "the events differ")
        print(f"It differs from {at_s:.3f} s on: {why}.")
        _show_timelines(before, replayed.events, recording.header.at_s)
    _tell_figures(args, recording, before, replayed.events)
    return 1


def _at(difference: Difference) -> float:
    return (difference.recorded or difference.replayed or (0.0, None))[0]


def _show_timelines(before: Sequence[tuple[float, Any]], after: Sequence[tuple[float, Any]], began_s: float) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from voicepipe.testing.replay.timelines import timelines

    table = Table("recorded", "run again", box=None)
    for row in timelines(before, after, began_s):
        style = "bold" if row.differs else "dim"
        table.add_row(escape(row.one), escape(row.other), style=style)
    if table.row_count:
        Console(highlight=False).print(table)
    else:
        print("What people hear and read is the same; the events differ by less.")


def _tell_figures(
    args: argparse.Namespace,
    recording: Recording,
    before: Sequence[tuple[float, Any]],
    after: Sequence[tuple[float, Any]],
    *,
    recorded: Sequence[tuple[float, Any]] | None = None,
) -> None:
    """Tell the numbers of two sessions. `recorded`: both had modelled stages, and this is what was recorded."""
    from voicepipe.testing.replay import figures, turns

    began_s = recording.header.at_s
    one, other = turns(before, began_s), turns(after, began_s)
    numbers = {"before": dataclasses.asdict(figures(one)), "after": dataclasses.asdict(figures(other))}
    if recorded is not None:
        numbers = {"recorded": dataclasses.asdict(figures(turns(recorded, began_s))), **numbers}
    if args.json:
        print(json.dumps({"same": False, **numbers}))
        return
    _show_table(numbers)
    for number, (turn, changed) in enumerate(zip(one, other, strict=False)):
        if not turn.same_as(changed, within_ms=1):
            print(f"turn {number}: {_turn(turn)}  →  {_turn(changed)}")
    if recorded is not None:
        _tell_what_changed(numbers, same=one == other)


def _show_table(numbers: Mapping[str, Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", *numbers)
    for name, told in _NAMES.items():
        table.add_row(told, *(_number(column[name]) for column in numbers.values()))
    Console(highlight=False).print(table)


def _tell_what_changed(numbers: Mapping[str, Mapping[str, Any]], *, same: bool) -> None:
    """Say what the columns are, where the model of the stages is not the recording, and where nothing has changed."""
    if numbers["recorded"] != numbers["before"]:
        print(
            "`before` is the recorded pipeline with modelled stages, as `after` has them; what is recorded differs "
            "from it by the model alone. Compare `before` with `after`."
        )
    if same:
        print("The change makes no difference: each turn has the same words at the same time.")


_NAMES = {
    "turns": "turns of the user",
    "latency_median_ms": "latency, median (ms)",
    "latency_longest_ms": "latency, longest (ms)",
    "cut_offs": "cut-offs (the user went on within 1.5 s)",
    "interruptions": "interruptions of the bot",
    "failures": "failures of stages",
}


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _turn(turn: Any) -> str:
    latency = "" if turn.latency_ms is None else f" after {turn.latency_ms:.0f} ms"
    marks = "".join(mark for mark, on in ((" (interrupted)", turn.interrupted), (" (cut off)", turn.cut_off)) if on)
    return f"{turn.heard!r} → {turn.said!r}{latency}{marks}"
