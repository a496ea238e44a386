"""`voicepipe bench`: simulated users talk to a running server, in real time."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help
from voicepipe.cli.usage import count, seconds, share
from voicepipe.installation.program import this_program

if TYPE_CHECKING:
    from voicepipe.load.figures import TurnFigures, UserFigures
    from voicepipe.load.sessions import Load
    from voicepipe.load.summary import RealTime, Summary

__all__ = ["add_parser", "run", "search"]

DESCRIPTION = """\
Talk to a running server as many users at once do: they come one after the other, speak and pause, wait for the answer,
and now and then interrupt it. Printed are the time to the answer and its parts, sound that came too late, errors and
refusals, and what a conversation costs the server in CPU and memory, as far as its /metrics tell.
"""

EXAMPLES = """\
examples:
  voicepipe bench                                      one user for a minute, at http://127.0.0.1:8000
  voicepipe bench --sessions 8 --seconds 120           eight of them, for two minutes
  voicepipe bench --find-capacity                      the most users that the server answers in real time
  voicepipe bench --sessions 4 --speech recordings/    what they say: a recording for each turn
  voicepipe bench --dialect ga --barge-ins 0           by OpenAI's protocol, without interruptions
  voicepipe bench --sessions 4 --plot run.svg          a picture of the run
  voicepipe bench --json > run.json                    for machines
  voicepipe bench --url https://voice.example --sessions 2

A run is in real time when half of all answers come within --median and 95 of 100 within --slow, at most 1 % of the
bot's sound and 2 % of the answers are missing, and no user is refused or cut off. The status is 1 when it is not.

