"""The reason for which a session ends."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import WSCloseCode

from voicepipe.server.session.ending import End, SessionEnd

LEFT = End(WSCloseCode.OK, "the client left", gone=True)


async def test_the_first_reason_stays():
    """A session has one end, however many parts of it fail afterwards."""
    ending = SessionEnd()
    assert not ending.is_over
    ending.finish(LEFT)
    ending.finish(End.force("too slow"))
    assert ending.is_over
    assert ending.reason == LEFT
    assert await ending.wait() == LEFT


async def test_a_wait_ends_with_the_reason():
    """In the next round of the event loop."""
    ending = SessionEnd()
    waiting = asyncio.create_task(ending.wait())
    await asyncio.sleep(60)
    assert not waiting.done()
    ending.finish(LEFT)
    assert await waiting == LEFT


async def test_a_cancelled_wait_does_not_end_the_session():
    """The clean-up gives the reason then."""
    ending = SessionEnd()
    waiting = asyncio.create_task(ending.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not ending.is_over
    ending.finish(LEFT)
    assert ending.reason == LEFT


def test_a_session_that_is_cut_off_breaks_a_policy():
    """Close code 1008."""
    assert End.force("too slow") == End(1008, "too slow", gone=False, forced=True)
