"""`StageReplica`: a stage host inside of a Ray Serve replica. It runs in the cluster, and imports Ray there.

A lease is one streaming request that lasts as long as the session: Serve counts it for routing and autoscaling, lets it
finish when the replica is replaced, and tells its caller when the replica has died. Its first item says where to
connect; then it says nothing until its place is free again. Requests and items are text and numbers only.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import structlog

from voicepipe.cluster.connection import ray_module
from voicepipe.host.app import StageHost
from voicepipe.host.embedded import load_stage
from voicepipe.host.serve import HostAddress, Tls, listening_host
from voicepipe.host.slots import NoPlace, Slots

__all__ = ["StageReplica", "node_address"]

log = structlog.get_logger()


def node_address() -> str:
    """Return the address by which this machine has joined the cluster."""
    ray = ray_module("ray")
    own = ray.get_runtime_context().get_node_id()
    nodes: list[dict[str, Any]] = ray.nodes()
    return next(str(node["NodeManagerAddress"]) for node in nodes if node["NodeID"] == own)


class StageReplica:
    """One replica: it loads its stage, listens at a free port of its machine, and leases its places.

    Args:
        ref: What it serves; see `voicepipe.host.embedded.load_stage`.
        capacity: How many sessions it serves at once.
        certificate: The PEM file of its certificate; empty: no TLS.
        key: That of the certificate's key.
    """

    async def __init__(self, ref: str, capacity: int, certificate: str = "", key: str = "") -> None:
        loop = asyncio.get_running_loop()
        self._stage = await loop.run_in_executor(None, lambda: load_stage(ref, capacity=capacity))
        self._slots = Slots(capacity)
        self._host = node_address()
        self._listening = contextlib.AsyncExitStack()
        host = StageHost(self._stage, self._slots, key=None)
        tls = Tls(certificate, key) if certificate else None
        self._certificate = "" if tls is None else tls.fingerprint()
        self._port = await self._listening.enter_async_context(listening_host(host, HostAddress(self._host, 0, tls)))
        log.info("replica.ready", stage=ref, model=self._stage.name, address=f"{self._host}:{self._port}")

    async def lease(self) -> AsyncGenerator[dict[str, Any]]:
        """Lease a place: yield its address and token, or at once that there is none; end when it is free again."""
        try:
            place = self._slots.lease()
        except NoPlace as full:
            yield {"full": str(full)}
            return
        try:
            where = {"host": self._host, "port": self._port, "certificate": self._certificate}
            yield {**where, "token": place.token}
            await place.freed.wait()
        finally:
            if not place.attached:  # the caller has gone before it connected
                place.release()

    async def state(self) -> dict[str, Any]:
        """Return the kind of its stage, and how many of its places are taken."""
        return {"stage": self._stage.kind, "taken": self._slots.taken, "capacity": self._slots.capacity}
