"""A line that blocks the event loop is named, and delays are measured. In real time: a real thread is blocked."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable

import pytest
from scraped import Scraped
from structlog.testing import capture_logs

from voicepipe.metrics.registry import Metrics
from voicepipe.server.loop_watch import BlockWatch, watched_loop


class Lags:
    """The measured delays; `until` waits for one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._seen: list[float] = []

    def __call__(self, lag_s: float) -> None:
        with self._changed:
            self._seen.append(lag_s)
            self._changed.notify_all()

    async def until(self, wanted: Callable[[float], bool]) -> None:
        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: any(map(wanted, self._seen)), 30)

        assert await asyncio.to_thread(wait)


def compute() -> None:
    """Block the loop for three times as long as the watch needs to read the line, and as long on each machine."""
    time.sleep(0.3)


def test_the_line_that_blocks_is_named_once() -> None:
    """Its file, line and function; and what to do."""
    lags = Lags()

    async def main() -> None:
        watch = BlockWatch(asyncio.get_running_loop(), lags)
        watch.start()
        await lags.until(lambda _: True)
        for _ in range(2):
            compute()
            await lags.until(lambda lag_s: lag_s > 0.05)
        watch.stop()

    with capture_logs() as lines:
        asyncio.run(main())
    blocked = [line for line in lines if line["event"] == "loop.blocked"]
    assert len(blocked) == 1
    assert blocked[0]["at"] == f"{__file__}:{compute.__code__.co_firstlineno + 2} in compute"
    assert blocked[0]["ms"] > 50
    assert blocked[0]["remedy"].startswith("compute in a thread")


def test_a_loop_that_waits_blocks_nothing() -> None:
    lags = Lags()

    async def main() -> None:
        watch = BlockWatch(asyncio.get_running_loop(), lags)
        watch.start()
        await lags.until(lambda lag_s: lag_s < 0.05)
        watch.stop()

    with capture_logs() as lines:
        asyncio.run(main())
    assert [line for line in lines if line["event"] == "loop.blocked" and __file__ in line["at"]] == []


def test_the_watch_ends_with_its_loop() -> None:
    """It may be in the middle of a question."""

    async def main() -> BlockWatch:
        watch = BlockWatch(asyncio.get_running_loop(), lambda _: None)
        watch.start()
        return watch

    watch = asyncio.run(main())
    watch.stop()
    assert not watch._thread.is_alive()  # pyright: ignore[reportPrivateUsage]


def test_stop_waits_for_a_thread_whose_question_the_loop_has_not_answered() -> None:
    """A thread that is left over when the interpreter is torn down can crash it."""

    async def main() -> list[threading.Thread]:
        watch = BlockWatch(asyncio.get_running_loop(), lambda _: None)
        watch.start()
        compute()  # the thread asks meanwhile
        watch.stop()
        return [thread for thread in threading.enumerate() if thread.name == "voicepipe-loop-watch"]

    assert asyncio.run(main()) == []


@pytest.mark.parametrize("generation", [0, 1, 2])
def test_pauses_for_garbage_are_measured(generation: int) -> None:
    metrics = Metrics()

    async def main() -> None:
        with watched_loop(metrics.process):
            gc.collect(generation)

    asyncio.run(main())
    gc.collect(generation)  # not counted: the watch is over
    assert Scraped.of(metrics)[f'gc_pause_seconds_count{{generation="{generation}"}}'] >= 1
