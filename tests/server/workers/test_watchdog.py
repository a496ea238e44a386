"""A worker that lives and does not answer is killed; one that is late once is not."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from voicepipe.server.workers.watchdog import watch
from voicepipe.testing.loop.virtual_loop import VirtualLoop

HUNG_S = 10.0


@dataclass
class Worker:
    """Answers after each of so many seconds, then at once."""

    answers_after_s: Iterator[float]
    is_late: bool = False
    pid: int = 1
    lane: int = 0
    killed_at_s: float | None = None
    late_at_s: list[float] = field(default_factory=list[float])

    async def tell(self, what: str, within_s: float) -> object:
        after_s = next(self.answers_after_s, 0.0)
        if self.is_late:
            self.late_at_s.append(asyncio.get_running_loop().time())
        await asyncio.sleep(min(after_s, within_s))
        return True if after_s < within_s else None

    def kill(self) -> None:
        self.killed_at_s = asyncio.get_running_loop().time()


def watched(loop: VirtualLoop, *answers_after_s: float) -> Worker:
    """Watch it for a minute."""
    worker = Worker(iter(answers_after_s))

    async def main() -> None:
        watching = asyncio.ensure_future(watch(worker, HUNG_S))
        await asyncio.wait([watching], timeout=60)
        watching.cancel()

    loop.run(main())
    return worker


@pytest.mark.parametrize("before", [0, 3])
def test_one_that_does_not_answer_is_killed(virtual_loop: VirtualLoop, before: int) -> None:
    """Ten seconds after it was asked, and after five others get the new clients."""
    worker = watched(virtual_loop, *[0.1] * before, 1e9, 1e9)
    asked_s = before * (0.1 + HUNG_S / 4)
    assert worker.killed_at_s == pytest.approx(asked_s + HUNG_S)
    assert worker.late_at_s == [pytest.approx(asked_s + HUNG_S / 2)]


@pytest.mark.parametrize("answers_after_s", [(0.1,), (4.9,) * 8, (1e9, 4.9, 0.1, 1e9, 0.1)])
def test_one_that_answers_at_last_lives(virtual_loop: VirtualLoop, answers_after_s: tuple[float, ...]) -> None:
    """A machine that slept makes every worker late once."""
    worker = watched(virtual_loop, *answers_after_s)
    assert worker.killed_at_s is None
    assert not worker.is_late
