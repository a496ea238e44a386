"""The base of the test servers of OpenAI's HTTP API: models, the key, and the form of errors."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from voicepipe.testing.servers.base import FakeServer

__all__ = ["OpenAiServer"]


class OpenAiServer(FakeServer):
    """`GET /v1/models`. With an `api_key`, a request without it as a bearer token gets 401."""

    def __init__(
        self, *, models: Sequence[str], api_key: str | None, retry_after_s: float = 1.0, host: str, port: int
    ) -> None:
        super().__init__(host=host, port=port)
        self.models, self.api_key, self.retry_after_s = models, api_key, retry_after_s

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

    async def _list_models(self, request: web.Request) -> web.Response:
        if not self.allows(request):
            return self.refusal(401)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "voicepipe"} for name in self.models]
        return web.json_response({"object": "list", "data": data})
