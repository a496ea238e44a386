"""Signals of the system: SIGTERM and SIGINT as an event of the loop, also where the loop has no signal handlers
(Windows), and SIGHUP.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

__all__ = ["has_terminal", "kept_at_hangup", "stop_signal"]

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


def has_terminal() -> bool:
    """Return whether this process runs in a terminal. A server that systemd or a container has started does not."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


@contextmanager
def kept_at_hangup(tell: Callable[[], object]) -> Generator[None]:
    """Call `tell` at SIGHUP, which would end the process otherwise, until the block ends.

    SIGHUP is a wish for a restart where there is no terminal. In a terminal it says that this was closed, and ends the
    process as before.

    Args:
        tell: Called in the loop.
    """
    if not hasattr(signal, "SIGHUP") or has_terminal():
        yield
        return
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGHUP)
    loop.add_signal_handler(signal.SIGHUP, tell)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, before)


def _by_interpreter(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Generator[asyncio.Event]:
    def stopped(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop.set)

    before = {number: signal.signal(number, stopped) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
