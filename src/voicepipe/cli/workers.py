"""`voicepipe serve --workers N`: the supervisor in this process, and the workers' processes."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voicepipe.cli.address import check_address, no_address
from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import settings_of
from voicepipe.cli.reload import check_reload, reloading, watched_folders
from voicepipe.cli.serving import WorkerPart, serve_pipelines, tell
from voicepipe.cli.startup import end_start

if TYPE_CHECKING:
    import socket
    from multiprocessing.process import BaseProcess

    from voicepipe.settings import Settings

__all__ = ["run_workers", "share_of", "workers_of"]

# A worker is a fork of a process that has imported these, and nothing of the user's: it starts in a fraction of a
# second, and shares their memory.
_PRELOADED = [
    "voicepipe.cli.workers",
    "voicepipe.cli.logs",
    "voicepipe.settings",
    "voicepipe.server.steady_loop",
    "voicepipe.server.workers.worker",
    "voicepipe.engine.build",
]


def workers_of(settings: Settings) -> int:
    """Return the number of workers. Raises CommandError for several where the system cannot have them."""
    from voicepipe.boundary.cores import usable_cores

    can = sys.platform == "linux"
    if settings.workers is None:
        count = usable_cores() if can and _only_services(settings) else 1
    elif settings.workers > 1 and not can:
        raise CommandError(
            "several workers need Linux; take --workers 1, and a load balancer in front of several servers"
        )
    else:
        count = settings.workers
    return min(count, settings.max_sessions or count)


def _only_services(settings: Settings) -> bool:
    from voicepipe.engine.build import embedded_kinds

    return not embedded_kinds(settings)


def run_workers(args: argparse.Namespace, settings: Settings, workers: int) -> int:
    """Serve with workers, and return 0 after a signal to stop. Raises CommandError if they cannot start."""
    if args.reload:
        check_reload()
    check_address(settings.host, settings.port)
    starter = _Starter(args, settings, workers)
    from voicepipe.server.workers.supervisor import WorkerFailed

    with asyncio.Runner() as runner:
        try:
            runner.run(_supervise(settings, starter, watched_folders(args, settings) if args.reload else ()))
        except OSError as error:
            raise no_address(settings.host, settings.port, error) from error
        except WorkerFailed as failed:
            raise CommandError(str(failed), failed.exit_code) from None
    return 0


async def _supervise(settings: Settings, starter: _Starter, folders: Sequence[Path]) -> None:
    from voicepipe.server.workers.supervisor import Supervisor

    supervisor = Supervisor(
        settings,
        starter.workers,
        starter.start,
        reload=starter.reload,
        in_turn=not _only_services(settings),
    )
    async with AsyncExitStack() as watching:
        ready = asyncio.Event()

        def tell_and_watch(url: str, sessions: int) -> None:
            end_start()
            tell(url, sessions, settings)
            ready.set()

        if folders:
            await watching.enter_async_context(reloading(folders, after=ready))
        await supervisor.run(tell_and_watch)


class _Starter:
    """Starts worker processes with the present settings."""

    def __init__(self, args: argparse.Namespace, settings: Settings, workers: int) -> None:
        import multiprocessing
        from multiprocessing import forkserver

        self._args, self._settings, self.workers = args, settings, workers
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)
        forkserver.ensure_running()  # it imports while this process does

    def start(self, sock: socket.socket, lane: int, speaks: bool) -> BaseProcess:
        """Start a worker, which owns a copy of `sock`."""
        share = share_of(self._settings.max_sessions, self.workers, lane)
        settings = self._settings.model_copy(update={"max_sessions": share})
        work = _Work(tuple(self._args.pipelines), settings, lane, self.workers, speaks)
        process = self._context.Process(target=_run_worker, args=(sock, work), name=f"voicepipe worker {lane}")
        process.start()
        return process

    def reload(self) -> None:
        """Read the settings again. The address and the number of workers stay. Raises ValueError for a wrong one."""
        try:
            self._settings = settings_of(self._args)
        except CommandError as error:
            raise ValueError(str(error)) from error


def share_of(sessions: int | None, workers: int, lane: int) -> int | None:
    """Return a worker's part of the sessions of a server."""
    return None if sessions is None else sessions // workers + (lane < sessions % workers)


@dataclass(frozen=True, slots=True)
class _Work:
    """A worker's start.

    Args:
        refs: The pipelines of the command line.
        settings: All settings, with the worker's own number of sessions.
        lane: The number of its place.
        workers: How many there are.
        speaks: Whether it tells the user of what it finds.
    """

    refs: Sequence[str]
    settings: Settings
    lane: int
    workers: int
    speaks: bool


def _run_worker(sock: socket.socket, work: _Work) -> None:
    """Be a worker: the first function of its process."""
    import signal

    import structlog

    from voicepipe.cli.logs import configure_logs
    from voicepipe.server.workers.channel import send_blocking
    from voicepipe.server.workers.worker import WorkerLink

    for number in (signal.SIGINT, signal.SIGHUP):  # of a terminal, they go to all processes; the supervisor acts
        signal.signal(number, signal.SIG_IGN)
    settings = work.settings
    configure_logs(settings.log_level, as_json=settings.log_json)
    structlog.contextvars.bind_contextvars(worker=work.lane)
    try:
        serve_pipelines(work.refs, settings, WorkerPart(WorkerLink(sock), work.workers, work.speaks))
    except CommandError as error:
        send_blocking(sock, "failed", str(error), error.exit_code)
        sys.exit(error.exit_code)
