"""The places of a host: how many sessions it serves, and which of them are promised to a client that has yet to come.

A place is taken by a connection, or by a lease. A lease is a place with a one-time token: the connection that shows the
token takes the place over. A lease that no connection attaches to is over after `attach_s`: its client may have died
between the two. Nothing waits for a place: a client that waits does not know that it could go elsewhere.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

__all__ = ["ATTACH_S", "NoPlace", "Place", "Slots", "UnknownLease"]

ATTACH_S = 3.0
"""The time from a lease to its connection. With connections over a network of machines it takes 20 ms, 0.2 s at worst;
a gateway that was killed in between holds a place for as long."""


class NoPlace(Exception):
    """The host is full, or drains. The message is what the client is told."""


class UnknownLease(Exception):
    """A token is not that of a lease: it was used before, or the lease is over."""


class Place:
    """One place. `freed` is set when it is free again; `release` may be called more than once."""

    def __init__(self, release: Callable[[Place], None]) -> None:
        self.token = ""
        self.freed = asyncio.Event()
        self.attached = False
        self._release = release
        self._timer: asyncio.TimerHandle | None = None

    def expire_after(self, seconds: float) -> None:
        """Free the place after this time, unless it is attached before."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self.release)

    def attach(self) -> None:
        """Note that its connection has come."""
        self.attached = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def release(self) -> None:
        """Free the place."""
        if not self.freed.is_set():
            self.attach()
            self.freed.set()
            self._release(self)


class Slots:
    """The places of one host.

    Args:
        capacity: How many sessions are served at once.
        attach_s: How long a lease waits for its connection, in seconds.
    """

    def __init__(self, capacity: int, *, attach_s: float = ATTACH_S) -> None:
        self.capacity, self._attach_s = capacity, attach_s
        self.draining = False
        self._places: set[Place] = set()
        self._leases: dict[str, Place] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def taken(self) -> int:
        """The number of places that are taken, leases included."""
        return len(self._places)

    def take(self) -> Place:
        """Take a place for a connection. Raises NoPlace."""
        place = self._new()
        place.attach()
        return place

    def lease(self) -> Place:
        """Take a place for a connection that will show its `token`. Raises NoPlace."""
        place = self._new()
        place.token = secrets.token_urlsafe(24)
        self._leases[place.token] = place
        place.expire_after(self._attach_s)
        return place

    def attach(self, token: str) -> Place:
        """Return the place of a lease; its token is worth nothing from now on. Raises UnknownLease."""
        place = self._leases.pop(token, None)
        if place is None:
            raise UnknownLease("the token is that of no lease: it was used before, or its time is over")
        place.attach()
        return place

    async def emptied(self) -> None:
        """Wait until no place is taken. Has no timeout: the caller sets one."""
        await self._empty.wait()

    def _new(self) -> Place:
        if self.draining:
            raise NoPlace("the host is being stopped")
        if len(self._places) >= self.capacity:
            raise NoPlace(f"all {self.capacity} places are taken")
        place = Place(self._free)
        self._places.add(place)
        self._empty.clear()
        return place

    def _free(self, place: Place) -> None:
        self._places.discard(place)
        self._leases.pop(place.token, None)
        if not self._places:
            self._empty.set()
