"""A control plane of this process, in real or virtual time, which notices late that a replica has died."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hosted import Hosted

from voicepipe.host.slots import NoPlace, Place
from voicepipe.services import AtCapacity, ConnectionLost, Instance
from voicepipe.services.lease import Lease

__all__ = ["FakeControlPlane", "Replica"]


@dataclass(eq=False)
class Replica:
    """A host, and the leases at it."""

    host: Hosted
    known_dead: bool = False
    leases: list[Lease] = field(default_factory=list[Lease])


class FakeControlPlane:
    """Assigns the emptiest replica of a stage, `lease_s` after it was asked, as Ray Serve does (12.8 ms, measured)."""

    def __init__(self, *, lease_s: float = 0.013, notices_s: float = 0.1) -> None:
        self.replicas: dict[str, list[Replica]] = {}
        self.asked = 0
        self._lease_s, self._notices_s = lease_s, notices_s

    def add(self, stage: str, *hosts: Hosted) -> list[Replica]:
        """Add replicas that listen."""
        new = [Replica(host) for host in hosts]
        self.replicas.setdefault(stage, []).extend(new)
        return new

    async def lease(self, stage: str) -> Lease:
        self.asked += 1
        await asyncio.sleep(self._lease_s)
        alive = [replica for replica in self.replicas.get(stage, ()) if not replica.known_dead]
        for replica in sorted(alive, key=lambda one: one.host.slots.taken):
            if replica.host.stopped:  # it leases its places itself, and does not answer
                replica.known_dead = True
                raise ConnectionLost(stage, "its replica has died")
            try:
                place = replica.host.slots.lease()
            except NoPlace:
                continue
            return _leased(replica, place)
        raise AtCapacity(stage) if alive else ConnectionLost(stage, "it has no replicas")

    async def health(self, stage: str) -> str:
        if not any(not replica.known_dead for replica in self.replicas.get(stage, ())):
            raise ConnectionError(f"there are no replicas of {stage}")
        return "ready"

    async def notice(self, replica: Replica) -> None:
        """Find out that a replica has died, as late as a control plane does."""
        await asyncio.sleep(self._notices_s)
        replica.known_dead = True
        for lease in list(replica.leases):
            lease.lose()


def _leased(replica: Replica, place: Place) -> Lease:
    def end() -> None:
        replica.leases.remove(lease)
        if not place.attached:
            place.release()

    lease = Lease(Instance("127.0.0.1", replica.host.port, place.token), end)
    replica.leases.append(lease)
    return lease
