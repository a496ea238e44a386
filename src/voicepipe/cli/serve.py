"""`voicepipe serve`: serve a pipeline with embedded models or services."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from voicepipe.cli.errors import CommandError
from voicepipe.cli.notes import note
from voicepipe.cli.options import (
    Help,
    add_pipeline_argument,
    add_service_options,
    add_setting_option,
    pipelines_of,
    settings_of,
)
from voicepipe.installation.installation import install_command
from voicepipe.installation.program import this_program

if TYPE_CHECKING:
    import asyncio

    from voicepipe.cli.larger_model import LargerModel
    from voicepipe.engine import Engine
    from voicepipe.engine.build import ComposedEngine
    from voicepipe.engine.health_checks import ServiceKind
    from voicepipe.metrics.registry import Metrics
    from voicepipe.server.app import Lifespan
    from voicepipe.session import Pipeline, StageName
    from voicepipe.settings import Settings
    from voicepipe.voices.store import VoiceStore

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Serve a pipeline: a Python function that takes a session and returns what the bot does. It is named by its file or its
module, with :function behind it where the function is not called `pipeline`. Without a name it is the default one, a
spoken conversation: decode → VAD/STT → turn detector → LLM → TTS → encode. Several share the server; a client names one
in the path, or as ?model=, and gets the first otherwise.

The pipeline is tried before the server listens, and only the models that it uses are loaded. Every setting is an
option, also those that are not listed here, such as --llm-max-tokens 300.
"""

EXAMPLES = """\
examples:
  voicepipe serve                              the default pipeline at http://127.0.0.1:8000
  voicepipe serve pipelines/echo.py            what you say comes back
  voicepipe serve my_bot.pipelines:support     the function `support` of a module that can be imported
  voicepipe serve support.py sales.py          two, as /v1/realtime/support and /v1/realtime/sales
  voicepipe serve --host 0.0.0.0 --port 80     for the whole network
  voicepipe serve --port 0 --log-json 2>log    any free port, which is printed; the log is JSON, each line
  voicepipe serve --llm http://localhost:11434 hear and speak with the embedded models, think elsewhere
  voicepipe serve --llm model.gguf             any GGUF chat model, in this process
  voicepipe serve --stt ws://localhost:8090 --tts ws://localhost:8089 --llm http://localhost:8091
                                               nothing embedded: Kyutai's servers, and any OpenAI-compatible one

What has no URL runs in this process; it needs the packages of
  {install embedded}

Every option is also a variable (VOICEPIPE_LLM_URL, or KYUTAI_LLM_URL as Unmute has it) and a line of voicepipe.toml
(llm_url = "…"). `voicepipe check` says whether everything is there. Then, in a second terminal:
  voicepipe talk --sample
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """The arguments of `voicepipe serve`."""
    parser = subparsers.add_parser(
        "serve",
        help="serve a pipeline to clients",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    add_pipeline_argument(parser, several=True)
    add_setting_option(parser, "--host", metavar="ADDRESS", help="the address to listen at (default: 127.0.0.1)")
    add_setting_option(parser, "--port", metavar="N", help="0 for any free one (default: 8000)")
    add_setting_option(
        parser,
        "--max-sessions",
        metavar="N",
        help="conversations at once; others are told that the server is full (default: what this machine carries)",
    )
    add_service_options(parser)
    add_setting_option(parser, "--log-json", action="store_const", const=True, help="log lines as JSON objects")
    add_setting_option(parser, "--log-level", metavar="LEVEL", help="debug, info, warning or error (default: info)")
    parser.set_defaults(server_settings=True)


def run(args: argparse.Namespace) -> int:
    """Return 0 after a signal to stop. Raises CommandError if the server cannot start; with JSON logs, logs it."""
    settings = settings_of(args)
    from voicepipe.cli.logs import configure_logs

    configure_logs(settings.log_level, as_json=settings.log_json)
    try:
        return _run(args, settings)
    except CommandError as error:
        if not settings.log_json:
            raise
        note(str(error), as_json=True)
        return error.exit_code


def _run(args: argparse.Namespace, settings: Settings) -> int:
    pipelines = pipelines_of(args.pipelines, settings)
    lifespans = _lifespans(pipelines)
    _check_address(settings.host, settings.port)
    import asyncio

    from voicepipe.server.steady_loop import SteadyLoop

    # One loop for all: what a pipeline keeps from its trial belongs to that loop.
    with asyncio.Runner(loop_factory=SteadyLoop) as runner:
        uses = _uses(pipelines, settings, runner)
        from voicepipe.cli.larger_model import LargerModel
        from voicepipe.engine.build import used_kinds
        from voicepipe.metrics.registry import Metrics

        metrics, voices, larger = Metrics(used_kinds(uses)), _voices(settings), LargerModel(settings, uses)
        engine = _engine(settings, uses, metrics, voices)
        try:
            return _serve(settings, pipelines, engine, metrics, voices, runner, larger, lifespans)
        finally:
            engine.close()


def _lifespans(pipelines: Mapping[str, Pipeline]) -> list[Lifespan]:
    """Return what the pipelines' modules open and close, each once. Raises CommandError for a mistake in one."""
    from voicepipe.loader import PipelineError, lifespan_of

    try:
        found = [lifespan_of(pipeline) for pipeline in pipelines.values()]
    except PipelineError as error:
        raise CommandError(str(error)) from error
    return list(dict.fromkeys(one for one in found if one is not None))


