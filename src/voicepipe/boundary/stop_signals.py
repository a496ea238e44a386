"""SIGTERM and SIGINT as an event of the loop, also where the loop has no signal handlers (Windows)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stop_signal"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_signal() -> Generator[asyncio.Event]:
    """Set the event at the first signal that asks the process to stop; restore the handlers at the end.

    `add_signal_handler` is missing in the event loops of Windows. There `signal.signal` is used; its handler runs
    between two instructions of the main thread; `call_soon_threadsafe` also wakes a loop that waits.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    try:
        for number in _SIGNALS:
            loop.add_signal_handler(number, stop.set)
    except NotImplementedError:
        yield from _by_interpreter(loop, stop)
        return
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _by_interpreter(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Generator[asyncio.Event]:
    def stopped(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop.set)

    before = {number: signal.signal(number, stopped) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
