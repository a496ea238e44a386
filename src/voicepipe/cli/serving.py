"""Load pipelines and models, and serve them: the work of `voicepipe serve`, alone or as one of several workers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypedDict

from voicepipe.cli.address import check_address, no_address
from voicepipe.cli.errors import CommandError
from voicepipe.cli.notes import note
from voicepipe.cli.options import pipelines_of
from voicepipe.cli.startup import end_start
from voicepipe.installation.installation import install_command
from voicepipe.installation.program import this_program

if TYPE_CHECKING:
    import asyncio

    from voicepipe.cli.larger_model import LargerModel
    from voicepipe.cluster.plane import RayControlPlane
    from voicepipe.engine.build import ComposedEngine
    from voicepipe.engine.health_checks import ServiceKind
    from voicepipe.metrics.registry import Metrics
    from voicepipe.server.app import Lifespan
    from voicepipe.server.workers.worker import WorkerLink
    from voicepipe.session import Pipeline, StageName
    from voicepipe.settings import Settings
    from voicepipe.voices.store import VoiceStore

__all__ = ["WorkerPart", "serve_pipelines", "tell"]


@dataclass(frozen=True, slots=True)
class WorkerPart:
    """The part of a process in a server of several.

    Args:
        link: The connection to the supervisor.
        processes: The number of workers.
        speaks: Whether this one tells the user of what it finds; the others find the same.
    """

    link: WorkerLink
    processes: int
    speaks: bool


def serve_pipelines(refs: Sequence[str], settings: Settings, worker: WorkerPart | None = None) -> int:
    """Load the pipelines and models, and serve until told to stop.

    Args:
        refs: The pipelines of the command line.
        settings: All settings; of a worker, with its own number of sessions.
        worker: The part that this process has in a server of several; None: it is alone.

    Raises:
        CommandError: The server cannot start.
    """
    pipelines = pipelines_of(refs, settings)
    lifespans = _lifespans(pipelines)
    if worker is None:
        check_address(settings.host, settings.port)
    import asyncio

    from voicepipe.server.steady_loop import SteadyLoop

    # One loop for all: what a pipeline keeps from its trial belongs to that loop.
    with asyncio.Runner(loop_factory=SteadyLoop) as runner:
        uses = _uses(pipelines, settings, runner, speaks=worker is None or worker.speaks)
        from voicepipe.cli.larger_model import LargerModel
        from voicepipe.engine.build import used_kinds
        from voicepipe.metrics.registry import Metrics

        metrics, voices, larger = Metrics(used_kinds(uses)), _voices(settings, worker), LargerModel(settings, uses)
        processes = 1 if worker is None else worker.processes
        with _cluster(settings) as plane:
            engine = _engine(settings, uses, metrics, voices, processes=processes, plane=plane)
            try:
                return _serve(settings, pipelines, engine, metrics, voices, runner, larger, lifespans, worker)
            finally:
                if plane is not None:
                    runner.run(plane.close())
                engine.close()


@contextmanager
def _cluster(settings: Settings) -> Generator[RayControlPlane | None]:
    """Connect to the cluster of the settings, if they name one. Raises CommandError."""
    if settings.engine is None:
        yield None
        return
    from voicepipe.cluster.connection import ClusterError, connect, disconnect
    from voicepipe.cluster.plane import RayControlPlane

    try:
        connect(settings.engine)
    except ClusterError as error:
        raise CommandError(str(error)) from error
    try:
        yield RayControlPlane()
    finally:
        disconnect()


def _lifespans(pipelines: Mapping[str, Pipeline]) -> list[Lifespan]:
    """Return what the pipelines' modules open and close, each once. Raises CommandError for a mistake in one."""
    from voicepipe.loader import PipelineError, lifespan_of

    try:
        found = [lifespan_of(pipeline) for pipeline in pipelines.values()]
    except PipelineError as error:
        raise CommandError(str(error)) from error
    return list(dict.fromkeys(one for one in found if one is not None))


