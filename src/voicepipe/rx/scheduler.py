"""Time and tasks of one session: an Rx scheduler on an asyncio loop's own clock.

`AsyncIOScheduler.now` of reactivex is the wall clock, which jumps, and its time operators without a scheduler start
threads. A session subscribes once, with a `LoopScheduler`; every operator and every task below inherits it. On a
virtual loop the same scheduler runs in virtual time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

from reactivex import abc, typing
from reactivex.disposable import CompositeDisposable, Disposable, SingleAssignmentDisposable
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

from voicepipe.rx.background import Background
from voicepipe.rx.hold import Hold
from voicepipe.rx.when_used import WhenUsed

__all__ = ["AnotherThread", "LoopScheduler", "scheduler_of"]

_T = TypeVar("_T")


class AnotherThread(RuntimeError):
    """The graph of a session was entered from a thread that is not its loop's. The message names the thread."""


class LoopScheduler(PeriodicScheduler):
    """Schedule on `loop` by `loop.time()`, and own the tasks that are started below.

    Work without a delay runs at once in the caller's stack: a hop through the loop would cost 12–50 µs and let other
    events in between. Work in the future runs by `call_at`, in the context that scheduled it.

    Args:
        loop: The session's event loop, real or virtual.
        parent: The scheduler of the session, where this one is a turn's: its tasks are the parent's, too.
        apart: Nothing outlives what is started below: the background of the session is not this one's.

    >>> loop = asyncio.new_event_loop()
    >>> scheduler = LoopScheduler(loop)
    >>> ran = []
    >>> _ = scheduler.schedule(lambda *_: ran.append("now"))
    >>> ran
    ['now']
    >>> loop.close()
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, parent: LoopScheduler | None = None, apart: bool = False
    ) -> None:
        super().__init__()
        self.loop = loop
        self.tasks: set[asyncio.Task[Any]] = set()
        self.hold: Hold = Hold() if parent is None else parent.hold
        self.background: Background = Background(self._adopt) if parent is None or apart else parent.background
        self._when_used: WhenUsed | None = None if parent is None else parent._when_used
        self._parent = parent
        self._thread = threading.get_ident()

    @property
    def now(self) -> datetime:
        return self.to_datetime(self.clock())

    def check_thread(self) -> None:
        """Raise AnotherThread unless this is the thread that made the scheduler. Takes about 50 ns."""
        if threading.get_ident() != self._thread:
            raise AnotherThread(
                f"the session's graph was entered from the thread {threading.current_thread().name!r}; it runs on its "
                "event loop alone: in_worker and ask_worker of voicepipe.boundary.threads run work in a thread and "
                "come back, async_stage of voicepipe.boundary.tasks awaits it, loop.call_soon_threadsafe enters it"
            )

    def clock(self) -> float:
        """Seconds on the loop's monotonic clock."""
        return self.loop.time()

    def child(self, *, apart: bool = False) -> LoopScheduler:
        """Return a scheduler with the same clock and its own set of tasks: a turn's tasks can be awaited separately.

        Args:
            apart: Nothing outlives what is started below it.
        """
        return LoopScheduler(self.loop, parent=self, apart=apart)

    def ahead(self) -> LoopScheduler:
        """Return a child for work that may be thrown away before it is wanted: sound below it is held until then."""
        own = self.child()
        own.hold, own._when_used = Hold(on=True), WhenUsed()
        return own

    def used_by(self, turn: LoopScheduler) -> abc.DisposableBase:
        """Go on as a child of `turn`: this one is of `ahead`, and its work is wanted now.

        Its tasks are the turn's from now on, what waits for its use begins, and then its sound is held as the turn's
        is, until the result is disposed.
        """
        self._parent = turn
        for task in self.tasks.copy():
            turn._adopt(task)
        if self._when_used is not None:
            self._when_used.use()
        return self.hold.follow(turn.hold)

    def when_used(self, action: Callable[[], object]) -> abc.DisposableBase:
        """Call `action` when the work below is wanted: at once, unless it was begun ahead and is not used yet."""
        if self._when_used is None or self._when_used.is_used:
            action()
            return Disposable()
        return self._when_used.add(action)

    def spawn(self, work: Coroutine[Any, Any, _T], name: str) -> asyncio.Task[_T]:
        """Run a coroutine as a task of this scheduler and of its parents; their sets hold it until it is done."""
        task = self.loop.create_task(work, name=name)
        self._adopt(task)
        return task

    def after_tasks(self, then: Callable[[], None]) -> Callable[[], list[str]] | None:
        """Call `then` when the tasks that run now are done.

        Returns:
            A function that returns the names of the tasks that still run; None if there are none, so that `then` will
            not be called.
        """
        left = set(self.tasks)
        if not left:
            return None

        def done(task: asyncio.Task[Any]) -> None:
            left.discard(task)
            if not left:
                then()

        for task in left.copy():
            task.add_done_callback(done)
        return lambda: sorted(task.get_name() for task in left)

    def enter(self, work: Callable[[], None]) -> None:
        """Call `work`, with which a task of the graph's own gives it something."""
        work()

    def _adopt(self, task: asyncio.Task[Any]) -> None:
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        if self._parent is not None:
            self._parent._adopt(task)

    def schedule(self, action: typing.ScheduledAction[Any], state: Any = None) -> abc.DisposableBase:
        self.check_thread()
        return self.invoke_action(action, state=state)

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: typing.ScheduledAction[Any], state: Any = None
    ) -> abc.DisposableBase:
        return self._run_at(self.clock() + self.to_seconds(duetime), action, state)

    def schedule_absolute(
        self, duetime: typing.AbsoluteTime, action: typing.ScheduledAction[Any], state: Any = None
    ) -> abc.DisposableBase:
        return self._run_at(self.to_seconds(duetime), action, state)

    def call_at(self, when_s: float, action: Callable[[], object]) -> abc.DisposableBase:
        """Call `action` when the loop's clock reads `when_s`, in the loop's next iteration at the earliest."""
        self.check_thread()
        return _Timer(self.loop.call_at(when_s, action))

    def _run_at(self, when_s: float, action: typing.ScheduledAction[Any], state: Any) -> abc.DisposableBase:
        if when_s <= self.clock():
            return self.schedule(action, state)
        self.check_thread()
        inner = SingleAssignmentDisposable()

        def run() -> None:
            inner.disposable = self.invoke_action(action, state=state)

        return CompositeDisposable(self.call_at(when_s, run), inner)


class _Timer(abc.DisposableBase):
    """A timer's disposable: reactivex's own would make a lock for each."""

    __slots__ = ("_handle",)

    def __init__(self, handle: asyncio.TimerHandle) -> None:
        self._handle = handle

    def dispose(self) -> None:
        self._handle.cancel()


def scheduler_of(scheduler: abc.SchedulerBase | None) -> LoopScheduler:
    """Return the session's scheduler, as an operator receives it at subscription.

    Args:
        scheduler: The second argument of an operator's `subscribe` function.

    Returns:
        The same scheduler, with its type: `now` is `loop.time()`.

    Raises:
        RuntimeError: It is another scheduler: the pipeline would start threads and mix two clocks.
    """
    if isinstance(scheduler, LoopScheduler):
        return scheduler
    raise RuntimeError(
        f"subscribed with {type(scheduler).__name__} as scheduler; a pipeline needs a voicepipe LoopScheduler: "
        "run it with voicepipe.session.run, or pass scheduler=LoopScheduler(loop) to subscribe"
    )
