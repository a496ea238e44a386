"""`voicepipe test`: the scenarios of a file, in virtual time or against a live server."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help
from voicepipe.cli.usage import count, seconds, share

if TYPE_CHECKING:
    from voicepipe.testing import ChatModel, Scenario
    from voicepipe.testing.live.player import Live
    from voicepipe.testing.report import Result

__all__ = ["add_parser", "run"]

KEY_VARIABLE = "OPENAI_API_KEY"

DESCRIPTION = """\
Play the scenarios of a Python file, and check what they claim. They are the `Scenario`s that the file has in variables,
lists and mappings. Without --url they are played in virtual time, a minute in a fraction of a second, with the pipeline
that the file calls `pipeline`, or the default one. With --url they are played to a server, in real time, as a client of
OpenAI's Realtime API: what the user says is spoken by the embedded voice.

In virtual time, what sessions share is opened by the function that the file calls `lifespan`, or that of --pipeline.
"""

EXAMPLES = """\
examples:
  voicepipe test bot_scenarios.py                           in virtual time
  voicepipe test bot_scenarios.py --pipeline my_bot.py      with another pipeline than the file's
  voicepipe test bot_scenarios.py --url ws://127.0.0.1:8000 against a running server, spoken
  voicepipe test bot_scenarios.py --url ws://127.0.0.1:8000 --text
                                                            written turns: quicker, and needs no voice
  voicepipe test bot_scenarios.py --llm http://localhost:11434 --model qwen3 --repeat 10 --pass-rate 0.9
                                                            simulated users and judges by a real model
  voicepipe test bot_scenarios.py --junit report.xml        for a CI

a file of scenarios:
  from voicepipe.testing import Scenario

  greeting = Scenario("The bot greets").by(3).bot_replies().never().service_fails()
  question = Scenario("A question").at(4).user_says("What time is it?").by(9, times=2).bot_replies()

Against a server, times may be off by --tolerance; what only the pipeline knows (`llm_is_asked`, …) is left out, and the
report says so; what a scenario says of the scripted services has no effect. A server that asks for an API key gets the
one in OPENAI_API_KEY; the model of --llm gets the one in VOICEPIPE_LLM_API_KEY. The status is 1 when a scenario fails.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """The arguments of `voicepipe test`."""
    parser = subparsers.add_parser(
        "test",
        help="play scenarios, in virtual time or to a live server",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a Python file with scenarios")
    parser.add_argument("-k", dest="only", metavar="TEXT", help="only the scenarios with this in their title")
    parser.add_argument("--pipeline", metavar="PIPELINE", help="the pipeline, as for `voicepipe serve`; without --url")
    parser.add_argument("--url", help="a server's address: play to it, in real time")
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        type=_header,
        metavar="NAME:VALUE",
        help="a header for the server, such as x-shop:7; may be given several times",
    )
    parser.add_argument("--text", action="store_true", help="write the user's turns instead of speaking them")
    parser.add_argument(
        "--recordings", type=Path, metavar="FOLDER", help='speak "Hello there!" by FOLDER/hello-there.wav, if it exists'
    )
    parser.add_argument(
        "--tolerance",
        type=seconds,
        default=1.0,
        metavar="SECONDS",
        help="how far times may be off against a server (default: %(default)s)",
    )
    parser.add_argument("--repeat", type=count, default=1, metavar="N", help="play each N times (default: 1)")
    parser.add_argument(
        "--pass-rate",
        type=share,
        default=1.0,
        metavar="SHARE",
        help="the share of the N runs that have to pass, from 0 to 1 (default: 1)",
    )
    parser.add_argument("--llm", metavar="URL", help="the model of simulated users and judges, OpenAI-compatible")
    parser.add_argument("--model", metavar="NAME", help="its name, if the service has several")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write a report as JUnit XML")


def run(args: argparse.Namespace) -> int:
    """Return 0 if every scenario has passed, 1 if not. Raises CommandError for a mistake."""
    from voicepipe.testing.live.player import not_live
    from voicepipe.testing.report import junit, play_all

    if args.url is None and (args.text or args.recordings or args.header):
        raise CommandError("--text, --recordings and --header are for a live server; add --url, or leave them out")
    if args.junit is not None and not args.junit.parent.is_dir():
        raise CommandError(f"cannot write {args.junit}: there is no folder {args.junit.parent}")
    scenarios, play = _found(args)
    with _progress(len(scenarios) * args.repeat) as advance:
        results = play_all(
            scenarios,
            play,
            repeat=args.repeat,
            pass_rate=args.pass_rate,
            left_out=not_live if args.url else lambda _: (),
            progress=advance,
        )
    if args.junit is not None:
        args.junit.write_text(junit(results, args.file.stem), "utf-8")
    return _report(results)


