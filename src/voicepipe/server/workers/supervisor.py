"""The supervisor: it accepts the connections of a port, gives each to a worker, and replaces workers that die."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

import structlog

from voicepipe.boundary.stop_signals import has_terminal, stop_signal
from voicepipe.server.http.auth import warn_if_open
from voicepipe.server.run import url_of
from voicepipe.server.settings import ServerSettings
from voicepipe.server.workers.listener import Listener
from voicepipe.server.workers.process import Worker
from voicepipe.server.workers.routing import choose, target_of
from voicepipe.server.workers.shared import SharedState
from voicepipe.server.workers.totals import Totals
from voicepipe.server.workers.watchdog import watch

__all__ = ["Supervisor", "WorkerFailed"]

log = structlog.get_logger()

# What a worker has for its answer to a question that concerns all.
_ANSWERS_S = 2.0
# After a death within this time of the start, the next start waits; the pause doubles each time.
_YOUNG_S, _FIRST_PAUSE_S, _LONGEST_PAUSE_S = 10.0, 0.25, 30.0


class WorkerFailed(Exception):
    """A worker cannot start; the message says why.

    Args:
        message: A sentence for the user.
        exit_code: That of the command.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(slots=True)
class _Lane:
    """A place for a worker, and for those before it that still have sessions.

    Args:
        number: From 0 on.
        serving: The worker; None while it is replaced.
        starting: The one that takes its place.
        failures: Workers that died young, one after the other.
    """

    number: int
    serving: Worker | None = None
    starting: Worker | None = None
    failures: int = 0


