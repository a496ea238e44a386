"""`voicepipe serve`: a pipeline on this machine's models, for clients to talk to."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from voicepipe.cli.errors import CommandError

if TYPE_CHECKING:
    from voicepipe.engine import Engine
    from voicepipe.server import ServerSettings
    from voicepipe.session import Pipeline

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Serve a pipeline: a Python function that takes a session and returns what the bot does. It is named by its file or its
module, with :function behind it where the function is not called `pipeline`. Without a name it is the default one, a
spoken conversation: decode → VAD/STT → turn detector → LLM → TTS → encode.
"""

EXAMPLES = """\
examples:
  voicepipe serve                              the default pipeline at http://127.0.0.1:8000
  voicepipe serve pipelines/echo.py            what you say comes back
  voicepipe serve my_bot.pipelines:support     the function `support` of a module that can be imported
  voicepipe serve --host 0.0.0.0 --port 80     for the whole network
  voicepipe serve --port 0 --log-json 2>log    any free port, which is printed; logs for machines

The models run in this process: pip install "voicepipe[embedded]". Then, in a second terminal:
  voicepipe talk question.wav
"""

EMBEDDED = ("onnxruntime", "xllamacpp")
"""What the models run on: without these the extra is not installed."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """The arguments of `voicepipe serve`."""
    parser = subparsers.add_parser(
        "serve",
        help="serve a pipeline to clients",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "pipeline", nargs="?", metavar="PIPELINE", help="a file, or a module, and :function (default: the default one)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8000, help="0 for any free one (default: %(default)s)")
    parser.add_argument(
        "--max-sessions",
        type=_count,
        metavar="N",
        help="conversations at once; others are told that the server is full (default: what this machine carries)",
    )
    parser.add_argument("--log-json", action="store_true", help="log lines as JSON objects")
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="default: %(default)s"
    )


def run(args: argparse.Namespace) -> int:
    """0 when the server was told to stop; CommandError when it cannot start."""
    from voicepipe.logs import configure_logs

    configure_logs(args.log_level, as_json=args.log_json)
    pipeline = _pipeline(args.pipeline)
    _check_address(args.host, args.port)
    engine = _engine(args.max_sessions)
    try:
        return _serve(args, pipeline, engine)
    finally:
        engine.close()


def _serve(args: argparse.Namespace, pipeline: Pipeline, engine: Engine) -> int:
    import asyncio

    from voicepipe.server import ServerSettings, run_server

    settings = ServerSettings(host=args.host, port=args.port, max_sessions=args.max_sessions)
    try:
        asyncio.run(run_server(pipeline, engine, settings, ready=lambda url: _tell(url, engine, settings)))
    except OSError as error:
        raise _no_address(args.host, args.port, error) from error
    return 0


def _tell(url: str, engine: Engine, settings: ServerSettings) -> None:
    """Programs that start a server wait for the first line."""
    reachable = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    where = "" if reachable.endswith("127.0.0.1:8000") else f" --url {reachable}"
    sessions = min(engine.max_sessions, settings.max_sessions or engine.max_sessions)
    print(f"Listening on {url}")
    print(f"Talk to it:  voicepipe talk speech.wav{where}")
    print(f"{sessions} {'conversation' if sessions == 1 else 'conversations'} at once; Ctrl-C stops it.", flush=True)


def _pipeline(ref: str | None) -> Pipeline:
    from voicepipe.loading import PipelineError, load_pipeline

    try:
        return load_pipeline(ref)
    except PipelineError as error:
        raise CommandError(str(error)) from error


# ---- the address -----------------------------------------------------------------------------------------------------


def _check_address(host: str, port: int) -> None:
    """Better told before the models are loaded than after."""
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as probe:
                if sys.platform != "win32":  # where it means another thing: to share the port
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        raise _no_address(host, port, error) from error


def _no_address(host: str, port: int, error: OSError) -> CommandError:
    import errno

    if error.errno == errno.EADDRINUSE:
        return CommandError(f"port {port} is in use; stop who uses it, or take another one: --port {port + 1}")
    if error.errno == errno.EACCES:
        return CommandError(f"port {port} is reserved to the administrator; take one from 1024 on: --port 8000")
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return CommandError(f"{host!r} is no address of this machine; 127.0.0.1 is, and 0.0.0.0 is all of them")
    return CommandError(f"cannot listen at {host}:{port}: {error.strerror or error}")


# ---- the models ------------------------------------------------------------------------------------------------------


def _engine(max_sessions: int | None) -> Engine:
    """The models of this process, those that are absent fetched first."""
    if not all(find_spec(package) for package in EMBEDDED):
        raise CommandError('the models need more packages: pip install "voicepipe[embedded]"')
    _fetch_missing()
    from voicepipe.engine.local import LocalEngine
    from voicepipe.models import ModelError

    try:
        with _loading() as progress:
            return LocalEngine.load(max_sessions=max_sessions, progress=progress)
    except (ModelError, ImportError) as error:
        raise CommandError(f"the models cannot be loaded: {error}") from error


def _fetch_missing() -> None:
    """What cannot be fetched is told; whether the server can do without it is known to the engine."""
    from voicepipe import models

    for model in models.missing():
        if not model.fetched or models.find(model.name):  # one download may bring more than one
            continue
        print(f"fetching {model.name}, {model.purpose} ({model.size_mb:.0f} MB)", file=sys.stderr, flush=True)
        try:
            if sys.stderr.isatty():
                with models.progress_bar() as progress:
                    models.fetch(model.name, progress)
            else:
                models.fetch(model.name)
        except models.ModelError as error:
            print(f"{model.name} cannot be fetched: {error}", file=sys.stderr, flush=True)


@contextmanager
def _loading() -> Generator[Callable[[str], None]]:
    """Takes what has been loaded, from any thread: a line for each, and in a terminal a bar below them."""
    if not sys.stderr.isatty():
        yield lambda what: print(f"loaded {what}", file=sys.stderr, flush=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        bar.add_task("loading the models", total=None)
        yield lambda what: bar.console.print(f"loaded {what}", highlight=False)


# ---- arguments -------------------------------------------------------------------------------------------------------


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text} is no port; they go from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} conversations cannot be had; it takes one at least")
    return int(text)
