"""One subscription of a stage under examination, in virtual time, and the error that names a broken rule."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from reactivex import Observable
from reactivex.subject import Subject

from voicepipe.rx import LoopScheduler
from voicepipe.stage import Stage
from voicepipe.testing.marbles.harness import Marbles
from voicepipe.testing.marbles.leaks import Leaked

__all__ = ["ContractBroken", "Seen", "Trial", "check_cancelling", "check_source_error", "in_virtual_time", "subscribed"]

T = TypeVar("T")

GRACE_S = 1.0
"""The time, in seconds, in which a disposed stage must close what it has open."""

_STEP_S = 0.01
# Tasks of a server, or of the pool of connections that outlives a stage.
_NOT_ITS_OWN = ("aiohttp", "voicepipe/testing", "voicepipe\\testing")


class ContractBroken(AssertionError):
    """A stage does not keep a rule of its contract.

    Args:
        rule: The rule's name, as in `docs/howto/own-speech.md`.
        happened: What the stage did.
        advice: What to do about it.
    """

    def __init__(self, rule: str, happened: str, advice: str) -> None:
        super().__init__(f"{rule}: {happened}. {advice}")
        self.rule, self.happened, self.advice = rule, happened, advice


@dataclass(frozen=True, slots=True)
class Seen:
    """An item that a stage emitted, and when, in seconds since the subscription."""

    at_s: float
    item: Any


class Trial:
    """One subscription; `send`, `complete` and `fail` are its source's side."""

    def __init__(self, stage: Stage[Any, Any]) -> None:
        loop = asyncio.get_running_loop()
        self._loop, self._began_s = loop, loop.time()
        self._before = _own_tasks()
        self._scheduler = LoopScheduler(loop)
        self._source = Subject[Any]()
        self.seen: list[Seen] = []
        self.error: Exception | None = None
        self.completed = False
        out: Observable[Any] = stage(self._source)
        self._subscription = out.subscribe(self._saw, self._failed, self._completed, scheduler=self._scheduler)

    # ---- its source's side ------------------------------------------------------------------------------------------

    def send(self, item: object) -> None:
        self._source.on_next(item)

    def complete(self) -> None:
        self._source.on_completed()

    def fail(self, error: Exception) -> None:
        self._source.on_error(error)

    def dispose(self) -> None:
        self._subscription.dispose()

    # ---- what it does -----------------------------------------------------------------------------------------------

    def of(self, *kinds: type[T]) -> list[T]:
        """Return the items of these types."""
        return [one.item for one in self.seen if isinstance(one.item, kinds)]

    def items(self) -> Iterator[Any]:
        return (one.item for one in self.seen)

    @property
    def ended(self) -> bool:
        return self.completed or self.error is not None

    @property
    def now_s(self) -> float:
        """Seconds since the subscription."""
        return self._loop.time() - self._began_s

    @property
    def is_subscribed(self) -> bool:
        """Return whether the stage is still subscribed to its source."""
        return bool(self._source.observers)

    async def until(self, condition: Callable[[], object], within_s: float) -> bool:
        """Wait until `condition()` is true, or the stage has failed; return whether it is true."""
        due_s = self._loop.time() + within_s
        while not condition():
            if self.error is not None or self._loop.time() >= due_s:
                return False
            await asyncio.sleep(_STEP_S)
        return True

    async def left(self) -> list[str]:
        """Return the names of the tasks that the stage has not ended in time."""
        await asyncio.sleep(0)
        if own := self._tasks():
            await asyncio.wait(own, timeout=GRACE_S)
        return sorted(task.get_name() for task in self._tasks())

    def _tasks(self) -> set[asyncio.Task[Any]]:
        return {task for task in self._scheduler.tasks | (_own_tasks() - self._before) if not task.done()}

    def _saw(self, item: object) -> None:
        self.seen.append(Seen(self.now_s, item))

    def _failed(self, error: Exception) -> None:
        self.error = error

    def _completed(self) -> None:
        self.completed = True


def _own_tasks() -> set[asyncio.Task[Any]]:
    """Return the tasks that may be a stage's."""
    current = asyncio.current_task()
    return {task for task in asyncio.all_tasks() if task is not current and not _is_of_server(task)}


def _is_of_server(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and any(part in code.co_filename for part in _NOT_ITS_OWN)


@asynccontextmanager
async def subscribed(stage: Stage[Any, Any]) -> AsyncGenerator[Trial]:
    """Subscribe, and at the end dispose and wait until the stage has cleaned up."""
    trial = Trial(stage)
    try:
        yield trial
    finally:
        trial.dispose()
        await trial.left()


def in_virtual_time(main: Callable[[], Coroutine[Any, Any, None]], marbles: Marbles | None) -> None:
    """Run `main()` on the loop of `marbles`; on a new one what the stage leaves behind breaks the rule `releases`."""
    if marbles is not None:
        marbles.run(main())
        return
    try:
        with Marbles() as own:
            own.run(main())
    except Leaked as leaked:
        raise ContractBroken("releases", str(leaked), _RELEASE) from None


_RELEASE = (
    "Close connections and end tasks in `finally` or `async with`, and begin tasks by async_stage, from_async or the "
    "subscriber's scheduler, so that disposing ends them"
)


async def check_cancelling(
    stage: Stage[Any, Any], play: Callable[[Trial], Coroutine[Any, Any, None]], *at_s: float
) -> None:
    """Dispose the stage at these times of `play`. Raises ContractBroken: it goes on, or leaves something behind."""
    for dispose_s in at_s:
        trial = Trial(stage)
        playing = asyncio.get_running_loop().create_task(play(trial), name="the source")
        await asyncio.sleep(dispose_s)
        playing.cancel()
        await asyncio.wait([playing])
        trial.dispose()
        seen, when = len(trial.seen), f"disposed after {dispose_s:.2f} s, the stage"
        if trial.is_subscribed:
            advice = "Return a disposable that also disposes the subscription to the source"
            raise ContractBroken("unsubscribes", f"{when} is still subscribed to its source", advice)
        if left := await trial.left():
            raise ContractBroken("releases", f"{when} left tasks behind: {', '.join(left)}", _RELEASE)
        if len(trial.seen) > seen or trial.error is not None or trial.completed:
            advice = "Emit nothing once the subscription is disposed: cancel the work that would"
            raise ContractBroken("silent-when-disposed", f"{when} went on and emitted", advice)


async def check_source_error(stage: Stage[Any, Any], first: object) -> None:
    """Let the source fail behind an item. Raises ContractBroken: the error is not passed on, or something is left."""
    async with subscribed(stage) as trial:
        trial.send(first)
        trial.fail(_SourceFailed("the source failed"))
        await trial.until(lambda: trial.ended, GRACE_S)
        if not _has_cause(trial.error):
            happened = (
                f"the source's error became {trial.error!r}" if trial.error else "the source's error was swallowed"
            )
            raise ContractBroken("source-error", happened, "Pass the errors of the source on, at once")
        if left := await trial.left():
            raise ContractBroken("releases", f"after the source's error tasks are left: {', '.join(left)}", _RELEASE)


class _SourceFailed(Exception):
    """The error of a source."""


def _has_cause(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, _SourceFailed):
        error = getattr(error, "cause", None) or error.__cause__
    return error is not None
