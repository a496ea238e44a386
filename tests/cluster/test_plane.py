"""Leases of Ray Serve: what its streams mean, in virtual time, with streams of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from voicepipe.cluster.plane import HEDGE_S, LEASES_TRIED, RayControlPlane
from voicepipe.services import AtCapacity, ConnectionLost, ProtocolViolation
from voicepipe.testing import VirtualLoop

PLACE = {"host": "10.0.0.2", "port": 4711, "token": "t"}
FULL = {"full": "all 2 places are taken"}


class Stream:
    """The items of a lease, after 5 ms each; then it goes on until it is cancelled, or its replica dies."""

    def __init__(
        self, *items: Mapping[str, Any] | Exception, dies_s: float | None = None, after_s: float = 0.005
    ) -> None:
        self._items, self._dies_s, self._after_s = list(items), dies_s, after_s
        self.cancelled = asyncio.Event()

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Mapping[str, Any]:
        await asyncio.sleep(self._after_s)
        if self._items:
            item = self._items.pop(0)
            if isinstance(item, Exception):
                raise item
            return item
        if self._dies_s is not None:
            await asyncio.sleep(self._dies_s)
            raise RuntimeError("the actor died")
        await self.cancelled.wait()
        raise StopAsyncIteration

    def cancel(self) -> None:
        self.cancelled.set()


def plane_of(*streams: Stream) -> tuple[RayControlPlane, list[str]]:
    left, asked = list(streams), list[str]()

    def handle_of(stage: str) -> Callable[[], Stream]:
        def request() -> Stream:
            asked.append(stage)
            return left.pop(0)

        return request

    return RayControlPlane(handle_of), asked


def test_a_lease_is_the_address_and_token_of_a_replica(virtual_loop: VirtualLoop) -> None:
    """Its release cancels the request, also at once."""

    async def main() -> None:
        streams = [Stream(PLACE), Stream(PLACE)]
        plane, _ = plane_of(*streams)
        first, second = await plane.lease("stt"), await plane.lease("stt")
        assert (str(first.instance), first.instance.lease) == ("10.0.0.2:4711", "t")
        second.release()
        await asyncio.sleep(1)
        assert [stream.cancelled.is_set() for stream in streams] == [False, True]
        first.release()
        await asyncio.sleep(0.1)
        assert streams[0].cancelled.is_set()
        await plane.close()

    virtual_loop.run(main())


def test_another_replica_is_asked_when_one_is_full(virtual_loop: VirtualLoop) -> None:
    """A few are; when all are full that is told, within 50 ms."""

    async def main() -> None:
        plane, _ = plane_of(Stream(FULL), Stream(PLACE))
        (await plane.lease("stt")).release()
        plane, asked = plane_of(*(Stream(FULL) for _ in range(9)))
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(AtCapacity, match="all 2 places are taken"):
            await plane.lease("stt")
        assert asyncio.get_running_loop().time() - began_s < 0.05
        assert len(asked) == LEASES_TRIED

    virtual_loop.run(main())


def test_another_replica_is_asked_beside_one_that_does_not_answer(virtual_loop: VirtualLoop) -> None:
    """A lease from a machine that has just died never comes; what was asked for it is cancelled."""

    async def main() -> None:
        silent = [Stream(), Stream()]
        plane, asked = plane_of(*silent, Stream(FULL), Stream(PLACE))
        lease = await plane.lease("stt")
        assert asyncio.get_running_loop().time() == pytest.approx(3 * HEDGE_S + 0.01, abs=0.005)
        assert len(asked) == 4
        assert [stream.cancelled.is_set() for stream in silent] == [True, True]
        lease.release()

    virtual_loop.run(main())


def test_a_second_place_that_comes_in_the_same_moment_is_given_back(virtual_loop: VirtualLoop) -> None:
    async def main() -> None:
        slow = [Stream(PLACE, after_s=HEDGE_S + 0.005), Stream(PLACE)]  # both answer 105 ms after the first request
        plane, _ = plane_of(*slow)
        lease = await plane.lease("stt")
        assert sorted(stream.cancelled.is_set() for stream in slow) == [False, True]
        lease.release()

    virtual_loop.run(main())


def test_a_replica_that_dies_loses_its_lease(virtual_loop: VirtualLoop) -> None:
    async def main() -> float:
        plane, _ = plane_of(Stream(PLACE, dies_s=1))
        lease, lost = await plane.lease("stt"), asyncio.Event()
        lease.when_lost(lost.set)
        await lost.wait()
        lease.release()
        return asyncio.get_running_loop().time()

    assert virtual_loop.run(main()) == pytest.approx(1.01, abs=0.01)


def test_a_request_that_takes_too_long_is_cancelled(virtual_loop: VirtualLoop) -> None:
    """No replica is left with a place that is leased to no session."""

    async def main() -> bool:
        streams = [Stream() for _ in range(LEASES_TRIED)]  # of a stage whose only replica is being started
        plane, asked = plane_of(*streams)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await plane.lease("stt")
        return len(asked) == 3 and all(stream.cancelled.is_set() for stream in streams[:3])

    assert virtual_loop.run(main())


@pytest.mark.parametrize(
    ("item", "error"),
    [(RuntimeError("the actor died"), ConnectionLost), ({"host": "10.0.0.2"}, ProtocolViolation)],
)
def test_what_is_no_lease_is_a_fault(
    virtual_loop: VirtualLoop, item: Mapping[str, Any] | Exception, error: type[Exception]
) -> None:
    async def main() -> None:
        plane, _ = plane_of(*(Stream(item) for _ in range(LEASES_TRIED)))
        with pytest.raises(error):
            await plane.lease("stt")

    virtual_loop.run(main())
