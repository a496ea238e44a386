"""`voicepipe serve`: a pipeline on embedded models or on services, for clients to talk to."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import add_service_options, settings_of

if TYPE_CHECKING:
    from voicepipe.cli.larger_model import LargerModel
    from voicepipe.engine import Engine
    from voicepipe.engine.checks import Kind
    from voicepipe.metrics import Metrics
    from voicepipe.session import Pipeline
    from voicepipe.settings import Settings
    from voicepipe.voices import VoiceStore

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
  voicepipe serve --llm http://localhost:11434 hear and speak with the embedded models, think elsewhere
  voicepipe serve --llm model.gguf             any GGUF chat model, in this process
  voicepipe serve --stt ws://localhost:8090 --tts ws://localhost:8089 --llm http://localhost:8091
                                               nothing embedded: Kyutai's servers, and any OpenAI-compatible one

What has no URL runs in this process: pip install "voicepipe[embedded]". Every option is also a variable
(VOICEPIPE_LLM_URL, or KYUTAI_LLM_URL as Unmute has it) and a line of voicepipe.toml (llm_url = "…"). `voicepipe check`
says whether everything is there. Then, in a second terminal:
  voicepipe talk question.wav
"""


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
    parser.add_argument("--host", help="the address to listen at (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, help="0 for any free one (default: 8000)")
    parser.add_argument(
        "--max-sessions",
        type=_count,
        metavar="N",
        help="conversations at once; others are told that the server is full (default: what this machine carries)",
    )
    add_service_options(parser)
    parser.add_argument("--log-json", action="store_const", const=True, help="log lines as JSON objects")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="default: info")


def run(args: argparse.Namespace) -> int:
    """0 when the server was told to stop; CommandError when it cannot start."""
    settings = settings_of(args, "host", "port", "max_sessions", "log_json", "log_level")
    from voicepipe.logs import configure_logs

    configure_logs(settings.log_level, as_json=settings.log_json)
    pipeline = _pipeline(args.pipeline)
    _check_address(settings.host, settings.port)
    from voicepipe.cli.larger_model import LargerModel
    from voicepipe.metrics import Metrics

    metrics, voices, larger = Metrics(), _voices(settings), LargerModel(settings)
    engine = _engine(settings, metrics, voices)
    try:
        return _serve(settings, pipeline, engine, metrics, voices, larger)
    finally:
        engine.close()


def _serve(
    settings: Settings,
    pipeline: Pipeline,
    engine: Engine,
    metrics: Metrics,
    voices: VoiceStore,
    larger: LargerModel,
) -> int:
    import asyncio

    from voicepipe.server import run_server
    from voicepipe.yaml_file import YamlError

    async def serve() -> None:
        def ready(url: str) -> None:
            _freeze()
            _tell(url, engine, settings)
            larger.tell()

        try:
            await run_server(pipeline, engine, settings, metrics=metrics, voices=voices, ready=ready)
        finally:
            await engine.disconnect()
            await voices.close()

    try:
        asyncio.run(serve())
    except OSError as error:
        raise _no_address(settings.host, settings.port, error) from error
    except YamlError as error:
        raise CommandError(str(error)) from error
    return 0


def _freeze() -> None:
    """What is loaded by now stays for good: a full collection that looks at all of it, some 79,000 objects, would stop
    every conversation for 60 ms. After this it takes 0.01 ms.
    """
    import gc

    gc.collect()
    gc.freeze()


def _voices(settings: Settings) -> VoiceStore:
    from voicepipe.server.app import voice_store

    try:
        return voice_store(settings)
    except ImportError as error:
        raise CommandError(f'redis_url needs one more package: pip install "voicepipe[redis]" ({error})') from error


def _tell(url: str, engine: Engine, settings: Settings) -> None:
    """Programs that start a server wait for the first line."""
    from voicepipe.server.door import open_to_others

    reachable = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    where = "" if reachable.endswith("127.0.0.1:8000") else f" --url {reachable}"
    sessions = min(engine.max_sessions, settings.max_sessions or engine.max_sessions)
    print(f"Listening on {url}")
    print(f"Talk to it:  voicepipe talk speech.wav{where}")
    print(f"{sessions} {'conversation' if sessions == 1 else 'conversations'} at once; Ctrl-C stops it.", flush=True)
    if open_to_others(settings):
        print("Everybody who can reach it may talk: VOICEPIPE_API_KEYS asks them for a key.", flush=True)


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


def _engine(settings: Settings, metrics: Metrics, voices: VoiceStore) -> Engine:
    """What the settings name; of the embedded models those that are needed, and absent ones of these fetched first."""
    from voicepipe.engine.build import build_engine, embedded_kinds
    from voicepipe.models import ModelError

    if kinds := embedded_kinds(settings):
        _check_packages(kinds)
        _fetch_missing(kinds, settings)
    try:
        with _loading(bool(kinds)) as progress:
            return build_engine(
                settings,
                max_sessions=settings.max_sessions,
                progress=progress,
                observe=metrics.observer,
                voices=voices,
            )
    except (ModelError, ImportError) as error:
        raise CommandError(f"the models cannot be loaded: {error}") from error


def _check_packages(kinds: Sequence[Kind]) -> None:
    from voicepipe.engine.local import PACKAGES

    absent = [kind for kind in kinds if not all(find_spec(package) for package in PACKAGES[kind])]
    if absent:
        instead = " ".join(f"--{kind} URL" for kind in absent)
        raise CommandError(
            f'the models need more packages: pip install "voicepipe[embedded]"; or name services instead: {instead}'
        )


def _fetch_missing(kinds: Sequence[Kind], settings: Settings) -> None:
    """What cannot be fetched is told; whether the server can do without it is known to the engine."""
    from voicepipe import models
    from voicepipe.engine.local import models_needed

    needed = models_needed(kinds, settings.llm_file)
    for model in models.missing():
        if model.name not in needed or not model.fetched or models.find(model.name):
            continue  # one download may bring more than one
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
def _loading(anything: bool) -> Generator[Callable[[str], None]]:
    """Takes what has been loaded, from any thread: a line for each, and in a terminal a bar below them."""
    if not anything or not sys.stderr.isatty():
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
