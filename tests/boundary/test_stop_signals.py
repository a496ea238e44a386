"""A signal stops the program, with the loops of every system."""

from __future__ import annotations

import asyncio
import signal

import pytest

from voicepipe.boundary import stop_signals
from voicepipe.boundary.stop_signals import kept_at_hangup, stop_signal


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


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@pytest.mark.parametrize("in_a_terminal", [False, True])
def test_a_hangup_ends_no_server_without_a_terminal(in_a_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal the handler stays as it was: by default it ends the process."""
    monkeypatch.setattr(stop_signals, "has_terminal", lambda: in_a_terminal)
    told: list[str] = []
    before = signal.signal(signal.SIGHUP, lambda *_: told.append("as before"))

    async def serve() -> None:
        heard = asyncio.Event()
        with kept_at_hangup(lambda: (told.append("not reloaded"), heard.set())):
            signal.raise_signal(signal.SIGHUP)
            if not in_a_terminal:
                await heard.wait()
        signal.raise_signal(signal.SIGHUP)

    try:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(serve())
    finally:
        signal.signal(signal.SIGHUP, before)
    assert told == ["as before" if in_a_terminal else "not reloaded", "as before"]
