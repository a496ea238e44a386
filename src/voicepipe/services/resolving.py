"""From a host's name to the addresses behind it, without blocking the event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import TypeAlias

from voicepipe.services.address import Address, Instance

__all__ = ["Resolve", "Resolver", "resolve_with_dns"]

Resolve: TypeAlias = Callable[[Address], Awaitable[Sequence[Instance]]]
"""All instances of a service. Raises OSError when the name is not known."""


async def resolve_with_dns(address: Address) -> Sequence[Instance]:
    """What the system's resolver knows of the host, asked in a thread; an IP address stands for itself."""
    if _is_ip(address.host):
        return [Instance(address.host, address.port)]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(Instance(str(where[0]), int(where[1])) for *_, where in found))


class Resolver:
    """`resolve`, whose answer counts for `cache_s`: a burst of searches is one question.

    An answer that took a while counts from when it came. Errors are not kept.
    """

    def __init__(self, resolve: Resolve, *, cache_s: float) -> None:
        self._resolve, self._cache_s = resolve, cache_s
        self._known: Sequence[Instance] = ()
        self._until_s = float("-inf")

    async def __call__(self, address: Address) -> Sequence[Instance]:
        clock = asyncio.get_running_loop().time
        if clock() >= self._until_s:
            self._known = await self._resolve(address)
            self._until_s = clock() + self._cache_s
        return self._known


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
