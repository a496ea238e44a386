"""The leaks of a test: tasks, subscriptions, timers, connections, threads, and exceptions that were not
retrieved."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from voicepipe.testing.loop.deadlock import Deadlock, describe_task
from voicepipe.testing.loop.virtual_loop import VirtualLoop
from voicepipe.testing.marbles.sources import MarbleSource

__all__ = ["LeakWatch", "Leaked"]

THREAD_GRACE_S = 0.25
"""Real time that a thread may still take to end."""


class Leaked(AssertionError):
    """A test has left something behind; the message names each thing."""


class LeakWatch:
    """Made before a test, it knows after it what was not there before. `sources` are marble observables to look at."""

    def __init__(self, loop: VirtualLoop, sources: Sequence[MarbleSource] = ()) -> None:
        self.loop = loop
        self.sources = sources
        self._threads = set(threading.enumerate())

    def check(self) -> None:
        """Raises Leaked. What is under way and needs no time is run to its end first."""
        __tracebackhide__ = True
        if leaks := self.leaks():
            raise Leaked("\n".join(["the test has left behind", *leaks]))

    def leaks(self) -> list[str]:
        """A paragraph for each thing left behind."""
        leaks = list(self._unsettled())
        tasks = [task for task in asyncio.all_tasks(self.loop) if not task.done()]
        leaks += [*self._exceptions(), *self._failed_tasks()]
        leaks += ["\n".join(["a task that still runs", *describe_task(task)]) for task in tasks]
        leaks += [*self._subscriptions(), *self._timers(wakes_tasks=bool(tasks))]
        leaks += [f"{connection}, still open" for connection in self.loop.connections()]
        return [*leaks, *self._left_threads()]

    def _unsettled(self) -> Iterator[str]:
        try:
            self.loop.settle()
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
        except Deadlock as deadlock:
            yield str(deadlock)

    def _exceptions(self) -> Iterator[str]:
        for context in self.loop.swallowed:
            yield "\n".join([f"an exception that the loop swallowed: {context['message']}", *_shown(context)])

    def _failed_tasks(self) -> Iterator[str]:
        for task in self.loop.failed_tasks():
            shown = _shown({"exception": task.exception()})  # now it has been seen, and asyncio need not complain
            yield "\n".join([f"a task failed, and its exception was not retrieved: {task.get_name()}", *shown])

    def _subscriptions(self) -> Iterator[str]:
        for source in self.sources:
            for subscription in source.leaked:
                kind = type(source).__name__.lower()
                yield (
                    f"a subscription, since {subscription.subscribed_ms:g} ms, to the {kind} observable "
                    f"{source.timeline.text!r}"
                )

    def _timers(self, *, wakes_tasks: bool) -> Iterator[str]:
        for timer in self.loop.timers():
            if not (wakes_tasks and _wakes_task(timer)) and not _of_closed(timer):
                yield f"a timer, due at {timer.when():g} s (it is {self.loop.time():g} s): {_work(timer)}"

    def _left_threads(self) -> Iterator[str]:
        deadline = time.monotonic() + THREAD_GRACE_S
        for thread in set(threading.enumerate()) - self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                yield f"a thread that still runs: {thread.name}{' (daemon)' if thread.daemon else ''}"


def _shown(context: dict[str, Any]) -> list[str]:
    error: BaseException | None = context.get("exception")
    if error is None:
        return []
    return ["".join(traceback.format_exception(error)).rstrip()]


def _wakes_task(timer: asyncio.TimerHandle) -> bool:
    """Return whether it is a task's own `sleep`: the task is reported already."""
    return getattr(_callback(timer), "__name__", "") == "_set_result_unless_cancelled"


def _of_closed(timer: asyncio.TimerHandle) -> bool:
    """Return whether its owner is closed and it will do nothing: an aiohttp WebSocket leaves its heartbeat behind."""
    return getattr(getattr(_callback(timer), "__self__", None), "closed", False) is True


def _work(timer: asyncio.TimerHandle) -> str:
    """Return what it would run; of a scheduler's timer, the Rx action in it."""
    callback = _callback(timer)
    action: Any = callback
    if inspect.isfunction(callback):
        action = inspect.getclosurevars(callback).nonlocals.get("action", callback)
    name = getattr(action, "__qualname__", None)
    return repr(action) if name is None else f"{action.__module__}.{name}"


def _callback(timer: asyncio.TimerHandle) -> Any:
    return timer._callback  # pyright: ignore
