"""`/v1/health` and `/metrics`: the server's state, for people, load balancers and Prometheus."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import hdrs, web

from voicepipe.metrics.registry import Metrics
from voicepipe.server.admission import Sessions
from voicepipe.server.availability import KEYS, Health, Unavailability, is_ok
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


class HealthRoutes:
    """Answers within the limit of `health`, whatever the services do."""

    def __init__(self, health: Health, sessions: Sessions, metrics: Metrics, *, retry_after_s: int) -> None:
        self._health, self._sessions, self._metrics = health, sessions, metrics
        self._retry_after_s = retry_after_s
        # By format, of which there are few, and when each is rendered anew.
        self._rendered: dict[str, tuple[bytes, float]] = {}

    async def health(self, _: web.Request) -> web.Response:
        """Return the state of the pipeline's services; `ok` when all are up, voice cloning aside. 503 while shutting
        down."""
        up = await self._health.up()
        if not self._sessions.stopping:
            return web.json_response({**up, "ok": is_ok(up)})
        return self._not_ready(await self._sessions.obstacles(), {**up, "ok": False})

    async def live(self, _: web.Request) -> web.Response:
        """200 as long as this process answers at all: nothing else is looked at."""
        return web.json_response({"live": True})

    async def ready(self, _: web.Request) -> web.Response:
        """200 when a client that came now would be let in, else 503 with every reason."""
        found = await self._sessions.obstacles()
        state = {"ready": not found, "reasons": [obstacle.user_message for obstacle in found]}
        return self._not_ready(found, state) if found else web.json_response(state)

    def _not_ready(self, found: list[Unavailability], state: dict[str, Any]) -> web.Response:
        """As a client would be told, with the state beside it."""
        refusal = ErrorResponse(503, found[0].reason.value, " ".join(obstacle.user_message for obstacle in found))
        later = {hdrs.RETRY_AFTER: str(self._retry_after_s)}
        return web.json_response({**state, **refusal.body()}, status=503, headers=later)

    async def metrics(self, request: web.Request) -> web.Response:
        """Every series, in the format that the scraper prefers; rendered twice a second at most."""
        await self._health.up()
        render, content_type = self._metrics.renderer(request.headers.get(hdrs.ACCEPT, ""))
        now_s = asyncio.get_running_loop().time()
        body, until_s = self._rendered.get(content_type, (b"", now_s))
        if now_s >= until_s:
            body = render()
            self._rendered[content_type] = body, now_s + _RENDERED_EVERY_S
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})
