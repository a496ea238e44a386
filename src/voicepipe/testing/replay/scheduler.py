"""`ReplayScheduler`: the scheduler of a session that is run again: its clock and its timers are the player's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from reactivex import abc

from voicepipe.rx import LoopScheduler
from voicepipe.rx.background import Background

__all__ = ["Playing", "ReplayBackground", "ReplayScheduler"]


class Playing(Protocol):
    """Decides when something happens."""

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

    @property
    def hears_tasks(self) -> bool:
        """Return whether what tasks tell behind a reply is heard: not while the recording tells it."""
        ...


class ReplayBackground(Background):
    """The works behind a reply that is over."""

    def __init__(self, adopt: Callable[[asyncio.Task[Any]], None], playing: Playing) -> None:
        super().__init__(adopt)
        self._playing = playing

    def emit(self, item: object) -> None:
        if self._playing.hears_tasks:
            self.tell(item)

    def tell(self, item: object) -> None:
        """Emit what the recording tells."""
        super().emit(item)


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
        if parent is None or apart:
            self.background = ReplayBackground(self._adopt, playing)

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
