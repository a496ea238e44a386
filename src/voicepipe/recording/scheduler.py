"""`RecordedScheduler`: the scheduler of a session that is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from reactivex import abc

from voicepipe.recording.journal import Journal
from voicepipe.recording.records import BackgroundTold, CleanUpEnded, CleanUpWaits, TaskEntered, TimerFired
from voicepipe.rx import LoopScheduler
from voicepipe.rx.background import Background

__all__ = ["RecordedScheduler"]


class RecordedScheduler(LoopScheduler):
    """Schedule as a `LoopScheduler` does, by the journal's clock, and note the timers that fire.

    Args:
        loop: The session's event loop.
        journal: The session's journal.
        parent: The scheduler of the session, where this one is a turn's.
        apart: As of `LoopScheduler`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        journal: Journal,
        *,
        parent: RecordedScheduler | None = None,
        apart: bool = False,
    ) -> None:
        super().__init__(loop, parent=parent, apart=apart)
        self.journal = journal
        if parent is None or apart:
            self.background = _RecordedBackground(self)

    def clock(self) -> float:
        return self.journal.now_s

    def child(self, *, apart: bool = False) -> RecordedScheduler:
        return RecordedScheduler(self.loop, self.journal, parent=self, apart=apart)

    def for_stage(self) -> LoopScheduler:
        """Return the scheduler of a stage: its timers and tasks are not the graph's; only what it gives is noted."""
        return LoopScheduler(self.loop, parent=self)

    def call_at(self, when_s: float, action: Callable[[], object]) -> abc.DisposableBase:
        record = partial(TimerFired, timer=self.journal.number("timer"), due_s=when_s)
        return super().call_at(when_s, lambda: self.journal.enter(record, action))

    def after_tasks(self, then: Callable[[], None]) -> Callable[[], list[str]] | None:
        number = self.journal.number("clean_up")
        left = super().after_tasks(lambda: self.journal.enter(partial(CleanUpEnded, number=number), then))
        if left is not None:
            self.journal.fact(CleanUpWaits(number))
        return left

    def enter(self, work: Callable[[], None]) -> None:
        self.journal.enter(TaskEntered, work)


class _RecordedBackground(Background):
    """The works behind a reply that is over: what they tell the graph is an entry."""

    def __init__(self, scheduler: RecordedScheduler) -> None:
        super().__init__(scheduler._adopt)  # pyright: ignore[reportPrivateUsage]
        self._journal = scheduler.journal

    def emit(self, item: object) -> None:
        tell = super().emit
        self._journal.enter(partial(BackgroundTold, item=item), lambda: tell(item))