class Supervisor:
    """Serves a port with several worker processes.

    Args:
        settings: Those of the server.
        lanes: The number of workers.
        start: Starts a process: the worker's end of a pair of sockets, the number of its lane, and whether it is the
            first of the server, which tells the user of what it finds.
        reload: Called at SIGHUP, before workers are started anew. Raises ValueError if they cannot be.
        in_turn: Start the first worker before the others, since it may fetch models.
    """

    def __init__(
        self,
        settings: ServerSettings,
        lanes: int,
        start: Callable[[socket.socket, int, bool], BaseProcess],
        *,
        reload: Callable[[], object] = lambda: None,
        in_turn: bool = False,
    ) -> None:
        self._settings, self._start_process, self._reload, self._in_turn = settings, start, reload, in_turn
        self._lanes = [_Lane(number) for number in range(lanes)]
        self._workers: dict[int, Worker] = {}
        self._started = 0
        self._listener = Listener(self._hand_over)
        self._shared = SharedState(settings)
        self._totals = Totals()
        self._failed: WorkerFailed | None = None
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def run(self, ready: Callable[[str, int], object]) -> None:
        """Serve until SIGTERM or SIGINT. At SIGHUP, replace each worker; its sessions go on until they end.

        Args:
            ready: Called with the URL and the number of sessions when clients may connect.

        Raises:
            OSError: The port is taken.
            WorkerFailed: The first workers cannot start.
        """
        warn_if_open(self._settings)
        address = await self._listener.open(self._settings.host, self._settings.port)
        try:
            with stop_signal() as stop:
                await self._begin(stop)
                if not stop.is_set():
                    with self._reloading(stop):  # from here on a signal to reload does not end the process
                        ready(url_of(self._settings.host, address[1]), self._capacity())
                        await stop.wait()
            log.info("server.stopping")
            await self._stop()
        finally:
            self._listener.close()
            await self._end()
        log.info("server.stopped")

    # ---- the beginning and the end ----------------------------------------------------------------------------------

    async def _begin(self, stop: asyncio.Event) -> None:
        """Start the workers, and wait for them."""
        for lane in self._lanes:
            self._start(lane)
            if self._in_turn:
                await self._until(lambda lane=lane: lane.serving is not None, stop)
        await self._until(lambda: all(lane.serving is not None for lane in self._lanes), stop)

    async def _until(self, condition: Callable[[], bool], stop: asyncio.Event) -> None:
        stopped = asyncio.create_task(stop.wait())
        stopped.add_done_callback(lambda _: self._changed.set())
        while not condition() and not stop.is_set():
            if self._failed is not None:
                stopped.cancel()
                raise self._failed
            self._changed.clear()
            await self._changed.wait()
        stopped.cancel()

    async def _stop(self) -> None:
        """Have each worker end its sessions; until all have, new clients are told why they are refused."""
        self._stopping = True
        for worker in [*self._workers.values()]:
            if worker.is_ready:
                worker.send("stop")
            else:
                worker.kill()
        while not all(worker.has_stopped for worker in self._workers.values()):
            self._changed.clear()
            await self._changed.wait()

    async def _end(self) -> None:
        """End the processes: in peace, and after the time that a graceful end takes by force."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        workers = [*self._workers.values()]
        for worker in workers:
            worker.send("exit") if worker.has_stopped else worker.kill()
        await asyncio.gather(*(worker.ended(self._settings.close_timeout_s + 5) for worker in workers))

    @contextmanager
    def _reloading(self, stop: asyncio.Event) -> Generator[None]:
        """Restart the workers at SIGHUP; end if it says that the terminal was closed in which the server runs."""
        loop, had_terminal = asyncio.get_running_loop(), has_terminal()

        def hung_up() -> None:
            stop.set() if had_terminal and not has_terminal() else self._restart()

        loop.add_signal_handler(signal.SIGHUP, hung_up)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    def _restart(self) -> None:
        """Start a worker in each lane that takes the place of the present one when it is ready."""
        log.info("server.reloading", workers=len(self._lanes))
        try:
            self._reload()
        except ValueError as error:
            log.warning("server.not_reloaded", reason=str(error), consequence="the workers stay as they are")
            return
        for lane in self._lanes:
            self._abandon(lane)
            self._replace(lane)

    # ---- workers ----------------------------------------------------------------------------------------------------

    def _start(self, lane: _Lane) -> None:
        """Start a worker. It serves when it is ready."""
        ours, theirs = socket.socketpair()
        is_first = self._started == 0
        self._started += 1
        with theirs:
            process = self._start_process(theirs, lane.number, is_first)
        worker = Worker(self._started, lane.number, process, ours, self._received, self._lost)
        self._workers[worker.number] = lane.starting = worker

    def _replace(self, lane: _Lane) -> None:
        if lane.starting is None and not self._stopping:
            self._start(lane)

    def _abandon(self, lane: _Lane) -> None:
        """End a worker that has not become ready: it may have read the files before they changed, or never be ready."""
        if (worker := lane.starting) is not None:
            lane.starting = None
            worker.is_leaving = worker.has_stopped = True  # its end is no loss
            worker.kill()

    def _start_later(self, lane: _Lane) -> None:
        async def start() -> None:
            if lane.failures > 1:
                await asyncio.sleep(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(lane.failures - 2, 10)))
            if lane.serving is None:
                self._replace(lane)

        self._spawn(start())

    def _serve(self, worker: Worker, capacity: int) -> None:
        """Give the worker its lane; the one before it ends when its sessions have."""
        lane = self._lanes[worker.lane]
        before, lane.serving, lane.starting = lane.serving, worker, None
        worker.serve(capacity)
        self._spawn(watch(worker, self._settings.hung_worker_s))
        log.info("worker.ready", worker=worker.lane, pid=worker.pid)
        if before is not None:
            before.is_leaving = True
            log.info("worker.leaving", worker=before.lane, pid=before.pid, sessions=before.load.taken)
        self._share_slots()
        self._end_idle()
        self._listener.retry()

    def _lost(self, worker: Worker) -> None:
        """Note that a worker is gone, and start another one in its place."""
        del self._workers[worker.number]
        self._totals.keep(worker.number)
        self._shared.forget(worker.number)
        worker.lost()
        lane = self._lanes[worker.lane]
        was_serving, was_starting = lane.serving is worker, lane.starting is worker
        if was_serving:
            lane.serving = None
        if was_starting:
            lane.starting = None
        if not self._stopping and not (worker.is_leaving and worker.has_stopped):
            self._spawn(self._tell_loss(worker, was_starting=was_starting))
            lane.failures = lane.failures + 1 if worker.age_s < _YOUNG_S else 1
            if was_serving or (was_starting and lane.serving is None):
                self._start_later(lane)
        self._share_slots()
        self._changed.set()

    async def _tell_loss(self, worker: Worker, *, was_starting: bool) -> None:
        code = await worker.exit_code()
        if was_starting and not worker.has_failed:
            self._fail(WorkerFailed(f"a worker ended at its start, with exit code {code}", 1), worker)
        elif not was_starting:
            log.error("worker.lost", worker=worker.lane, pid=worker.pid, exit_code=code, sessions=worker.load.taken)

    def _fail(self, failed: WorkerFailed, worker: Worker) -> None:
        """Note that a worker cannot start: the first one ends the server, of a later one the log tells."""
        if any(lane.serving for lane in self._lanes):
            log.error("worker.not_ready", worker=worker.lane, pid=worker.pid, reason=str(failed))
        self._failed = self._failed or failed
        self._changed.set()

    def _end_idle(self) -> None:
        """End workers that were replaced and serve nothing any more."""
        for worker in self._workers.values():
            if worker.is_leaving and worker.is_idle:
                worker.stop()

    def _share_slots(self) -> None:
        """Tell each worker how many sessions it may have: fewer while one before it in its lane has some."""
        whole = self._capacity()
        for lane in self._lanes:
            if lane.serving is not None:
                old = sum(
                    one.load.taken for one in self._workers.values() if one.is_leaving and one.lane == lane.number
                )
                lane.serving.share(old, whole)

    def _capacity(self) -> int:
        return sum(lane.serving.capacity for lane in self._lanes if lane.serving is not None)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- connections ------------------------------------------------------------------------------------------------

    def _hand_over(self, file: int, head: bytes) -> bool:
        """Give a connection to the worker that has the session it names, or to the one with the most free slots."""
        target = target_of(head)
        named = next((one for one in self._workers.values() if target.named in one.names), None)
        serving = {lane.serving.number: lane.serving for lane in self._lanes if lane.serving is not None}
        if named is None and not serving:
            return False
        answering = {number: one for number, one in serving.items() if not one.is_late} or serving
        worker = named or answering[choose({number: one.load for number, one in answering.items()})]
        worker.hand_over(file, head, is_session=target.session)
        return True

    # ---- messages ---------------------------------------------------------------------------------------------------

    def _received(self, worker: Worker, message: list[Any]) -> None:
        match message:
            case ["ready", capacity]:
                if self._lanes[worker.lane].starting is worker:  # it is not, if a reload has come before
                    self._serve(worker, capacity)
            case ["failed", text, exit_code]:
                worker.has_failed = True
                self._fail(WorkerFailed(text, exit_code), worker)
            case ["leaving"]:
                self._replace(self._lanes[worker.lane])
            case ["load", *_] | ["stopped"]:
                self._share_slots()
                self._end_idle()
            case ["counted", snapshot]:
                self._totals.note(worker.number, snapshot)
            case ["ask", number, "gather", [what]]:
                self._spawn(self._gather(worker, number, what))
            case ["ask", number, what, arguments]:
                self._spawn(self._answer(worker, number, what, arguments))
            case _:
                raise AssertionError(message)
        self._changed.set()

    async def _answer(self, worker: Worker, number: int | None, what: str, arguments: list[Any]) -> None:
        answer = await self._shared.answer(worker.number, what, arguments)
        if number is not None:
            worker.send("answer", number, answer)

    async def _gather(self, worker: Worker, number: int, what: str) -> None:
        """Ask each worker. One that does not answer in time is left out; of its series the last known ones count."""
        asked = [one for one in self._workers.values() if one.is_ready and (what == "metrics" or not one.is_leaving)]
        asked = asked or [worker]
        told = await asyncio.gather(*(one.tell(what, _ANSWERS_S) for one in asked))
        answers = dict(zip((one.number for one in asked), told, strict=True))
        answers = {number: answer for number, answer in answers.items() if number in self._workers}
        if what == "metrics":
            serving = sum(lane.serving is not None for lane in self._lanes)
            worker.send("answer", number, self._totals.all(answers, workers=serving))
        else:
            worker.send("answer", number, [answer for answer in answers.values() if answer is not None])