Run it on another machine than the server where you can: simulated users take CPU, too, which is printed. A server that
asks for an API key gets the one in the variable VOICEPIPE_TALK_KEY. From one address a server lets in 8 users at once
(max_sessions_per_address), unless it is the server's own machine or a private network.
"""

KEY_VARIABLE = "VOICEPIPE_TALK_KEY"
"""As for `voicepipe talk`."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add the arguments of `voicepipe bench`."""
    parser = subparsers.add_parser(
        "bench",
        help="measure a server under many simulated users, and find how many it carries",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    add = parser.add_argument
    add("--url", default="http://127.0.0.1:8000", help="the server's address (default: %(default)s)")
    add("--sessions", type=count, default=1, metavar="N", help="users at once; of a search, its first run (default: 1)")
    add("--seconds", type=seconds, default=60.0, metavar="S", help="how long each talks (default: 60)")
    add("--over", type=seconds, metavar="S", help="the time over which they come (default: a quarter of --seconds)")
    add("--speech", type=Path, metavar="DIR", help="recordings, each a turn (default: the packaged samples)")
    add(
        "--dialect",
        choices=("unmute", "ga", "beta"),
        default="unmute",
        help="the protocol; Unmute's tells the parts of each answer's time (default: %(default)s)",
    )
    add("--instructions", default="", metavar="TEXT", help="the bot's instructions (default: small talk)")
    add("--barge-ins", type=share, default=0.2, metavar="SHARE", help="of answers that are interrupted (default: 0.2)")
    add("--processes", type=count, metavar="N", help="of the simulated users (default: one for 8 users, 8 at most)")
    add("--seed", type=int, default=0, metavar="N", help="of the users' random numbers (default: 0)")
    add("--find-capacity", action="store_true", help="repeat with more users until the server does not keep up")
    add("--most", type=count, default=512, metavar="N", help="users that a search does not exceed (default: 512)")
    add("--median", type=seconds, default=0.9, metavar="S", help="the bound of the median (default: 0.9)")
    add("--slow", type=seconds, default=1.5, metavar="S", help="the bound of 95 of 100 answers (default: 1.5)")
    add("--plot", type=Path, metavar="FILE.svg", help="draw the run; of a search, its best one")
    add("--json", action="store_true", help="print one JSON object, with every answer")


def run(args: argparse.Namespace) -> int:
    """Return 0 if the server kept up, 1 if it did not. Raises CommandError for a mistake, or if no server is there."""
    if args.plot is not None and not args.plot.parent.is_dir():
        raise CommandError(f"cannot write {args.plot}: there is no folder {args.plot.parent}")
    load = _load(args)
    if not args.find_capacity:
        summary = _measured(args, load)
        _draw(args, summary)
        if args.json:
            print(json.dumps(_fields(summary)))
        else:
            _print(args, summary)
        return int(not summary.kept_up)
    return search(args, load, lambda sessions: _measured(args, replace(load, sessions=sessions)))


def _load(args: argparse.Namespace) -> Load:
    """Return the users. Raises CommandError if they have nothing to say."""
    from voicepipe.client.samples import SampleMissing
    from voicepipe.load.sessions import Load
    from voicepipe.load.speech import NoSpeech, read_speech
    from voicepipe.load.user import Manner

    try:
        speech = read_speech(args.speech)
    except NoSpeech as error:
        raise CommandError(f"--speech: {error}") from None
    except SampleMissing as error:
        raise CommandError(f"{error}; or name recordings of your own: {this_program()} bench --speech DIR") from None
    over_s = args.seconds / 4 if args.over is None else args.over
    manner = Manner(lasts_s=args.seconds, barge_ins=args.barge_ins)
    key = os.environ.get(KEY_VARIABLE, "").strip() or None
    return Load(args.url, args.dialect, args.sessions, over_s, manner, speech, args.instructions, key, args.seed)


def _limits(args: argparse.Namespace) -> RealTime:
    from voicepipe.load.summary import REAL_TIME

    return replace(REAL_TIME, median_ms=args.median * 1000, slow_ms=args.slow * 1000)


def _measured(args: argparse.Namespace, load: Load) -> Summary:
    """Return the result of one run. Raises CommandError if no user reached the server."""
    from voicepipe.load.processes import LoadFailed, run_load
    from voicepipe.load.server_figures import ServerFigures
    from voicepipe.load.summary import summarise

    server = ServerFigures(load.url, load.key)
    processes = args.processes or min(8, -(-load.sessions // 8))
    server.start()
    try:
        with _progress(load) as (heard, left):
            finished = run_load(load, processes, heard=heard, left=left)
    except LoadFailed as error:
        raise CommandError(str(error), 1) from None
    finally:
        cost = server.stop()
    summary = summarise(finished, cost, _limits(args))
    if not summary.outcomes["done"] and not summary.turns and not summary.outcomes["refused"]:
        raise CommandError(next(iter(summary.reasons), "no user talked to the server"), 2)
    return summary


def search(args: argparse.Namespace, load: Load, measured: Callable[[int], Summary]) -> int:
    """Find the most users that a server carries; print each run in a line and the best one whole.

    Args:
        args: The arguments of the command.
        load: The users of the first run.
        measured: Runs a number of users, and returns the result.

    Returns:
        0 if at least one user was carried.
    """
    from voicepipe.load.capacity import CapacitySearch

    steps, best, runs = CapacitySearch(load.sessions, args.most), None, list[dict[str, Any]]()
    while (sessions := steps.next) is not None:
        summary = measured(sessions)
        steps.note(sessions, kept_up=summary.kept_up)
        runs.append({"sessions": sessions, "kept_up": summary.kept_up, "misses": summary.misses})
        if summary.kept_up:
            best = summary if best is None or summary.sessions > best.sessions else best
        if not args.json:
            how = "in real time" if summary.kept_up else "; ".join(summary.misses)
            print(f"{sessions:>4} sessions: {how}", flush=True)
    if args.json:
        print(json.dumps({"capacity": steps.found, "runs": runs, "best": best and _fields(best)}))
    else:
        limit = "" if steps.found < args.most else " (--most: it may carry more)"
        print(f"The server carries {steps.found} of these users in real time{limit}.")
    if best is not None:
        _draw(args, best)
        if not args.json:
            _print(args, best)
    return int(best is None)


@contextmanager
def _progress(load: Load) -> Generator[tuple[Callable[[TurnFigures], None], Callable[[UserFigures], None]]]:
    """Show a bar of users that have left, and the answers so far; only on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task, answers = progress.add_task("users", total=load.sessions), 0

        def heard(turn: TurnFigures) -> None:
            nonlocal answers
            answers += 1
            progress.update(task, description=f"{answers} answers, the last after {turn.latency_ms:.0f} ms; users gone")

        def left(_: UserFigures) -> None:
            progress.update(task, advance=1)

        yield heard, left


# ---- what is printed -------------------------------------------------------------------------------------------------


def _draw(args: argparse.Namespace, summary: Summary) -> None:
    """Draw a run, where a picture is wanted. Raises CommandError."""
    if args.plot is None:
        return
    from voicepipe.load.plot import summary_svg

    title = f"{summary.sessions} {'user' if summary.sessions == 1 else 'users'} at {args.url}"
    try:
        args.plot.write_text(summary_svg(summary, title), "utf-8")
    except OSError as error:
        raise CommandError(f"cannot write {args.plot}: {error.strerror}") from None


def _print(args: argparse.Namespace, summary: Summary) -> None:
    from voicepipe.cli.bench_report import print_summary

    print_summary(summary)
    if args.plot is not None:
        print(f"drawn: {args.plot}")


def _fields(summary: Summary) -> dict[str, Any]:
    return {**asdict(summary), "kept_up": summary.kept_up}