def _uses(pipelines: Mapping[str, Pipeline], settings: Settings, runner: asyncio.Runner) -> Collection[StageName]:
    """Try the pipelines and return the stages that they use. Raises CommandError for a mistake in one."""
    return {stage for pipeline in pipelines.values() for stage in _uses_of(pipeline, settings, runner)}


def _uses_of(pipeline: Pipeline, settings: Settings, runner: asyncio.Runner) -> Collection[StageName]:
    from voicepipe.loader import PipelineError
    from voicepipe.trial import try_pipeline

    try:
        trial = runner.run(try_pipeline(pipeline, notices_pauses=settings.stt_kyutai is not None))
    except PipelineError as error:
        raise CommandError(str(error)) from error
    for sentence in trial.unshared:
        print(sentence, file=sys.stderr)
    if trial.warning is not None:
        text = f"the pipeline failed when it was tried, and may work later: {trial.warning}"
        note(text, as_json=settings.log_json)
    return trial.uses


def _serve(
    settings: Settings,
    pipelines: Mapping[str, Pipeline],
    engine: ComposedEngine,
    metrics: Metrics,
    voices: VoiceStore,
    runner: asyncio.Runner,
    larger: LargerModel,
    lifespans: Sequence[Lifespan],
) -> int:
    from voicepipe._yaml import YamlError
    from voicepipe.server import run_server

    async def serve() -> None:
        def ready(url: str) -> None:
            _freeze()
            _tell(url, engine, settings)
            larger.tell()

        engine.warm()
        try:
            await run_server(
                pipelines, engine, settings, metrics=metrics, voices=voices, lifespans=lifespans, ready=ready
            )
        finally:
            await engine.disconnect()
            await voices.close()

    try:
        runner.run(serve())
    except OSError as error:
        raise _no_address(settings.host, settings.port, error) from error
    except (YamlError, ModuleNotFoundError) as error:
        raise CommandError(str(error)) from error
    return 0


def _freeze() -> None:
    """Exempt what is loaded now, which stays, from garbage collection: a full collection of some 79,000 objects would
    stop every conversation for 60 ms. After this it takes 0.01 ms.
    """
    import gc

    gc.collect()
    gc.freeze()


def _voices(settings: Settings) -> VoiceStore:
    from voicepipe.server.app import voice_store

    try:
        return voice_store(settings)
    except ImportError as error:
        raise CommandError(f"redis_url needs one more package: {install_command('redis')} ({error})") from error


