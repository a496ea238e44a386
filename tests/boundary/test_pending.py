"""Sound that a session's recogniser has not finished."""

from __future__ import annotations

import asyncio

from voicepipe.boundary.pending import PendingMark, PendingWork
from voicepipe.testing import VirtualLoop


def test_it_is_clear_when_nothing_is_at_work(virtual_loop: VirtualLoop) -> None:
    """A waiting caller waits for the last piece of work; a piece that is disposed twice counts once."""
    backlog = PendingWork()
    one, two = backlog.busy(), backlog.busy()
    virtual_loop.call_at(1.0, one.dispose)
    virtual_loop.call_at(1.5, one.dispose)
    virtual_loop.call_at(2.0, two.dispose)
    virtual_loop.run(backlog.cleared())
    assert (virtual_loop.time(), backlog.is_clear) == (2.0, True)


def test_a_gauge_counts_once_however_often_it_is_shown() -> None:
    """Two boundaries are two."""
    backlog = PendingWork()
    one, two = PendingMark(backlog), PendingMark(backlog)
    for gauge in (one, one, two):
        gauge.show(behind=True)
    one.show(behind=False)
    assert not backlog.is_clear
    for _ in range(2):
        two.show(behind=False)
    assert backlog.is_clear


def test_a_gauge_without_a_backlog_is_not_seen() -> None:
    """Nor does it mind."""
    gauge = PendingMark(None)
    gauge.show(behind=True)
    gauge.show(behind=False)


def test_a_wait_that_is_given_up_leaves_it_as_it_is(virtual_loop: VirtualLoop) -> None:
    """The next one waits as long."""
    backlog = PendingWork()
    work = backlog.busy()

    async def main() -> None:
        waiting = asyncio.create_task(backlog.cleared())
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert not backlog.is_clear
        work.dispose()
        await backlog.cleared()

    virtual_loop.run(main())
