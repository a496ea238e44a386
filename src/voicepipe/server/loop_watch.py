"""A watch over the event loop: how late it is, what blocks it, and how long garbage collection stops it.

All sessions share one loop: a stage that computes for 100 ms in it makes every conversation of the process 100 ms late.
A timer of the loop is due every 50 ms, and notes how late it is. When it is late by 50 ms, a thread reads the line at
which the loop's thread stands. As long as the loop answers, the thread only wakes and looks at the time of the next
answer: it sends the loop nothing, and so wakes it for nothing.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

import voicepipe
from voicepipe.metrics.series import ProcessMetrics

__all__ = ["BlockWatch", "watched_loop"]

# A frame of sound is 20 ms and playback has 120 ms of lead at the least: a delay of 50 ms is not heard yet.
_EVERY_S, _BLOCK_S = 0.05, 0.05
# Timers fire a little late: the thread looks when the answer that is due with its look has come, too, or it would look
# twice as often.
_TIMER_S = 0.005
# A line that blocks again and again is told of once a minute.
_SILENT_S = 60.0

_OURS = str(Path(voicepipe.__file__).parent)
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})

log = structlog.get_logger()


@contextmanager
def watched_loop(series: ProcessMetrics) -> Generator[None]:
    """Watch the running loop and the garbage collector until the block ends.

    Args:
        series: Take the delays and the pauses.
    """
    watch = BlockWatch(asyncio.get_running_loop(), series.loop_lag.observe)
    pauses = _Pauses(series)
    watch.start()
    gc.callbacks.append(pauses)
    try:
        yield
    finally:
        gc.callbacks.remove(pauses)
        watch.stop()


class BlockWatch:
    """A timer that measures an event loop's delay, and a thread that warns of the line that blocks it for 50 ms.

    Args:
        loop: The loop, which runs in the thread that makes and starts this object.
        lag: Called with each delay in seconds, on the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, lag: Callable[[float], object]) -> None:
        self._loop, self._lag = loop, lag
        self._watched = threading.get_ident()
        self._stopped = threading.Event()
        self._due_s = time.monotonic()
        # The line that was found, and the time at which the loop was due then.
        self._found: tuple[str, float] | None = None
        self._told_s: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._run, name="voicepipe-loop-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._expect()
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the thread: one that is left over when the interpreter is torn down can crash it."""
        if self._timer is not None:
            self._timer.cancel()
        self._stopped.set()
        self._thread.join()

    # ---- on the loop -------------------------------------------------------------------------------------------------

    def _expect(self) -> None:
        self._due_s = time.monotonic() + _EVERY_S
        self._timer = self._loop.call_later(_EVERY_S, self._answer)

    def _answer(self) -> None:
        lag_s = max(0.0, time.monotonic() - self._due_s)
        self._lag(lag_s)
        if self._found is not None and self._found[1] == self._due_s:
            self._warn(self._found[0], lag_s)
        self._expect()

    # ---- in the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Wake when the loop's next answer would be late by `_BLOCK_S`; as a rule it has come, and another is due."""
        wait_s = _EVERY_S + _BLOCK_S + _TIMER_S
        while not self._stopped.wait(wait_s):
            due_s = self._due_s
            late_s = time.monotonic() - due_s
            wait_s = _BLOCK_S + _TIMER_S - late_s
            if late_s >= _BLOCK_S:
                self._find(due_s)
                wait_s = _EVERY_S

    def _find(self, due_s: float) -> None:
        """Note the line at which the loop stands, once for each answer that is late."""
        if self._found is None or self._found[1] != due_s:
            frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage] — there is no public way
            place = _place(frames.get(self._watched))
            self._found = None if place is None else (place, due_s)

    def _warn(self, place: str, lag_s: float) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s.get(place, -_SILENT_S) >= _SILENT_S:
            self._told_s[place] = now_s
            log.warning(
                "loop.blocked",
                at=place,
                ms=round(lag_s * 1000),
                consequence="every conversation waits",
                remedy="compute in a thread (async_stage, in_worker), wait with await",
            )


class _Pauses:
    """The pauses of the garbage collector, by its callback."""

    def __init__(self, series: ProcessMetrics) -> None:
        self._series = series
        self._began_s = 0.0

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began_s = time.perf_counter()
        else:
            self._series.gc_pause.labels(str(info["generation"])).observe(time.perf_counter() - self._began_s)


def _place(frame: FrameType | None) -> str | None:
    """Return the innermost line of the user's own code, else of voicepipe's, else of a library; None while it waits."""
    frames: list[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    if not frames or frames[0].f_code.co_name == "select":
        return None
    own = (one for one in frames if not one.f_code.co_filename.startswith((_OURS, *_LIBRARIES, "<")))
    ours = (one for one in frames if one.f_code.co_filename.startswith(_OURS))
    found = next(own, None) or next(ours, None) or frames[0]
    return f"{found.f_code.co_filename}:{found.f_lineno} in {found.f_code.co_name}"
