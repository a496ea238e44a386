"""`Worker`: a worker process, as the supervisor knows it."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from typing import Any

from voicepipe.server.workers.channel import Channel
from voicepipe.server.workers.routing import Load

__all__ = ["Worker"]


class Worker:
    """A worker process: its connection, its load, and the sessions and calls that it has.

    Args:
        number: Counts all workers of the server; no other one gets it.
        lane: The number of its place.
        process: The process, which has been started.
        sock: This side of the connection; it belongs to the worker from now on.
        received: Called with each message that concerns more than this worker.
        lost: Called once when the process is gone, or has closed its side.
    """

    def __init__(
        self,
        number: int,
        lane: int,
        process: BaseProcess,
        sock: socket.socket,
        received: Callable[[Worker, list[Any]], object],
        lost: Callable[[Worker], object],
    ) -> None:
        self.number, self.lane, self._process = number, lane, process
        self._received = received
        self._channel = Channel(sock, self._message, lambda: lost(self))
        self.load = Load(0)
        self.capacity = 0
        self.names: set[str] = set()
        self.is_ready = self.is_leaving = self.has_stopped = self.has_failed = False
        # It has not answered for a while.
        self.is_late = False
        self._is_stopping = False
        self._began_s = time.monotonic()
        self._connections = self._under_way = self._sessions_handed = 0
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._questions = itertools.count()
        self._shared = (-1, -1)
        self._has_ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(process.sentinel, self._note_end)

    @property
    def pid(self) -> int | None:
        """Return the process's id."""
        return self._process.pid

    @property
    def age_s(self) -> float:
        """Return the seconds since its start."""
        return time.monotonic() - self._began_s

    @property
    def is_idle(self) -> bool:
        """Return whether it has neither a session nor a connection."""
        return not (self.load.taken or self._under_way or self._connections)

    def serve(self, capacity: int) -> None:
        """Note that it is ready, for so many sessions."""
        self.is_ready, self.capacity, self.load.capacity = True, capacity, capacity

    def share(self, taken_by_others: int, whole: int) -> None:
        """Tell it how many sessions it may have, and all workers together."""
        self.load.capacity = max(0, self.capacity - taken_by_others)
        if self._shared != (shared := (self.load.capacity, whole)):
            self._shared = shared
            self.send("capacity", *shared)

    def hand_over(self, file: int, head: bytes, *, is_session: bool) -> None:
        """Give it a copy of a connection's descriptor, with what was read."""
        self.load.handed += 1
        self._under_way += 1
        self._sessions_handed += is_session
        self.load.under_way += is_session
        self.send("connection", is_session, head, file=file)

    def send(self, *message: Any, file: int | None = None) -> None:
        """Send it a message."""
        self._channel.send(*message, file=file)

    async def tell(self, what: str, within_s: float) -> Any:
        """Return what it tells of itself; None if it does not answer in time."""
        number = next(self._questions)
        self._asked[number] = answer = asyncio.get_running_loop().create_future()
        self.send("tell", number, what)
        try:
            async with asyncio.timeout(within_s):
                return await answer
        except TimeoutError:
            return None
        finally:
            del self._asked[number]

    def stop(self) -> None:
        """Have it end, once."""
        if not self._is_stopping:
            self._is_stopping = True
            self.send("stop")
        elif self.has_stopped:
            self.send("exit")

    def lost(self) -> None:
        """Forget what it had."""
        self.names.clear()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(None)

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    async def exit_code(self) -> int | None:
        """Return the exit code, once the connection is closed; None if it lives on for a second."""
        return await self._ended(1.0)

    async def ended(self, within_s: float) -> None:
        """Wait for the process to end, and end it by force after this time."""
        if await self._ended(within_s) is None:
            self.kill()
            await self._ended(within_s)
        self._channel.close()

    async def _ended(self, within_s: float) -> int | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._has_ended.wait()
        # Read in this thread only: of two threads that read the exit code of a process, one gets it and one gets 255.
        return self._process.exitcode

    def _note_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._has_ended.set()

    def _message(self, message: list[Any], file: int | None) -> None:
        assert file is None
        match message:
            case ["load", taken, undecided, sessions_seen, connections, seen]:
                self.load.taken, self.load.undecided, self._connections = taken, undecided, connections
                self.load.under_way = self._sessions_handed - sessions_seen
                self._under_way = self.load.handed - seen
            case ["here", name]:
                self.names.add(name)
                return
            case ["gone", name]:
                self.names.discard(name)
                return
            case ["told", number, answer]:
                if (waiting := self._asked.get(number)) is not None and not waiting.done():
                    waiting.set_result(answer)
                return
            case ["stopped"]:
                self.has_stopped = True
            case _:
                pass
        self._received(self, message)
