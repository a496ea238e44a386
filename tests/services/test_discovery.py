"""Which instance takes us, how long it takes, and why there is none."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from voicepipe.services import (
    Address,
    AtCapacity,
    Backoff,
    ConnectionLost,
    FailureReason,
    Finder,
    HandshakeRefused,
    Instance,
    ProtocolViolation,
    ServiceObserver,
    ServiceUnavailable,
)
from voicepipe.services.observer import NULL_OBSERVER
from voicepipe.testing import VirtualLoop

SERVICE = "speech synthesis (TTS)"


class Counting:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.told.append((name, *args))


def finder(
    hosts: Sequence[str], *, observer: ServiceObserver = NULL_OBSERVER, seed: int = 1, resolving_s: float = 0.0
) -> Finder:
    async def resolve(address: Address) -> Sequence[Instance]:
        await asyncio.sleep(resolving_s)
        return [Instance(host, address.port) for host in hosts]

    address = Address.parse("ws://tts:8089")
    return Finder(SERVICE, address, resolve=resolve, tries=3, try_s=0.5, random=Random(seed), observer=observer)


def taking(outcomes: dict[str, Exception | float], asked: list[str]) -> Any:
    """An instance that fails, or answers after so many seconds."""

    async def take(instance: Instance) -> str:
        asked.append(instance.host)
        outcome = outcomes.get(instance.host, 0.0)
        if isinstance(outcome, Exception):
            raise outcome
        await asyncio.sleep(outcome)
        return instance.host

    return take


def test_load_is_spread(virtual_loop: VirtualLoop) -> None:
    """Every instance is the first to be asked at some time, and always in the same order for one seed."""

    async def main(seed: int) -> str:
        return await finder("abcd", seed=seed).find(taking({}, []))

    assert {virtual_loop.run(main(seed)) for seed in range(20)} == set("abcd")
    assert len({virtual_loop.run(main(3)) for _ in range(5)}) == 1


def test_three_are_asked_at_most(virtual_loop: VirtualLoop) -> None:
    """For half a second each; then there is none, and why is told."""
    asked: list[str] = []
    silent = dict.fromkeys("abcde", 9.0)

    async def main() -> None:
        await finder("abcde").find(taking(silent, asked))

    with pytest.raises(ServiceUnavailable, match="did not answer in time") as failed:
        virtual_loop.run(main())
    assert len(set(asked)) == len(asked) == 3
    assert virtual_loop.time() == 1.5
    assert [one.reason for one in failed.value.missed] == [FailureReason.TIMED_OUT] * 3
    assert not failed.value.full


def test_the_next_one_is_asked_when_one_is_full_or_broken(virtual_loop: VirtualLoop) -> None:
    """Each miss is counted as what it is, and logged with its instance."""
    observer, asked = Counting(), list[str]()
    outcomes = {host: AtCapacity(SERVICE) for host in "abcd"}

    async def main() -> str:
        found = finder("abcd", observer=observer)
        first: dict[str, Any] = {**outcomes}
        take = taking(first, asked)

        async def second_is_free(instance: Instance) -> str:
            first[instance.host] = AtCapacity(SERVICE) if not asked else 0.03
            return await take(instance)

        return await found.find(second_is_free)

    with capture_logs() as logs:
        assert virtual_loop.run(main()) == asked[1]
    assert observer.told == [("missed", FailureReason.FULL), ("pinged", 0.03), ("found", 0.03)]
    assert [(line["log_level"], line["event"], line["why"], line["instance"]) for line in logs] == [
        ("info", "service.missed", "full", f"{asked[0]}:8089")
    ]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (AtCapacity(SERVICE), FailureReason.FULL),
        (ConnectionRefusedError(), FailureReason.REFUSED),
        (TimeoutError(), FailureReason.TIMED_OUT),
        (HandshakeRefused(SERVICE, 401), FailureReason.FORBIDDEN),
        (HandshakeRefused(SERVICE, 500), FailureReason.BROKEN),
        (ProtocolViolation(SERVICE, "noise"), FailureReason.NONSENSE),
        (ConnectionLost(SERVICE, "gone"), FailureReason.REFUSED),
        (ValueError("a bug"), FailureReason.BROKEN),
    ],
)
def test_faults_are_told_apart(virtual_loop: VirtualLoop, error: Exception, why: FailureReason) -> None:
    """Full, refused, silent, forbidden, nonsense and broken are six things."""
    with pytest.raises(ServiceUnavailable) as failed, capture_logs() as logs:
        virtual_loop.run(finder("a").find(taking({"a": error}, [])))
    assert failed.value.reason is why
    assert logs[0]["log_level"] == ("info" if why is FailureReason.FULL else "warning")


def test_an_unknown_name(virtual_loop: VirtualLoop) -> None:
    """And one behind which there is nothing."""

    async def unknown(_: Address) -> Sequence[Instance]:
        raise OSError("Name or service not known")

    nowhere = Finder(SERVICE, Address.parse("ws://x:1"), resolve=unknown, tries=3, try_s=0.5, random=Random(1))
    for lost in (nowhere, finder([])):
        with pytest.raises(ServiceUnavailable, match="cannot be found on the network"):
            virtual_loop.run(lost.find(taking({}, [])))


def test_a_resolver_that_hangs_is_a_time_out(virtual_loop: VirtualLoop) -> None:
    """It may take as long as a try."""
    with pytest.raises(ServiceUnavailable, match="did not answer in time"):
        virtual_loop.run(finder("a", resolving_s=9).find(taking({}, [])))
    assert virtual_loop.time() == 0.5


def test_patience_is_five_searches_with_growing_pauses(virtual_loop: VirtualLoop) -> None:
    """The user is told once, when the first has failed; the last one's reason is what counts."""
    asked, told, times = list[str](), list[float](), list[float]()

    async def main() -> None:
        async def take(instance: Instance) -> None:
            times.append(virtual_loop.time())
            asked.append(instance.host)
            raise AtCapacity(SERVICE)

        delayed = lambda: told.append(virtual_loop.time())
        await finder("a").find_with_retry(take, searches=5, pauses=Backoff(0.05, 1.5, 1.0), delayed=delayed)

    with pytest.raises(ServiceUnavailable, match="is full"):
        virtual_loop.run(main())
    assert told == [0]
    assert times == pytest.approx([0, 0.05, 0.125, 0.2375, 0.40625], abs=1e-5)


def test_pauses_grow_to_a_second_at_most() -> None:
    """As the factor says, and no further."""
    pauses = [pause for pause, _ in zip(Backoff(0.05, 1.5, 1.0), range(12), strict=False)]
    assert pauses[:2] == [0.05, pytest.approx(0.075)]
    assert pauses[-1] == 1.0


def test_a_search_that_is_given_up_cleans_up(virtual_loop: VirtualLoop) -> None:
    """A connection that is being opened at that moment is cancelled."""
    closed: list[str] = []

    async def take(instance: Instance) -> None:
        try:
            await asyncio.sleep(9)
        finally:
            closed.append(instance.host)

    async def main() -> None:
        search = asyncio.create_task(finder("a").find(take))
        await asyncio.sleep(0.1)
        search.cancel()
        await asyncio.wait((search,))

    virtual_loop.run(main())
    assert closed == ["a"]
