"""The places of a host: full at once, leases with a one-time token, and an end to those that nothing attaches to."""

from __future__ import annotations

import asyncio

import pytest

from voicepipe.host.slots import NoPlace, Slots, UnknownLease
from voicepipe.testing import VirtualLoop


def test_one_session_too_many_is_refused(virtual_loop: VirtualLoop) -> None:
    """A place that was released twice is one place."""

    async def main() -> None:
        slots = Slots(2)
        first, lease = slots.take(), slots.lease()
        with pytest.raises(NoPlace, match="all 2 places are taken"):
            slots.take()
        first.release()
        first.release()
        assert slots.taken == 1
        slots.take()
        with pytest.raises(NoPlace):
            slots.lease()
        lease.release()

    virtual_loop.run(main())


def test_a_token_is_worth_one_connection(virtual_loop: VirtualLoop) -> None:
    async def main() -> None:
        slots = Slots(2)
        lease = slots.lease()
        assert slots.attach(lease.token) is lease
        with pytest.raises(UnknownLease):
            slots.attach(lease.token)
        with pytest.raises(UnknownLease):
            slots.attach("")
        await asyncio.sleep(60)
        assert slots.taken == 1, "an attached lease has no time limit"

    virtual_loop.run(main())


def test_a_lease_that_nothing_attaches_to_is_over_after_its_time(virtual_loop: VirtualLoop) -> None:
    """Its token is worth nothing then, and what waits for its end is told."""

    async def main() -> None:
        slots = Slots(1, attach_s=3)
        lease = slots.lease()
        await asyncio.sleep(2.9)
        assert slots.taken == 1
        await lease.freed.wait()
        assert asyncio.get_running_loop().time() == pytest.approx(3)
        assert slots.taken == 0
        with pytest.raises(UnknownLease):
            slots.attach(lease.token)

    virtual_loop.run(main())


def test_a_host_that_drains_takes_nothing_new_and_knows_when_it_is_empty(virtual_loop: VirtualLoop) -> None:
    async def main() -> None:
        slots = Slots(2)
        place = slots.take()
        slots.draining = True
        with pytest.raises(NoPlace, match="being stopped"):
            slots.take()
        asyncio.get_running_loop().call_later(5, place.release)
        await slots.emptied()
        assert asyncio.get_running_loop().time() == pytest.approx(5)

    virtual_loop.run(main())
