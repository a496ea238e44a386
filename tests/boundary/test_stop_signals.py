"""A signal stops the program, with the loops of every system."""

from __future__ import annotations

import asyncio
import signal

import pytest

from voicepipe.boundary.stop_signals import stop_signal


class LoopOfWindows(asyncio.SelectorEventLoop):
    """It has no signal handlers."""

    def add_signal_handler(self, *_: object) -> None:
        raise NotImplementedError

    def remove_signal_handler(self, *_: object) -> bool:
        raise NotImplementedError


@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, LoopOfWindows])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_event_and_the_handlers_come_back(make: type[asyncio.AbstractEventLoop], number: int):
    """While the loop waits."""
    before = signal.getsignal(number)
    seen: list[bool] = []

    async def wait() -> None:
        with stop_signal() as stop:
            asyncio.get_running_loop().call_soon(signal.raise_signal, number)
            await stop.wait()
            seen.append(True)

    loop = make()
    try:
        loop.run_until_complete(wait())
    finally:
        loop.close()
    assert seen == [True]
    assert signal.getsignal(number) == before
