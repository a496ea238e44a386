"""`Background`: functions of the model that go on while the conversation does, and report when they are done."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeAlias

from reactivex import Observable

from voicepipe.conversation import ItemId
from voicepipe.events import FunctionCall, GenerationRequested, ItemCreated
from voicepipe.operators.toolbox import Toolbox
from voicepipe.rx import from_async

__all__ = ["STARTED", "Background"]

STARTED = "It is under way. You will be told the result; tell the user that it takes a while."
"""The result of the call that the model reads."""

_REPORT = "Tell the user now, in one or two sentences, what {name} has given: it is above."


_Done: TypeAlias = asyncio.Queue[tuple[ItemCreated, GenerationRequested]]


class Background:
    """Functions of the model that take long: a call returns at once, and its result is spoken of when it is there.

    `functions` go to `with_tools`, or to an `Agent`; `reports` is merged into the turns in front of `respond`. A
    barge-in does not cancel a job, nor does a handover; the session's end does. The result, an exception and a missed
    deadline become a note in the conversation, and `GenerationRequested` has the bot speak of it when neither the bot
    nor the user speaks. It comes again until it is heard (see `Unasked`).

    One object belongs to one session: make it in the pipeline. Functions and results are as in `with_tools`.

    Args:
        functions: What the model may call.
        at_most: How many jobs run at once; the model is told that one more was not begun.
        deadline_s: The time that each job has, in seconds.
    """

    def __init__(self, *functions: Callable[..., Any], at_most: int, deadline_s: float) -> None:
        self._at_most, self._deadline_s = at_most, deadline_s
        self._running: set[asyncio.Task[None]] = set()
        self._done: _Done | None = None
        self._begun = 0
        self.functions = tuple(self._starting(function) for function in functions)

    @property
    def reports(self) -> Observable[ItemCreated | GenerationRequested]:
        """The results, as notes, each with the request to speak of it. Disposing cancels the jobs."""
        return from_async(self._report, "background functions")

    async def _report(self) -> AsyncGenerator[ItemCreated | GenerationRequested, None]:
        done = self._done = _Done()
        try:
            while True:
                note, request = await done.get()
                yield note
                yield request
        finally:
            self._done, left = None, self._running.copy()
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)

    def _starting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function for the model, with the same signature, that starts a job."""

        @functools.wraps(function)
        async def start(*args: Any, **named: Any) -> str:
            if self._done is None:
                raise RuntimeError("`reports` of the background functions is not merged into the turns")
            if len(self._running) >= self._at_most:
                raise RuntimeError(f"not begun: {self._at_most} are under way already")
            self._begun += 1
            job = self._run(self._begun, function, args, named, self._done)
            task = asyncio.create_task(job, name=function.__name__)
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            return STARTED

        return start

    async def _run(
        self,
        number: int,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        named: dict[str, Any],
        done: _Done,
    ) -> None:
        given = inspect.signature(function).bind(*args, **named).arguments
        name = f"{function.__name__}({', '.join(f'{key}={value!r}' for key, value in given.items())})"
        call = FunctionCall(f"background{number}", function.__name__)
        outcome = await Toolbox([_bound(function, args, named)]).run(call, deadline_s=self._deadline_s)
        note = ItemCreated(ItemId(f"{call.id}.result"), "system", f"{name} has given: {outcome.text}")
        done.put_nowait((note, GenerationRequested(_REPORT.format(name=name), when="in_silence")))


def _bound(function: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Callable[[], Any]:
    """Return the function with its arguments: an async one stays async."""

    async def wait() -> Any:
        return await function(*args, **named)

    def work() -> Any:
        return function(*args, **named)

    bound = wait if inspect.iscoroutinefunction(function) else work
    bound.__name__ = function.__name__
    return bound