def _uses(
    pipelines: Mapping[str, Pipeline], settings: Settings, runner: asyncio.Runner, *, speaks: bool
) -> Collection[StageName]:
    """Try the pipelines and return the stages that they use. Raises CommandError for a mistake in one."""
    return {stage for pipeline in pipelines.values() for stage in _uses_of(pipeline, settings, runner, speaks=speaks)}


def _uses_of(pipeline: Pipeline, settings: Settings, runner: asyncio.Runner, *, speaks: bool) -> Collection[StageName]:
    from voicepipe.loader import PipelineError
    from voicepipe.trial import try_pipeline

    try:
        trial = runner.run(try_pipeline(pipeline, notices_pauses=settings.stt_kyutai is not None))
    except PipelineError as error:
        raise CommandError(str(error)) from error
    if not speaks:
        return trial.uses
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
    worker: WorkerPart | None,
) -> int:
    from voicepipe._yaml import YamlError
    from voicepipe.boundary.stop_signals import kept_at_hangup
    from voicepipe.cli.reload import tell_not_reloaded
    from voicepipe.server import run_server
    from voicepipe.server.workers.worker import serve_as_worker

    async def serve() -> None:
        def ready(url: str) -> None:
            end_start()
            tell(url, min(engine.max_sessions, settings.max_sessions or engine.max_sessions), settings)
            larger.tell()

        engine.warm()
        try:
            shared: _Shared = {"metrics": metrics, "voices": voices, "lifespans": lifespans}
            if worker is None:
                with kept_at_hangup(tell_not_reloaded):
                    await run_server(pipelines, engine, settings, ready=ready, **shared)
            else:
                await serve_as_worker(worker.link, pipelines, engine, settings, ready=end_start, **shared)
        finally:
            await engine.disconnect()
            await voices.close()

    try:
        runner.run(serve())
    except OSError as error:
        raise no_address(settings.host, settings.port, error) from error
    except (YamlError, ModuleNotFoundError) as error:
        raise CommandError(str(error)) from error
    return 0


class _Shared(TypedDict):
    metrics: Metrics
    voices: VoiceStore
    lifespans: Sequence[Lifespan]


def _voices(settings: Settings, worker: WorkerPart | None) -> VoiceStore:
    from voicepipe.server.app import voice_store
    from voicepipe.server.workers.shared import SharedVoices

    if worker is not None and settings.redis_url is None:
        return SharedVoices(worker.link.ask)

    try:
        return voice_store(settings)
    except ImportError as error:
        raise CommandError(f"redis_url needs one more package: {install_command('redis')} ({error})") from error


def tell(url: str, sessions: int, settings: Settings) -> None:
    """Print that the server listens. Programs that start a server wait for the first line."""
    from voicepipe.client.samples import has_samples
    from voicepipe.server.http.auth import open_to_others

    reachable = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    where = "" if reachable.endswith("127.0.0.1:8000") else f" --url {reachable}"
    print(f"Listening on {url}")
    what = "--sample" if has_samples() else "FILE.wav"
    print(f"Talk to it:  open it in a browser, or run {this_program()} talk {what}{where}")
    print(f"{sessions} {'conversation' if sessions == 1 else 'conversations'} at once; Ctrl-C stops it.", flush=True)
    if open_to_others(settings):
        print("It accepts every client that can reach it; set VOICEPIPE_API_KEYS to require a key.", flush=True)


# ---- the models ------------------------------------------------------------------------------------------------------


def _engine(
    settings: Settings,
    uses: Collection[StageName],
    metrics: Metrics,
    voices: VoiceStore,
    *,
    processes: int,
    plane: RayControlPlane | None = None,
) -> ComposedEngine:
    """Build the engine of the settings with the embedded models in use; fetch absent ones first."""
    from voicepipe._yaml import YamlError
    from voicepipe.engine.build import build_engine, embedded_kinds, embedded_uses
    from voicepipe.engine.leased import NoControlPlane
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
                models=metrics.process,
                voices=voices,
                processes=processes,
                plane=plane,
            )
    except (ModelError, ImportError) as error:
        raise CommandError(f"the models cannot be loaded: {error}") from error
    except (YamlError, NoControlPlane) as error:
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
