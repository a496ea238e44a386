"""`SingleFlightCache`: who asks whom, how often, and who waits."""

from __future__ import annotations

import asyncio

import pytest

from voicepipe._cached import SingleFlightCache


class Source:
    """Counts; takes a second, and fails while it is `broken`."""

    def __init__(self) -> None:
        self.asked = 0
        self.broken: Exception | None = None

    async def __call__(self) -> int:
        self.asked += 1
        await asyncio.sleep(1)
        if self.broken is not None:
            raise self.broken
        return self.asked


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def recent(source, virtual_loop) -> SingleFlightCache[int]:
    return SingleFlightCache(source, fresh_s=lambda _: 10.0, clock=virtual_loop.time)


def test_an_answer_serves_while_it_is_fresh(recent, virtual_loop):
    """From when it was there, not from when it was asked for."""

    async def main() -> list[int]:
        answers = []
        for pause_s in (0, 9.9, 0.2):
            await asyncio.sleep(pause_s)
            answers.append(await recent())
        return answers

    assert virtual_loop.run(main()) == [1, 1, 2]


def test_callers_at_the_same_time_ask_once(recent, source, virtual_loop):
    """All get the one answer, at the same time."""

    async def main() -> list[int]:
        return await asyncio.gather(*(recent() for _ in range(5)))

    assert virtual_loop.run(main()) == [1] * 5
    assert source.asked == 1
    assert virtual_loop.time() == 1


def test_a_caller_that_gives_up_stops_no_other(recent, source, virtual_loop):
    """And the answer that nobody waited for serves the next one."""

    async def main() -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await recent()
        await asyncio.sleep(1)
        return await recent()

    assert virtual_loop.run(main()) == 1
    assert source.asked == 1


def test_a_failure_goes_to_all_callers_and_is_not_kept(recent, source, virtual_loop):
    """The next one asks anew."""
    source.broken = OSError("gone")

    async def main() -> int:
        failed = await asyncio.gather(recent(), recent(), return_exceptions=True)
        assert [str(error) for error in failed] == ["gone", "gone"]
        source.broken = None
        return await recent()

    assert virtual_loop.run(main()) == 2


def test_a_failure_without_a_caller_is_not_reported(recent, source, virtual_loop):
    """Nothing is reported of it."""
    source.broken = OSError("gone")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await recent()
        await asyncio.sleep(1)

    virtual_loop.run(main())


def test_closing_ends_what_is_under_way(recent, virtual_loop):
    """Whoever waits is cancelled with it."""

    async def main() -> None:
        waiting = asyncio.create_task(recent())
        await asyncio.sleep(0.5)
        await recent.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await recent.close()

    virtual_loop.run(main())
