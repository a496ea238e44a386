"""aiohttp's runner, whose connections answer in our shape, and log no key, also where they cannot read a request."""

from __future__ import annotations

from typing import Any

import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_request import BaseRequest

from voicepipe.server.http.errors import ErrorResponse
from voicepipe.server.http.middleware import INTERNAL

__all__ = ["Runner"]

log = structlog.get_logger()

_TOO_MANY = "Too many headers"


class Runner(web.AppRunner):
    """As `web.AppRunner`, without an access log: a session has its own lines, and so has what fails.

    What is no HTTP, or too much of it, gets 400 or 431 with JSON. aiohttp itself would repeat, and log with a
    traceback, what it could not read, of which a key may be a part.
    """

    def __init__(self, app: web.Application, **options: Any) -> None:
        super().__init__(app, access_log=None, **options)

    async def _make_server(self) -> web.Server:
        return _Server.like(await super()._make_server())


class _Server(web.Server):
    @classmethod
    def like(cls, server: web.Server) -> _Server:
        return cls(
            server.request_handler,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            **server._kwargs,
        )

    def __call__(self) -> web.RequestHandler:
        return _HttpProtocol(self, loop=self._loop, **self._kwargs)


class _HttpProtocol(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        if isinstance(exc, HttpProcessingError):
            log.info("request.unreadable", why=type(exc).__name__, remote=request.remote)
        else:
            log.error("request.failed", status=status, exc_info=exc)
        response = _refusal(exc).response()
        response.headers[hdrs.SERVER] = "voicepipe"  # no signal is sent for what has no application
        response.force_close()
        return response

    def log_exception(self, *args: Any, **options: Any) -> None:
        """What breaks between requests: a body that cannot be decoded is the client's fault, all else may be ours."""
        error = options.get("exc_info")
        if isinstance(error, web.RequestPayloadError):
            log.info("request.unreadable", why=type(error).__name__)
        else:
            super().log_exception(*args, **options)


def _refusal(error: BaseException | None) -> ErrorResponse:
    """Without what was sent: it may be a key."""
    if not isinstance(error, HttpProcessingError):
        return INTERNAL
    if isinstance(error, LineTooLong) or error.message.startswith(_TOO_MANY):
        return ErrorResponse(431, "headers_too_long", "The address or the headers of the request are too long.")
    return ErrorResponse(400, "bad_request", "This is no HTTP request that can be read.")
