"""Users in several processes, so that the measuring program does not slow itself down."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Barrier
from typing import Any, TypeAlias, cast

from voicepipe.load.figures import TurnFigures, UserFigures
from voicepipe.load.sessions import Load, run_user

__all__ = ["Finished", "LoadFailed", "run_load"]

# Imports and the speech's way to a process, on a busy machine.
_STARTS_WITHIN_S = 120.0
# Of the last answer, the connection's end and the way back.
_ENDS_WITHIN_S = 90.0

_Put: TypeAlias = Callable[[tuple[str, Any]], object]


class LoadFailed(Exception):
    """A process of simulated users has failed; the message says how."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The figures of all users, and what it took to measure them.

    Args:
        users: In the order of their numbers.
        took_s: How long it took, from the first user's coming to the last one's leaving.
        own_cpu_s: The CPU time that the simulated users took.
    """

    users: list[UserFigures]
    took_s: float
    own_cpu_s: float


def run_load(
    load: Load,
    processes: int,
    *,
    heard: Callable[[TurnFigures], object] = lambda _: None,
    left: Callable[[UserFigures], object] = lambda _: None,
) -> Finished:
    """Run all users to their end. Blocks; an interrupt stops the processes.

    Args:
        load: The users.
        processes: The number of processes, at least 1.
        heard: Called with each answer that was heard.
        left: Called with each user's figures.

    Raises:
        LoadFailed: A process ended before its users did.
    """
    spawn = multiprocessing.get_context("spawn")
    count = min(processes, load.sessions)
    results: Any = spawn.Queue()
    ready = spawn.Barrier(count + 1)
    running = [
        spawn.Process(target=_users, args=(load, range(first, load.sessions, count), ready, results.put), daemon=True)
        for first in range(count)
    ]
    for process in running:
        process.start()
    try:
        began_s = _begun(ready, running)
        users, own_cpu_s = _collected(results, load, count, running, heard, left)
        return Finished(users, time.monotonic() - began_s, own_cpu_s)
    finally:
        for process in running:
            process.terminate()
            process.join()


def _begun(ready: Barrier, running: Sequence[SpawnProcess]) -> float:
    """Wait until all processes are there. Raises LoadFailed."""
    try:
        ready.wait(_STARTS_WITHIN_S)
    except threading.BrokenBarrierError:
        raise LoadFailed(f"the processes did not start within {_STARTS_WITHIN_S:g} s{_codes(running)}") from None
    return time.monotonic()


def _collected(
    results: Any,
    load: Load,
    count: int,
    running: Sequence[SpawnProcess],
    heard: Callable[[TurnFigures], object],
    left: Callable[[UserFigures], object],
) -> tuple[list[UserFigures], float]:
    """Return the users' figures, and the CPU time of their processes."""
    users, own_cpu_s, ended = list[UserFigures](), 0.0, 0
    until_s = time.monotonic() + load.over_s + load.manner.lasts_s + _ENDS_WITHIN_S
    while ended < count:
        kind, told = _next(results, until_s, running)
        match kind:
            case "heard":
                heard(told)
            case "left":
                users.append(told)
                left(told)
            case "failed":
                raise LoadFailed(told)
            case _:
                own_cpu_s, ended = own_cpu_s + told, ended + 1
    return sorted(users, key=lambda user: user.number), own_cpu_s


def _next(results: Any, until_s: float, running: Sequence[SpawnProcess]) -> tuple[str, Any]:
    """Return what a process tells next. Raises LoadFailed when none can tell anything any more."""
    from queue import Empty

    while True:
        try:
            return results.get(timeout=1.0)
        except Empty:
            if time.monotonic() > until_s:
                raise LoadFailed("the simulated users did not come to an end") from None
            if not any(process.is_alive() for process in running):
                raise LoadFailed(f"the processes of the simulated users have ended{_codes(running)}") from None


def _codes(running: Sequence[SpawnProcess]) -> str:
    codes = sorted({process.exitcode for process in running if process.exitcode})
    return f" (exit code {', '.join(map(str, codes))})" if codes else ""


# ---- in a process ----------------------------------------------------------------------------------------------------


def _users(load: Load, numbers: Sequence[int], ready: Barrier, put: _Put) -> None:
    """Run some of the users, and put what they tell into the queue."""
    try:
        ready.wait(_STARTS_WITHIN_S)
        began_s = time.process_time()
        asyncio.run(_together(load, numbers, put))
        put(("ended", time.process_time() - began_s))
    except KeyboardInterrupt:
        return
    except Exception as error:
        cause = first_cause(error)
        put(("failed", f"a simulated user failed: {type(cause).__name__}: {cause}"))


def first_cause(error: Exception) -> Exception:
    """Return an exception, or the first one of a group.

    >>> first_cause(ExceptionGroup("two", [ExceptionGroup("one", [ValueError("x")]), OSError()]))
    ValueError('x')
    """
    if isinstance(error, ExceptionGroup):
        return first_cause(cast("ExceptionGroup[Exception]", error).exceptions[0])
    return error


async def _together(load: Load, numbers: Sequence[int], put: _Put) -> None:
    began_s = asyncio.get_running_loop().time()

    async def one(number: int) -> None:
        put(("left", await run_user(load, number, began_s, lambda turn: put(("heard", turn)))))

    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(one(number))
