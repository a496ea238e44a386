"""`Cluster`: the processes that serve one port together, as one of them sees them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from voicepipe.metrics.registry import Metrics
from voicepipe.server.http.auth import AccessControl
from voicepipe.server.http.client_secrets import ClientSecret
from voicepipe.server.http.consents import Consents
from voicepipe.server.settings import ServerSettings

__all__ = ["Cluster", "redis_consents"]


class Cluster:
    """A server of one process: what it knows itself is all there is. `voicepipe.server.workers` has one of several."""

    def __init__(self) -> None:
        self._state: Callable[[], Awaitable[dict[str, Any]]] | None = None

    def report(self, state: Callable[[], Awaitable[dict[str, Any]]], metrics: Metrics) -> None:
        """Note what this process says of itself.

        Args:
            state: Returns the state of its services and the number of its sessions, for `states`.
            metrics: Its series.
        """
        self._state = state

    def attach(self, app: web.Application, access: AccessControl) -> None:
        """Add to the application what it does as one of several processes."""

    async def states(self) -> list[dict[str, Any]]:
        """Return the state of each process."""
        assert self._state is not None
        return [await self._state()]

    async def registry(self, metrics: Metrics) -> CollectorRegistry:
        """Return the series of all processes."""
        return metrics.registry

    def capacity(self, own: int) -> int:
        """Return the number of sessions that this process may have now."""
        return own

    def whole_capacity(self, own: int) -> int:
        """Return the number of sessions that all processes may have, which a client is told."""
        return own

    def occupied(self, taken: int, request: web.BaseRequest | None = None) -> None:
        """Note that so many slots are taken, and which request has got one."""

    def found_by(self, name: str) -> AbstractContextManager[None]:
        """While the context is open, requests that name a session or a call by this id come to this process."""
        return nullcontext()

    async def hold(self, limits: Mapping[str, int]) -> str | None:
        """Count one session more for each key and address of `limits`, in all processes.

        Returns:
            The first that has as many already as it may have; then nothing is counted. A process on its own has
            counted them already.
        """
        return None

    def release(self, limits: Collection[str]) -> None:
        """Count one session less."""

    def consents(self, settings: ServerSettings) -> Consents:
        """Return where the consents of voice donations are kept."""
        if settings.redis_url is None:
            return Consents(valid_s=settings.consent_s, most=settings.consents_open, now=time.time)
        return redis_consents(settings, settings.redis_url)

    async def publish(self, secret: ClientSecret) -> None:
        """Make an ephemeral key valid in all processes."""


def redis_consents(settings: ServerSettings, url: str) -> Consents:
    """Return the consents that servers share by Redis. Raises ImportError without the extra `redis`."""
    from voicepipe.server.http.redis_consents import RedisConsents

    return RedisConsents(
        url,
        valid_s=settings.consent_s,
        most=settings.consents_open,
        timeout_s=settings.redis_timeout_s,
        now=time.time,
    )
