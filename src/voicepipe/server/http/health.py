"""`/v1/health` and `/metrics`: the server's state, for people, load balancers and Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web
from prometheus_client.exposition import choose_encoder

from voicepipe.metrics.registry import Metrics
from voicepipe.server.admission import Sessions
from voicepipe.server.availability import KEYS, Health, Unavailability, is_ok, obstacles
from voicepipe.server.cluster import Cluster
from voicepipe.server.http.errors import ErrorResponse

__all__ = ["HealthRoutes", "count_health"]


# Rendering takes some 4 ms of the event loop: a scraper needs one in 15 s.
_RENDERED_EVERY_S = 0.5


def count_health(metrics: Metrics, up: dict[str, bool]) -> None:
    """An engine's answer, as Prometheus sees it. What the pipeline does not use has no series."""
    metrics.server.health_ok.set(is_ok(up))
    for key in KEYS:
        if key in up:
            metrics.server.service_up.labels(key.removesuffix("_up")).set(up[key])


@dataclass(frozen=True, slots=True)
class Whole:
    """The state of all processes of a server: a service is up where each of them reaches it."""

    up: dict[str, bool]
    loading: bool
    stopping: bool
    taken: int
    capacity: int

    @classmethod
    def of(cls, states: Sequence[Mapping[str, Any]]) -> Whole:
        """Join the states of the processes, one at least."""
        return cls(
            {key: all(state["up"].get(key, False) for state in states) for key in states[0]["up"]},
            all(state["loading"] for state in states),
            all(state["stopping"] for state in states),
            sum(state["taken"] for state in states),
            sum(state["capacity"] for state in states),
        )

    def obstacles(self) -> list[Unavailability]:
        """Return why a client that came now would not be let in."""
        return obstacles(
            self.up, loading=self.loading, stopping=self.stopping, taken=self.taken, capacity=self.capacity
        )


class HealthRoutes:
    """Answers within the limit of `health`, whatever the services do."""

    def __init__(
        self, health: Health, sessions: Sessions, metrics: Metrics, *, retry_after_s: int, cluster: Cluster
    ) -> None:
        self._health, self._sessions, self._metrics = health, sessions, metrics
        self._retry_after_s, self._cluster = retry_after_s, cluster
        cluster.report(self._state, metrics)
        # By format, of which there are few, and when each is rendered anew.
        self._rendered: dict[str, tuple[bytes, float]] = {}

    async def health(self, _: web.Request) -> web.Response:
        """Return the state of the pipeline's services; `ok` when all are up, voice cloning aside. 503 while shutting
        down."""
        whole = Whole.of(await self._cluster.states())
        if not whole.stopping:
            return web.json_response({**whole.up, "ok": is_ok(whole.up)})
        return self._not_ready(whole.obstacles(), {**whole.up, "ok": False})

    async def live(self, _: web.Request) -> web.Response:
        """200 as long as this process answers at all: nothing else is looked at."""
        return web.json_response({"live": True})

    async def ready(self, _: web.Request) -> web.Response:
        """200 when a client that came now would be let in, else 503 with every reason."""
        found = Whole.of(await self._cluster.states()).obstacles()
        state = {"ready": not found, "reasons": [obstacle.user_message for obstacle in found]}
        return self._not_ready(found, state) if found else web.json_response(state)

    async def _state(self) -> dict[str, Any]:
        up, sessions = await self._health.up(), self._sessions
        return {
            "up": up,
            "loading": sessions.loading,
            "stopping": sessions.stopping,
            "taken": sessions.taken,
            "capacity": sessions.capacity,
        }

    def _not_ready(self, found: list[Unavailability], state: dict[str, Any]) -> web.Response:
        """As a client would be told, with the state beside it."""
        refusal = ErrorResponse(503, found[0].reason.value, " ".join(obstacle.user_message for obstacle in found))
        later = {hdrs.RETRY_AFTER: str(self._retry_after_s)}
        return web.json_response({**state, **refusal.body()}, status=503, headers=later)

    async def metrics(self, request: web.Request) -> web.Response:
        """Every series, in the format that the scraper prefers; rendered twice a second at most."""
        await self._health.up()
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        now_s = asyncio.get_running_loop().time()
        body, until_s = self._rendered.get(content_type, (b"", now_s))
        if now_s >= until_s:
            body = encode(await self._cluster.registry(self._metrics))
            self._rendered[content_type] = body, now_s + _RENDERED_EVERY_S
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})
