"""`RayControlPlane`: leases from the replicas of Ray Serve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, Protocol

import structlog

from voicepipe.cluster.connection import ClusterError, ray_module
from voicepipe.cluster.deployment import app_name, running_replicas
from voicepipe.cluster.hedging import answers
from voicepipe.services import AtCapacity, ConnectionLost, Instance, Lease, ProtocolViolation

__all__ = [
    "HEDGE_S",
    "LEASES_TRIED",
    "LeaseHandle",
    "LeaseStream",
    "RayControlPlane",
    "UnreachablePlane",
    "stage_handle",
]

LEASES_TRIED = 5
"""Replicas that are asked before a stage counts as full. Serve draws two and compares their queues, as it knows them: a
full answer may be wrong. In a model of that (`tests/cluster/test_leases_tried.py`) three attempts refuse up to 1.4 % of
the sessions that there is a place for at 70 % load, and five up to 0.6 %; at 90 % load 7 and 4 %. Each takes 3 ms."""

HEDGE_S = 0.1
"""The time after which a second replica is asked beside one that has not answered. A lease takes 4 ms, and 7 to 14 ms
at the 95th percentile; one from a machine that has just died, or that stands still, never comes, and Serve goes on to
choose its replicas for seconds."""

log = structlog.get_logger()


class LeaseStream(Protocol):
    """The items of one lease; an error means that its replica has died."""

    def __aiter__(self) -> LeaseStream: ...

    async def __anext__(self) -> Mapping[str, Any]: ...

    def cancel(self) -> object:
        """End the lease."""
        ...


LeaseHandle = Callable[[], LeaseStream]
"""Requests a lease from a replica that Serve chooses."""


def stage_handle(stage: str) -> LeaseHandle:
    """Return the handle of a stage of the cluster that this process has connected to."""
    handle: Any = ray_module("ray.serve").get_deployment_handle(stage, app_name(stage))
    return handle.options(stream=True).lease.remote


class RayControlPlane:
    """Leases of one process, which has connected to the cluster. Its methods belong on one event loop.

    Args:
        handle_of: Returns what streams the items of a stage's leases.
    """

    def __init__(self, handle_of: Callable[[str], LeaseHandle] = stage_handle) -> None:
        self._handle_of = handle_of
        self._handles: dict[str, LeaseHandle] = {}
        self._following: set[asyncio.Task[None]] = set()

    async def lease(self, stage: str) -> Lease:
        """Return a place at a replica. Raises AtCapacity, ConnectionLost. May be cancelled: the place is free then."""
        full, died = "", None
        handle = await self._handle(stage)
        async with aclosing(answers(handle, most=LEASES_TRIED, hedge_s=HEDGE_S)) as asked:
            async for stream, answer in asked:
                died = _error_of(answer)
                if died is not None:
                    continue
                first = answer.result()
                if "full" not in first:
                    return self._leased(stage, stream, first)
                full = str(first["full"])
        if died is not None:
            raise ConnectionLost(stage, f"{type(died).__name__} of its replica") from died
        raise AtCapacity(stage, full)

    async def health(self, stage: str) -> str:
        """Return how many replicas run. Raises ConnectionError if none does."""
        running = await asyncio.to_thread(running_replicas, stage)
        if not running:
            raise ConnectionError(f"the cluster has no running replica of {stage}")
        return f"{running} {'replica' if running == 1 else 'replicas'}"

    async def close(self) -> None:
        """End what follows the leases. The sessions must have ended."""
        for task in self._following:
            task.cancel()  # their streams end with the connection to the cluster
        if self._following:
            await asyncio.wait(self._following)

    def _leased(self, stage: str, stream: LeaseStream, first: Mapping[str, Any]) -> Lease:
        try:
            instance = Instance(
                str(first["host"]), int(first["port"]), str(first["token"]), str(first.get("certificate", ""))
            )
        except (KeyError, TypeError, ValueError) as error:
            stream.cancel()
            raise ProtocolViolation(stage, f"a lease without {error}") from error

        def end() -> None:
            stream.cancel()  # here, since a task that has not begun is cancelled without a word
            following.cancel()

        lease = Lease(instance, end)
        following = asyncio.get_running_loop().create_task(_follow(stream, lease), name=f"lease of {stage}")
        self._following.add(following)
        following.add_done_callback(self._following.discard)
        return lease

    async def _handle(self, stage: str) -> LeaseHandle:
        """Return the handle of a stage; making it asks the head, for which the other sessions do not wait."""
        if stage not in self._handles:
            self._handles[stage] = await asyncio.to_thread(self._handle_of, stage)
        return self._handles[stage]


class UnreachablePlane:
    """The control plane of a cluster that cannot be used: each request for it fails with the same error.

    Args:
        error: Why it cannot be used.
    """

    def __init__(self, error: ClusterError) -> None:
        self._error = error

    async def lease(self, stage: str) -> Lease:
        """Raise the error."""
        raise self._error

    async def health(self, stage: str) -> str:
        """Raise the error."""
        raise self._error


def _error_of(answer: asyncio.Future[Mapping[str, Any]]) -> BaseException | None:
    """Return the error of an answer; Serve cancels a request that it has given up."""
    return asyncio.CancelledError() if answer.cancelled() else answer.exception()


async def _follow(stream: LeaseStream, lease: Lease) -> None:
    """Wait for the end of a lease, which its replica, its death or this session brings."""
    try:
        async for _ in stream:
            pass
    except Exception as error:
        if not lease.held:
            return  # the stream was cancelled
        log.warning("lease.lost", replica=str(lease.instance), why=type(error).__name__)
        lease.lose()
