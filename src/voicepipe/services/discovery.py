"""Discovery of an instance of a service: bounded in attempts and in time; errors name the reason of each failure."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import accumulate, repeat
from random import Random
from typing import TypeAlias, TypeVar

import structlog

from voicepipe.installation.proxies import proxy_for
from voicepipe.services.address import Address, Instance
from voicepipe.services.errors import AtCapacity, AttemptFailed, FailureReason, ProtocolViolation, ServiceUnavailable
from voicepipe.services.observer import NULL_OBSERVER, ServiceObserver
from voicepipe.services.socket import HandshakeRefused

__all__ = ["Backoff", "Finder", "Resolve", "Resolver", "resolve_with_dns"]


T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that grow: `first_s`, each `factor` times the one before, `at_most_s` at most.

    >>> [round(pause, 4) for pause, _ in zip(Backoff(0.05, 1.5, 1.0), range(4))]
    [0.05, 0.075, 0.1125, 0.1688]
    """

    first_s: float
    factor: float
    at_most_s: float

    def __iter__(self) -> Iterator[float]:
        return accumulate(repeat(self.first_s), lambda pause, _: min(self.at_most_s, pause * self.factor))


class Finder:
    """Find an instance of one service: resolve its name, shuffle, and try up to `tries` instances in turn.

    Each attempt, and the resolving, may take `try_s`. `service` is its name for people: "speech recognition (STT)". The
    `observer` receives what happens, and each failed attempt is logged with its instance.
    """

    def __init__(
        self,
        service: str,
        address: Address,
        *,
        resolve: Resolve,
        tries: int,
        try_s: float,
        random: Random,
        observer: ServiceObserver = NULL_OBSERVER,
    ) -> None:
        self.service, self.address, self.observer = service, address, observer
        self._resolve, self._tries, self._try_s, self._random = resolve, tries, try_s, random

    async def find(self, take: Callable[[Instance], Awaitable[T]]) -> T:
        """Return `take(instance)` of the first instance that accepts the session.

        `take` raises `AtCapacity` where the instance is at capacity; any other error, or a timeout, is a fault. It must
        clean up when it is cancelled. Raises ServiceUnavailable.
        """
        clock = asyncio.get_running_loop().time
        began_s, missed = clock(), list[AttemptFailed]()
        for instance in await self._instances(missed):
            tried_s = clock()
            try:
                async with asyncio.timeout(self._try_s):
                    taken = await take(instance)
            except Exception as error:
                missed.append(self._miss(instance, error))
                continue
            self.observer.pinged(clock() - tried_s)
            self.observer.found(clock() - began_s)
            return taken
        raise ServiceUnavailable(self.service, missed)

    async def find_with_retry(
        self,
        take: Callable[[Instance], Awaitable[T]],
        *,
        searches: int,
        pauses: Backoff,
        delayed: Callable[[], object],
    ) -> T:
        """Search up to `searches` times with `pauses` between; call `delayed()` once, when the first search failed.

        Raises the ServiceUnavailable of the last search; see `find`.
        """
        for number, pause_s in zip(range(searches - 1), pauses, strict=False):
            try:
                return await self.find(take)
            except ServiceUnavailable as error:
                log.warning(
                    "service.searched_again", service=self.service, why=str(error.reason), in_s=round(pause_s, 3)
                )
            if number == 0:
                delayed()
            await asyncio.sleep(pause_s)
        return await self.find(take)

    async def _instances(self, missed: list[AttemptFailed]) -> list[Instance]:
        try:
            async with asyncio.timeout(self._try_s):
                found = list(await self._resolve(self.address))
        except OSError as error:  # a timeout is one, too
            why = FailureReason.TIMED_OUT if isinstance(error, TimeoutError) else FailureReason.UNKNOWN_HOST
            missed.append(self._missed(None, why, f"{self.address.host}: {error}"))
            return []
        if not found:
            missed.append(self._missed(None, FailureReason.UNKNOWN_HOST, f"{self.address.host} has no addresses"))
        self._random.shuffle(found)
        return found[: self._tries]

    def _miss(self, instance: Instance | None, error: Exception) -> AttemptFailed:
        return self._missed(instance, _why(error), f"{type(error).__name__}: {error}")

    def _missed(self, instance: Instance | None, why: FailureReason, detail: str) -> AttemptFailed:
        told = log.warning if why.is_fault else log.info
        told("service.missed", service=self.service, instance=str(instance), why=str(why), detail=detail)
        self.observer.missed(why)
        return AttemptFailed(instance, why, detail)


def _why(error: Exception) -> FailureReason:
    match error:
        case AtCapacity():
            return FailureReason.FULL
        case HandshakeRefused(status=401 | 403):
            return FailureReason.FORBIDDEN
        case HandshakeRefused():
            return FailureReason.BROKEN
        case TimeoutError():
            return FailureReason.TIMED_OUT
        case ProtocolViolation():
            return FailureReason.NONSENSE
        case OSError():
            return FailureReason.REFUSED
        case _:
            return FailureReason.BROKEN


Resolve: TypeAlias = Callable[[Address], Awaitable[Sequence[Instance]]]
"""Returns all instances of a service. Raises OSError if the name is unknown."""


async def resolve_with_dns(address: Address) -> Sequence[Instance]:
    """Resolve the host with the system's resolver, in a thread; an IP address is its own instance.

    A host behind a proxy of the environment is one instance: the proxy resolves it.
    """
    if _is_ip(address.host) or proxy_for(address.http("")) is not None:
        return [Instance(address.host, address.port)]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(Instance(str(where[0]), int(where[1])) for *_, where in found))


class Resolver:
    """`resolve` with a cache of `cache_s`: a burst of searches makes one request.

    The age of an answer counts from its arrival. Errors are not cached.
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
