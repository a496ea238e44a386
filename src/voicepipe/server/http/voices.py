"""`/v1/voices`: which voices there are, and one more from a recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp
import structlog
from aiohttp import hdrs, web

from voicepipe.metrics.registry import Metrics
from voicepipe.server.http.forms import read_form
from voicepipe.voices.cloning import Cloning, CloningFailed
from voicepipe.voices.store import VoiceStore, VoiceStoreDown, new_voice_name

__all__ = ["VoiceRoutes"]

log = structlog.get_logger()


class VoiceRoutes:
    """The voices of one server. `cloning` None: there are no others than those that are `offered`."""

    def __init__(
        self,
        offered: list[dict[str, Any]],
        *,
        cloning: Cloning | None,
        store: VoiceStore,
        http: Callable[[], aiohttp.ClientSession],
        max_bytes: int,
        retry_after_s: int,
        metrics: Metrics,
    ) -> None:
        self._offered, self._cloning, self._store, self._http = offered, cloning, store, http
        self._max_bytes, self._outcomes = max_bytes, metrics.server.clonings
        self._later = {hdrs.RETRY_AFTER: str(retry_after_s)}

    async def list(self, _: web.Request) -> web.Response:
        """The good ones."""
        return web.json_response(self._offered)

    async def clone(self, request: web.Request) -> web.Response:
        """`{"name": "custom:…"}` for the form's `file`. 501 without a cloning service, 502 when it fails."""
        if self._cloning is None:
            raise web.HTTPNotImplemented(text="This server clones no voices: it has no voice cloning service.")
        recording = (await read_form(request, {"file": self._max_bytes}))["file"]
        name = new_voice_name()
        try:
            await self._store.put(name, await self._cloning.embed(recording, self._http()))
        except CloningFailed as error:
            log.warning("voice.not_cloned", reason=str(error), bytes=len(recording))
            self._outcomes.labels("failed").inc()
            raise web.HTTPBadGateway(text=f"The voice cloning service {error}.") from error
        except VoiceStoreDown as error:
            log.warning("voice.not_kept", reason=str(error))
            self._outcomes.labels("not_kept").inc()
            what = "The voice cannot be kept: the store of voices is down."
            raise web.HTTPServiceUnavailable(text=what, headers=self._later) from error
        log.info("voice.cloned", voice=name, bytes=len(recording))
        self._outcomes.labels("cloned").inc()
        return web.json_response({"name": name})
