"""Leases: a control plane assigns each session a replica of a stage, and sound goes to the replica directly.

The control plane knows which replicas there are and how full they are: it admits, chooses, restarts and adds them. It
is asked once for each connection, and never for a frame of sound. A lease is a place at one replica, its address, and a
token that is worth one connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Protocol, TypeVar

import structlog

from voicepipe.services.address import Address, Instance
from voicepipe.services.discovery import Finder
from voicepipe.services.errors import AttemptFailed, FailureReason, ServiceUnavailable
from voicepipe.services.observer import NULL_OBSERVER, ServiceObserver
from voicepipe.services.socket import ServiceSocket

__all__ = ["ControlPlane", "Lease", "LeasedFinder"]

T = TypeVar("T")

log = structlog.get_logger()


class Lease:
    """A place at a replica, until it is released or lost.

    Args:
        instance: The address of the replica, with the token of this lease.
        end: Called once, when the lease is released: the control plane gives the place to another session.
    """

    def __init__(self, instance: Instance, end: Callable[[], None]) -> None:
        self.instance = instance
        self._end: Callable[[], None] | None = end
        self._lost = False
        self._told: list[Callable[[], None]] = []

    @property
    def held(self) -> bool:
        """Return whether it has not been released."""
        return self._end is not None

    def release(self) -> None:
        """End the lease. May be called more than once."""
        end, self._end = self._end, None
        self._told.clear()
        if end is not None:
            end()

    def lose(self) -> None:
        """Note that the replica has died: what uses the lease is told at once."""
        if self._end is None or self._lost:
            return
        self._lost = True
        told, self._told = self._told, []
        for tell in told:
            tell()

    def when_lost(self, tell: Callable[[], None]) -> None:
        """Call a function when the replica has died; at once if it has."""
        if self._lost:
            tell()
        else:
            self._told.append(tell)


class ControlPlane(Protocol):
    """Assigns replicas to sessions."""

    async def lease(self, stage: str) -> Lease:
        """Return a place at a replica of a stage. Has no timeout: the caller sets one, and may cancel it.

        Raises AtCapacity at once if there is no place: a session never waits for one. Any other error is a fault.
        """
        ...

    async def health(self, stage: str) -> str:
        """Return a sentence on the replicas of a stage. Raises an error if there are none."""
        ...


class LeasedFinder(Finder):
    """A `Finder` of leased instances: each connection gets a replica of its own choice from a control plane.

    A connection that is closed ends its lease, and a lease that is lost breaks its connection: a replica that died with
    its machine sends nothing that would break it.

    Args:
        service: The name of the service for people.
        stage: The name of the stage in the cluster.
        plane: The control plane.
        tries: How many leases are tried in a search.
        try_s: The time that each may take, with its connection, in seconds.
        observer: Receives what happens.
    """

    def __init__(
        self,
        service: str,
        stage: str,
        plane: ControlPlane,
        *,
        tries: int,
        try_s: float,
        observer: ServiceObserver = NULL_OBSERVER,
    ) -> None:
        address = Address(f"{stage}.cluster", 80, secure=False)
        super().__init__(
            service, address, resolve=_no_names, tries=tries, try_s=try_s, random=Random(), observer=observer
        )
        self._stage, self._plane = stage, plane

    async def find(self, take: Callable[[Instance], Awaitable[T]]) -> T:
        """Return `take(instance)` of the first replica that accepts the session. Raises ServiceUnavailable.

        No place in the cluster ends the search: the control plane knows all replicas.
        """
        clock = asyncio.get_running_loop().time
        began_s, missed = clock(), list[AttemptFailed]()
        for _ in range(self._tries):
            lease: Lease | None = None
            try:
                async with asyncio.timeout(self._try_s):
                    lease = await self._plane.lease(self._stage)
                    taken = await take(lease.instance)
            except BaseException as error:
                if lease is not None:
                    lease.release()
                if not isinstance(error, Exception):
                    raise
                missed.append(self._miss(None if lease is None else lease.instance, error))
                if lease is None and missed[-1].reason is FailureReason.FULL:
                    break
                continue
            self.observer.found(clock() - began_s)
            _tie(taken, lease)
            return taken
        raise ServiceUnavailable(self.service, missed)


def _tie(taken: object, lease: Lease) -> None:
    if isinstance(taken, ServiceSocket):
        taken.tie(lease)
    else:
        lease.release()


async def _no_names(_: Address) -> list[Instance]:
    return []