def _found(args: argparse.Namespace) -> tuple[list[Scenario], Callable[[Scenario], Iterable[str]]]:
    """Return the scenarios of the file, and what plays one and returns the complaints. Raises CommandError."""
    from voicepipe.loader import PipelineError, lifespan_in, lifespan_of, load_module, load_pipeline
    from voicepipe.testing.report import scenarios_in

    try:
        module = load_module(args.file)
        names = vars(module)
        own = names.get("pipeline")
        chosen = load_pipeline(args.pipeline)
        pipeline = own if callable(own) and not args.pipeline else chosen
        lifespan = lifespan_of(chosen) if args.pipeline else lifespan_in(module)
    except PipelineError as error:
        raise CommandError(str(error)) from None
    scenarios = [one for one in scenarios_in(names) if args.only is None or args.only.lower() in one.title.lower()]
    if not scenarios:
        which = f" with {args.only!r} in its title" if args.only else ""
        raise CommandError(f'{args.file} has no scenario{which}; one is a variable: greeting = Scenario("It greets")…')
    model = _model(args)
    if args.url is not None:
        return scenarios, _player_to(_server(args, model))
    return scenarios, lambda scenario: _in_virtual_time(scenario, pipeline, model, lifespan)


def _model(args: argparse.Namespace) -> ChatModel | None:
    from voicepipe.testing import ChatModel

    if args.llm is None:
        return None
    return ChatModel(args.llm, args.model, api_key=os.environ.get("VOICEPIPE_LLM_API_KEY", "").strip() or None)


def _in_virtual_time(scenario: Scenario, pipeline: object, model: ChatModel | None, lifespan: object) -> Iterable[str]:
    from voicepipe.testing import ScenarioFailed
    from voicepipe.testing import run as play
    from voicepipe.testing.report import Failed

    try:
        play(scenario, pipeline, model=model, lifespan=lifespan)  # type: ignore[arg-type]
    except ScenarioFailed as error:
        raise Failed(str(error).removeprefix(scenario.title).strip()) from None
    return ()


def _server(args: argparse.Namespace, model: ChatModel | None) -> Live:
    from voicepipe.testing.live.player import Live
    from voicepipe.testing.live.speech import embedded_voice, with_recordings

    try:
        voice = None if args.text or args.recordings else embedded_voice()
    except ImportError as error:
        raise CommandError(
            f"the embedded voice is not installed ({error}); add --text, or --recordings FOLDER"
        ) from None
    speak = with_recordings(args.recordings, embedded_voice) if args.recordings and not args.text else voice
    return Live(args.url, speak, model, args.tolerance, headers=dict(args.header))


def _player_to(live: Live) -> Callable[[Scenario], Iterable[str]]:
    import asyncio

    from voicepipe.client import CannotConnect
    from voicepipe.testing.live.player import play_live
    from voicepipe.testing.report import Failed

    def play(scenario: Scenario) -> Iterable[str]:
        try:
            played = asyncio.run(play_live(scenario, live))
        except CannotConnect as error:
            hint = f" The key is read from the variable {KEY_VARIABLE}." if error.status == 401 else ""
            raise CommandError(f"{error}{hint}") from None
        told = [
            f"{one}\n    but {but}" for one in scenario.expectations if not one.inside if (but := one.complaint(played))
        ]
        if told or played.missed:
            raise Failed("\n".join([*told, *played.missed, "", str(played)]))
        return ()

    return play


# ---- what is printed -------------------------------------------------------------------------------------------------


class _Bar:
    """A progress bar on a terminal; elsewhere, nothing."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(
            *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
        )
        self._task = self._progress.add_task("scenarios", total=total)

    def __enter__(self) -> Callable[[str], None]:
        self._progress.start()
        return lambda title: self._progress.update(self._task, advance=1, description=title[:40])

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _progress(total: int) -> AbstractContextManager[Callable[[str], None]]:
    return _Bar(total)


def _report(results: Sequence[Result]) -> int:
    failed = [result for result in results if not result.passed]
    for result in results:
        rate = f"  {result.runs - len(result.failures)} of {result.runs} runs" if result.runs > 1 else ""
        print(f"{'passed' if result.passed else 'FAILED'}  {result.title}  ({result.took_s:.1f} s){rate}")
        for code in result.left_out:
            print(f"        left out: {code}")
    for result in failed:
        print(f"\n{result.title}\n\n{result.failures[0]}")
    print(f"\n{len(results) - len(failed)} of {len(results)} scenarios passed")
    return int(bool(failed))


# ---- arguments -------------------------------------------------------------------------------------------------------


def _header(text: str) -> tuple[str, str]:
    """Return name and value of `NAME:VALUE`."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not value.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no header; one looks like x-shop:7")
    return name.strip(), value.strip()
