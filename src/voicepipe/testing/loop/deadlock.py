"""`Deadlock`: nothing can happen any more; the message lists what each task waits for."""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Iterable, Iterator
from types import CodeType, FrameType
from typing import Any

__all__ = ["Deadlock", "describe_task"]


class Deadlock(RuntimeError):
    """A run on a virtual loop cannot end. The message lists every pending task, its stack and what it awaits.

    `tasks` are the pending tasks as they were found, the main one first.
    """

    def __init__(self, why: str, tasks: Iterable[asyncio.Task[Any]] = ()) -> None:
        self.tasks = sorted(tasks, key=lambda task: (task.get_name() != "main", _number(task.get_name())))
        super().__init__("\n".join([why, *(line for task in self.tasks for line in describe_task(task))]))


def describe_task(task: asyncio.Task[Any]) -> list[str]:
    """Return lines: the task's name and coroutine, the place of each frame, and what the innermost one awaits."""
    frames, awaited = _walk(task.get_coro())
    awaited = getattr(task, "_fut_waiter", awaited)  # the chain ends at an iterator, which hides the future
    stack = [line for code, number in frames for line in _place(code, number)]
    return [f"  {task.get_name()}: {_name(task.get_coro())}", *stack, f"      awaits {_waits_for(awaited)}"]


def _walk(coro: Any) -> tuple[list[tuple[CodeType, int]], Any]:
    """Follow the chain of awaits from a task's coroutine to what it waits for."""
    frames: list[tuple[CodeType, int]] = []
    while coro is not None:
        frame: FrameType | None = _first(coro, "cr_frame", "gi_frame", "ag_frame")
        if frame is not None:
            frames.append((frame.f_code, frame.f_lineno))
        elif not any(hasattr(coro, name) for name in ("cr_code", "gi_code", "ag_code")):
            break
        coro = _first(coro, "cr_await", "gi_yieldfrom", "ag_await")
    return frames, coro


def _first(thing: Any, *names: str) -> Any:
    return next((value for name in names if (value := getattr(thing, name, None)) is not None), None)


def _place(code: CodeType, number: int) -> Iterator[str]:
    yield f"      {code.co_filename}:{number} in {code.co_name}"
    if source := linecache.getline(code.co_filename, number).strip():
        yield f"          {source}"


def _waits_for(awaited: Any) -> str:
    match awaited:
        case None:
            return "its first step, or something that asyncio does not show"
        case asyncio.Task():
            return f"{awaited.get_name()}: {_name(awaited.get_coro())}"
        case _:
            return repr(awaited)


def _name(coro: Any) -> str:
    return getattr(coro, "__qualname__", None) or repr(coro)


def _number(name: str) -> tuple[str, int]:
    """Sort Task-2 before Task-10."""
    head, _, tail = name.rpartition("-")
    return (head, int(tail)) if tail.isdigit() else (name, 0)
