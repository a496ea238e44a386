"""`FunctionCalls`: the calls of one answer while they run, and what becomes of them when the reply is cut."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection, Coroutine, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from voicepipe.events import FunctionCall, FunctionContinues, FunctionReturned
from voicepipe.operators.tool_source import Runner
from voicepipe.operators.toolbox import RETURNED, Outcome, is_cancelled, outcome_of
from voicepipe.rx.background import Background, Work

__all__ = ["FunctionCalls", "renamed"]


def renamed(call: FunctionCall, taken: Collection[str]) -> FunctionCall:
    """Return a call with an id that is not `taken` by one that still runs: some services count anew in each answer.

    Nine digits are an id that every service accepts; Mistral's wants nine letters or digits.
    """
    if call.id not in taken:
        return call
    return replace(call, id=next(name for number in itertools.count(1) if (name := f"{number:09}") not in taken))


@dataclass(frozen=True, slots=True, eq=False)
class _Running:
    call: FunctionCall
    task: asyncio.Task[Outcome]

    def returned(self) -> FunctionReturned:
        outcome = self.task.result()
        return FunctionReturned(self.call.id, outcome.text, failed=outcome.what != RETURNED)


class FunctionCalls:
    """The calls of one answer, which run side by side.

    Args:
        toolbox: The functions.
        background: Where they go on after a barge-in.
        deadline_s: The time that each call has.
        cancellable: The names of the functions that a barge-in cancels.
    """

    def __init__(
        self, toolbox: Runner, background: Background, deadline_s: float, cancellable: Collection[str]
    ) -> None:
        self._toolbox, self._background = toolbox, background
        self._deadline_s, self._cancellable = deadline_s, cancellable
        self.left: list[_Running] = []

    def begin(self, calls: Collection[FunctionCall]) -> None:
        """Run calls. One that still runs since an earlier reply is not run again: its result is this one's."""
        self.left += [_Running(call, asyncio.create_task(self._running(call), name=call.name)) for call in calls]

    async def wait(self, at_most_s: float | None) -> None:
        """Wait until one has ended, or for so long."""
        tasks = [one.task for one in self.left]
        await asyncio.wait(tasks, timeout=at_most_s, return_when=asyncio.FIRST_COMPLETED)

    def returned(self) -> Iterator[FunctionReturned]:
        """Yield the results that are there. After a barge-in, `leave` tells them."""
        for one in [one for one in self.left if one.task.done()]:
            if is_cancelled():
                return
            self.left.remove(one)
            yield one.returned()

    async def leave(self) -> None:
        """Let what still runs go on in the background, or cancel it and wait for its clean-up."""
        cancelled: list[asyncio.Task[Any]] = []
        for one in self.left:
            if one.task.done():
                self._background.emit(one.returned())
            elif self._background.is_heard and one.call.name not in self._cancellable:
                self._keep(one)
                self._background.emit(FunctionContinues(one.call.id))
            else:
                one.task.cancel()
                cancelled.append(one.task)
        if cancelled:
            await asyncio.wait(cancelled)

    def _running(self, call: FunctionCall) -> Coroutine[Any, Any, Outcome]:
        """Return what runs a call, or waits for the same call of an earlier reply."""
        does = self._toolbox.does(call)
        work = None if does is None else self._background.taken(does)
        if work is None:
            late = partial(self._late, call) if self._background.is_heard else None
            return self._toolbox.run(call, deadline_s=self._deadline_s, late=late)
        self._background.emit(FunctionContinues(work.name, call.id))
        return outcome_of(work.task, self._deadline_s, partial(self._late, call))

    def _late(self, call: FunctionCall, rest: asyncio.Task[Outcome]) -> None:
        self._keep(_Running(call, rest))

    def _keep(self, one: _Running) -> None:
        does = self._toolbox.does(one.call)
        self._background.keep(Work(one.call.id, does, one.task, lambda _: one.returned()))
