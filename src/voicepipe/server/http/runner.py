"""aiohttp's runner with connections of our own: they log no key, and none without a session holds a descriptor long."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_request import BaseRequest

from voicepipe.server.http.errors import ErrorResponse
from voicepipe.server.http.middleware import INTERNAL

__all__ = ["FIRST_REQUEST_S", "THROTTLED", "HttpConnection", "Runner", "most_waiting", "raise_file_limit"]

FIRST_REQUEST_S = 10.0
"""The time, in seconds, for the first request of a connection, to the end of its headers."""

# How many connections without a session there may be, at the most and as a part of all descriptors: the others are for
# sessions and their services.
_MOST_CONNECTIONS, _PART_OF_FILES = 1_000, 4

log = structlog.get_logger()

_TOO_MANY = "Too many headers"
_WANTED_FILES, _LOW_FILES = 65_536, 4_096


class Runner(web.AppRunner):
    """As `web.AppRunner`, without an access log: a session has its own lines, and so has what fails.

    What is no HTTP, or too much of it, gets 400 or 431 with JSON. aiohttp itself would repeat, and log with a
    traceback, what it could not read, of which a key may be a part.
    """

    def __init__(self, app: web.Application, *, most_connections: int | None = None, **options: Any) -> None:
        super().__init__(app, access_log=None, **options)
        self._most = most_connections or most_waiting()

    def connection(self, first: bytes, ended: Callable[[HttpConnection], object]) -> HttpConnection:
        """Return a connection that another process has accepted, for `take`.

        Args:
            first: What has been read from it.
            ended: Called when it is closed.
        """
        assert isinstance(self._server, _Server)
        return self._server.connection(first, ended)

    async def take(self, sock: socket.socket, connection: HttpConnection) -> None:
        """Serve the connection. Its socket belongs to the runner from now on. Raises OSError if it is lost already."""
        sock.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, sock)

    async def _make_server(self) -> web.Server:
        return _Server.like(await super()._make_server(), self._most)


class _Server(web.Server):
    most = _MOST_CONNECTIONS

    @classmethod
    def like(cls, server: web.Server, most: int) -> _Server:
        made = cls(
            server.request_handler,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            **server._kwargs,
        )
        made.most, made.waiting = most, set()
        return made

    waiting: set[HttpConnection]

    def __call__(self) -> web.RequestHandler:
        return self.connection()

    def connection(self, first: bytes = b"", ended: Callable[[HttpConnection], object] | None = None) -> HttpConnection:
        return HttpConnection(self, first, ended, loop=self._loop, **self._kwargs)


class HttpConnection(web.RequestHandler):
    """A connection, which waits for its first request for some seconds only, and among a limited number of others.

    Args:
        server: The server that it is one of.
        first: What another process has read from it already.
        ended: Called when it is closed.
        options: aiohttp's own.
    """

    __slots__ = ("_ended", "_first", "_server", "_timer")

    def __init__(
        self, server: _Server, first: bytes, ended: Callable[[HttpConnection], object] | None, **options: Any
    ) -> None:
        super().__init__(server, **options)
        self._server, self._first, self._ended = server, first, ended
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection; one too many is closed at once."""
        super().connection_made(transport)
        if len(self._server.waiting) >= self._server.most:
            THROTTLED.warn(self._server.most)
            self.force_close()
            return
        self._server.waiting.add(self)
        self._timer = asyncio.get_running_loop().call_later(FIRST_REQUEST_S, self._expire)
        if self._first:
            self.data_received(self._first)
            self._first = b""

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self.has_session()
        super().connection_lost(exc)
        if self._ended is not None:
            self._ended(self)

    def has_session(self) -> None:
        """Note that the connection is one of a session now, which has limits of its own."""
        self._server.waiting.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        if self._current_request is None and not self._request_count:
            self.force_close()

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
        """Log an error between requests, unless it is the client's: a body that cannot be decoded."""
        error = options.get("exc_info")
        if isinstance(error, web.RequestPayloadError):
            log.info("request.unreadable", why=type(error).__name__)
        else:
            super().log_exception(*args, **options)


class _Throttled:
    """Warns once a minute."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def warn(self, most: int) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + 60
            log.warning("server.too_many_connections", without_session=most, consequence="new ones are closed")


THROTTLED = _Throttled()


def most_waiting() -> int:
    """Return how many connections without a session there may be."""
    return min(_MOST_CONNECTIONS, raise_file_limit() // _PART_OF_FILES)


def raise_file_limit() -> int:
    """Raise this process's limit of open files as far as it may, and return it. Warns where it stays low."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return 100_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, _WANTED_FILES) if hard != resource.RLIM_INFINITY else _WANTED_FILES
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft < _LOW_FILES:
        log.warning("server.few_descriptors", limit=soft, remedy=f"ulimit -n {_LOW_FILES}, or LimitNOFILE= of systemd")
    return soft


def _refusal(error: BaseException | None) -> ErrorResponse:
    """Without what was sent: it may be a key."""
    if not isinstance(error, HttpProcessingError):
        return INTERNAL
    if isinstance(error, LineTooLong) or error.message.startswith(_TOO_MANY):
        return ErrorResponse(431, "headers_too_long", "The address or the headers of the request are too long.")
    return ErrorResponse(400, "bad_request", "This is no HTTP request that can be read.")