def _tell(url: str, engine: Engine, settings: Settings) -> None:
    """Print that the server listens. Programs that start a server wait for the first line."""
    from voicepipe.client.samples import has_samples
    from voicepipe.server.http.auth import open_to_others

    reachable = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    where = "" if reachable.endswith("127.0.0.1:8000") else f" --url {reachable}"
    sessions = min(engine.max_sessions, settings.max_sessions or engine.max_sessions)
    print(f"Listening on {url}")
    what = "--sample" if has_samples() else "FILE.wav"
    print(f"Talk to it:  open it in a browser, or run {this_program()} talk {what}{where}")
    print(f"{sessions} {'conversation' if sessions == 1 else 'conversations'} at once; Ctrl-C stops it.", flush=True)
    if open_to_others(settings):
        print("It accepts every client that can reach it; set VOICEPIPE_API_KEYS to require a key.", flush=True)


# ---- the address -----------------------------------------------------------------------------------------------------


def _check_address(host: str, port: int) -> None:
    """Check the address before the models are loaded."""
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
        return CommandError(
            f"port {port} is in use; stop the program that uses it, or take another port: --port {port + 1}"
        )
    if error.errno == errno.EACCES:
        return CommandError(f"port {port} is reserved for the administrator; take one from 1024 on: --port 8000")
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return CommandError(
            f"{host!r} is not an address of this machine; 127.0.0.1 is, and 0.0.0.0 stands for all that it has"
        )
    return CommandError(f"cannot listen at {host}:{port}: {error.strerror or error}")


# ---- the models ------------------------------------------------------------------------------------------------------


def _engine(settings: Settings, uses: Collection[StageName], metrics: Metrics, voices: VoiceStore) -> ComposedEngine:
    """Build the engine of the settings with the embedded models in use; fetch absent ones first."""
    from voicepipe._yaml import YamlError
    from voicepipe.engine.build import build_engine, embedded_kinds, embedded_uses
    from voicepipe.weights.registry import ModelError

    if kinds := embedded_kinds(settings, uses):
        _check_packages(kinds)
        _fetch_missing(kinds, embedded_uses(settings, uses), settings)
    try:
        with _loading(bool(kinds), as_json=settings.log_json) as progress:
            return build_engine(
                settings,
                max_sessions=settings.max_sessions,
                uses=uses,
                progress=progress,
                observe=metrics.observer,
                voices=voices,
            )
    except (ModelError, ImportError) as error:
        raise CommandError(f"the models cannot be loaded: {error}") from error
    except YamlError as error:
        raise CommandError(str(error)) from error


def _check_packages(kinds: Sequence[ServiceKind]) -> None:
    from voicepipe.engine.local import PACKAGES

    absent = [kind for kind in kinds if not all(find_spec(package) for package in PACKAGES[kind])]
    if absent:
        instead = " ".join(f"--{kind} URL" for kind in absent)
        raise CommandError(
            f"the models need more packages: {install_command('embedded')}; or name services instead: {instead}"
        )


def _fetch_missing(kinds: Sequence[ServiceKind], uses: Collection[StageName], settings: Settings) -> None:
    """Fetch missing files. A failure is printed; the engine knows whether the server can do without the file."""
    from voicepipe.engine.local import needed_models
    from voicepipe.weights import registry

    needed = needed_models(kinds, uses, settings.llm_file)
    for model in registry.missing():
        if model.name not in needed or not model.fetched or registry.find(model.name):
            continue  # one download may bring more than one
        note(f"fetching {model.name}, {model.purpose} ({model.size_mb:.0f} MB)", as_json=settings.log_json)
        try:
            if sys.stderr.isatty() and not settings.log_json:
                with registry.progress_bar() as progress:
                    registry.fetch(model.name, progress)
            else:
                registry.fetch(model.name)
        except registry.ModelError as error:
            note(f"{model.name} cannot be fetched: {error}", as_json=settings.log_json)


@contextmanager
def _loading(anything: bool, *, as_json: bool) -> Generator[Callable[[str], None]]:
    """Print what has been loaded, from any thread: a line each, and in a terminal a progress bar."""
    if not anything or as_json or not sys.stderr.isatty():
        yield lambda what: note(f"loaded {what}", as_json=as_json)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        bar.add_task("loading the models", total=None)
        yield lambda what: bar.console.print(f"loaded {what}", highlight=False, markup=False)
