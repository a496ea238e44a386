"""The base of the test servers of OpenAI's HTTP API: models, the key, and the form of errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from aiohttp import web

from voicepipe.testing.servers.base import Fails, FakeServer, Visit, hang, trickle

__all__ = ["OpenAiServer"]


class OpenAiServer(FakeServer):
    """`GET /v1/models`. With an `api_key`, a request without it as a bearer token gets 401."""

    def __init__(
        self, *, models: Sequence[str], api_key: str | None, retry_after_s: float = 1.0, host: str, port: int
    ) -> None:
        super().__init__(host=host, port=port)
        self.models, self.api_key, self.retry_after_s = models, api_key, retry_after_s

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The bodies, or the fields, of the requests for an answer."""
        return [note for visit in self.visits for note in visit.notes if isinstance(note, dict)]

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v1/models", self._list_models)

    def refusal(self, status: int) -> web.Response:
        """Return OpenAI's form of an error."""
        headers = {"Retry-After": f"{self.retry_after_s:g}"} if status in (429, 503) else {}
        kind = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}.get(status, "api_error")
        error = {"message": f"told to answer {status}", "type": kind, "param": None, "code": kind}
        return web.json_response({"error": error}, status=status, headers=headers)

    def bad_request(self, message: str, param: str | None, code: str | None = None) -> web.Response:
        """Return the answer to a request that OpenAI would refuse."""
        error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
        return web.json_response({"error": error}, status=400)

    def allows(self, request: web.Request) -> bool:
        """Return whether a request has the key."""
        return self.api_key is None or request.headers.get("Authorization") == f"Bearer {self.api_key}"

    def turned_away(self, request: web.Request, visit: Visit) -> web.Response | None:
        """Return the refusal of a request without the key, or to a server that is told to be full."""
        if not self.allows(request):
            return self.refusal(401)
        return self.refusal(503) if visit.fails is Fails.FULL else None

    async def answered(self, visit: Visit, answer: Awaitable[web.StreamResponse]) -> web.StreamResponse:
        """Return the answer; note "cancelled" where the client leaves before its end, which is no failure."""
        try:
            return await answer
        except (asyncio.CancelledError, ConnectionError) as left:
            visit.notes.append("cancelled")
            if isinstance(left, asyncio.CancelledError):
                raise
            return web.Response()

    async def go_wrong(
        self, visit: Visit, *, filler: bytes = b"data:", garbage: bytes | None = b"data: {no JSON at all\n\n"
    ) -> bytes | None:
        """Fail in the middle of an answer, if this is to be. Some failures write nothing any more.

        Args:
            visit: The visit that may fail.
            filler: What a slow server writes again and again: less than an event, or a frame.
            garbage: What a server writes that is told to write garbage; None: it goes on.

        Returns:
            What is written in place of the rest, b"" where the answer ends early; None: the answer goes on.
        """
        match self.trouble(visit):
            case Fails.DIES | Fails.DOWN:
                self.cut(visit)
                await hang()
            case Fails.MUTE | Fails.SILENT:
                await hang()
            case Fails.SLOW:
                await trickle(self._open[visit], b"%x\r\n%b\r\n" % (len(filler), filler))
            case Fails.GARBAGE:
                return garbage
            case Fails.EARLY:
                return b""
            case _:
                pass
        return None

    async def _list_models(self, request: web.Request) -> web.Response:
        if not self.allows(request):
            return self.refusal(401)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "voicepipe"} for name in self.models]
        return web.json_response({"object": "list", "data": data})
