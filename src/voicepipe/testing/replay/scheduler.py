"""`ReplayScheduler`: the scheduler of a session that is run again: its clock and its timers are the player's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from reactivex import abc

from voicepipe.rx import LoopScheduler

__all__ = ["Playing", "ReplayScheduler"]


class Playing(Protocol):
    """What decides when something happens."""

    @property
    def now_s(self) -> float:
        """Return the session's clock."""
        ...

    def set_timer(self, when_s: float, action: Callable[[], object]) -> abc.DisposableBase:
        """Call `action` when its time has come."""
        ...

    def wait_for_clean_up(self, then: Callable[[], None]) -> bool:
        """Call `then` when the tasks of a cut turn would be done; return False if there were none."""
        ...

    def enter(self, work: Callable[[], None]) -> None:
        """Let a task of the pipeline's own give something to the graph."""
        ...


class ReplayScheduler(LoopScheduler):
    """Schedule as a recording says, or in virtual time.

    Args:
        loop: The loop of the tasks that the pipeline itself starts.
        playing: The player.
        parent: The scheduler of the session, where this one is a turn's.
        apart: As of `LoopScheduler`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        playing: Playing,
        *,
        parent: ReplayScheduler | None = None,
        apart: bool = False,
    ) -> None:
        super().__init__(loop, parent=parent, apart=apart)
        self._playing = playing

    def clock(self) -> float:
        return self._playing.now_s

    def child(self, *, apart: bool = False) -> ReplayScheduler:
        return ReplayScheduler(self.loop, self._playing, parent=self, apart=apart)

    def call_at(self, when_s: float, action: Callable[[], object]) -> abc.DisposableBase:
        return self._playing.set_timer(when_s, action)

    def after_tasks(self, then: Callable[[], None]) -> Callable[[], list[str]] | None:
        return list if self._playing.wait_for_clean_up(then) else None

    def enter(self, work: Callable[[], None]) -> None:
        self._playing.enter(work)
