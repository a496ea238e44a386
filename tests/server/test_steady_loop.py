"""A process that stands still for 25 s: no deadline of a client, a service or aiohttp counts them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import voicepipe
from voicepipe.server.steady_loop import SteadyLoop

STOPPED_S, STEP_S = 25.0, 0.1


class Time:
    """A clock that goes on when it is told, without waiting."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    async def passes(self, seconds: float) -> None:
        """Let the loop run as often as it does in so many seconds."""
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            await asyncio.sleep(0)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def loop(time: Time) -> Iterator[SteadyLoop]:
    loop = SteadyLoop(time)
    yield loop
    loop.close()


def test_a_deadline_does_not_count_a_stop(loop: SteadyLoop, time: Time) -> None:
    """Neither one that began before it, nor one that begins after it."""

    async def main() -> None:
        async with asyncio.timeout(10):
            await time.passes(5)
            time.now_s += STOPPED_S
            await time.passes(3)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await time.passes(11)

    loop.run_until_complete(main())
    assert loop.time() == pytest.approx(20, abs=1)


def test_what_came_meanwhile_is_read_before_a_short_deadline_is_over(loop: SteadyLoop, time: Time) -> None:
    """Of a stop a second counts, as of a callback that has blocked the loop for as long."""

    async def main() -> None:
        heard = asyncio.Event()
        async with asyncio.timeout(1.5):
            loop.call_soon(heard.set)
            time.now_s += STOPPED_S
            await heard.wait()

    loop.run_until_complete(main())


def test_a_stop_is_logged_and_a_pause_between_two_runs_is_none(loop: SteadyLoop, time: Time) -> None:
    """The models are loaded between two runs."""

    async def stop() -> None:
        await time.passes(1)
        time.now_s += STOPPED_S
        await time.passes(1)

    with capture_logs() as logged:
        loop.run_until_complete(time.passes(1))
        time.now_s += STOPPED_S
        loop.run_until_complete(time.passes(1))
        assert logged == []
        loop.run_until_complete(stop())
    assert [(line["event"], line["seconds"]) for line in logged] == [("loop.stalled", STOPPED_S + STEP_S)]


def test_no_deadline_is_on_another_clock() -> None:
    """These are lines of the log that are written once a minute, a measure of the real delay, the end of threads when a
    process ends, the start and the supervision of a cluster, the processes of a load, and the supervisor of workers, in
    which no session runs."""
    root = Path(voicepipe.__file__).parent
    found = [
        path.relative_to(root).as_posix() for path in root.rglob("*.py") if "monotonic()" in path.read_text("utf-8")
    ]
    assert [name for name in sorted(found) if not name.startswith("testing/")] == [
        "boundary/workers.py",
        "cluster/local_head.py",
        "cluster/supervisor.py",
        "load/processes.py",
        "load/server_figures.py",
        "server/http/runner.py",
        "server/loop_watch.py",
        "server/workers/process.py",
    ]
