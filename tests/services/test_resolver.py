"""From a name to addresses."""

import asyncio
from collections.abc import Sequence

import pytest

from voicepipe.services import Address, Instance, Resolver, resolve_with_dns
from voicepipe.testing import VirtualLoop

SERVICE = Address.parse("ws://tts:8089")


def test_an_ip_stands_for_itself(virtual_loop: VirtualLoop) -> None:
    """Nobody is asked."""
    address = Address.parse("ws://10.1.2.3:8089")
    assert virtual_loop.run(resolve_with_dns(address)) == [Instance("10.1.2.3", 8089)]


def test_a_name_is_asked_in_a_thread(virtual_loop: VirtualLoop) -> None:
    """The event loop goes on; each address comes once."""
    found = virtual_loop.run(resolve_with_dns(Address.parse("ws://localhost:8089")))
    assert Instance("127.0.0.1", 8089) in found
    assert len(set(found)) == len(found)


def test_an_answer_counts_for_half_a_second(virtual_loop: VirtualLoop) -> None:
    """Then the name is asked for again, and what has changed is seen."""
    asked: list[float] = []

    async def dns(address: Address) -> Sequence[Instance]:
        asked.append(asyncio.get_running_loop().time())
        return [Instance(f"10.0.0.{len(asked)}", address.port)]

    async def main() -> list[str]:
        resolve, hosts = Resolver(dns, cache_s=0.5), list[str]()
        for _ in range(5):
            hosts.append((await resolve(SERVICE))[0].host)
            await asyncio.sleep(0.2)
        return hosts

    assert virtual_loop.run(main()) == ["10.0.0.1"] * 3 + ["10.0.0.2"] * 2
    assert asked == [0, 0.6]


def test_an_error_is_not_kept(virtual_loop: VirtualLoop) -> None:
    """A name that was unknown a moment ago may be known now."""
    answers = [OSError("no such name"), [Instance("10.0.0.1", 8089)]]

    async def dns(_: Address) -> Sequence[Instance]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    async def main() -> Sequence[Instance]:
        resolve = Resolver(dns, cache_s=0.5)
        with pytest.raises(OSError, match="no such name"):
            await resolve(SERVICE)
        return await resolve(SERVICE)

    assert virtual_loop.run(main()) == [Instance("10.0.0.1", 8089)]
