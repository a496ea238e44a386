"""Async generators as observables."""

import asyncio
from collections.abc import AsyncGenerator

from reactivex import operators as rx_ops

from voicepipe.rx import from_async
from voicepipe.testing import Marbles


async def counting(closed: list[str]) -> AsyncGenerator[int, None]:
    try:
        for number in range(3):
            await asyncio.sleep(0.04)
            yield number
    finally:
        await asyncio.sleep(0.02)
        closed.append("closed")


def test_it_yields_what_the_generator_yields(marbles: Marbles) -> None:
    """Each subscription drains a generator of its own, and it is closed at the end."""
    closed: list[str] = []
    source = from_async(lambda: counting(closed), "count")
    for _ in range(2):
        marbles.expect(source, "--a-b-c-|".replace("c-|", "c|"), a=0, b=1, c=2)
    assert closed == ["closed", "closed"]


def test_disposing_closes_the_generator(marbles: Marbles) -> None:
    """Its `finally` runs to the end, awaits included."""
    closed: list[str] = []
    marbles.expect(from_async(lambda: counting(closed), "count"), "--a!", a=0)
    marbles.run(asyncio.sleep(1))
    assert closed == ["closed"]


def test_an_observer_that_has_enough_closes_the_generator(marbles: Marbles) -> None:
    """Also from within an item."""
    closed: list[str] = []
    marbles.expect(from_async(lambda: counting(closed), "count").pipe(rx_ops.take(1)), "--(a|)", a=0)
    marbles.run(asyncio.sleep(1))
    assert closed == ["closed"]


def test_an_exception_is_an_error_of_the_stream(marbles: Marbles) -> None:
    """It does not die in a task."""

    async def broken() -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.sleep(0.02)
        raise ValueError("no")

    marbles.expect(from_async(broken, "broken"), "a#", a=1, error=ValueError("no"))
