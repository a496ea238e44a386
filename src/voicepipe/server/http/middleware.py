"""HTTP manners: errors are JSON, and pages of the configured origins may read every answer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware
from prometheus_client import Histogram

from voicepipe.server.http.errors import ErrorResponse, HttpError, refusal_of

__all__ = ["INTERNAL", "Handler", "anonymous", "cors", "errors_as_json", "expecting", "preflight", "timed"]

log = structlog.get_logger()

INTERNAL = ErrorResponse(500, "internal_error", "Internal Server Error")

_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS, hdrs.METH_POST})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors as `ErrorResponse`s, in one shape; internal errors are in the log only."""
    try:
        return await handler(request)
    except HttpError as refused:
        return refused.refusal.response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return refusal_of(error).response()
    except ConnectionError:
        log.info("request.client_left", path=request.path)
        return web.Response(status=499)
    except Exception:
        log.exception("request.failed", method=request.method, path=request.path)
        return INTERNAL.response()


def timed(series: Histogram) -> Middleware:
    """A middleware that measures each request by its route, and no WebSocket: that lasts as long as its session.

    Args:
        series: Takes the seconds, with the labels `route`, `method` and `status`.
    """

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        began_s = time.perf_counter()
        response = await handler(request)
        if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
            resource = request.match_info.route.resource
            route = "unknown" if resource is None else resource.canonical  # a client's own path is no label
            method = request.method if request.method in _METHODS else "other"
            series.labels(route, method, str(response.status)).observe(time.perf_counter() - began_s)
        return response

    return measure


@web.middleware
async def preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A browser's question whether it may ask, answered for every path."""
    if request.method != hdrs.METH_OPTIONS or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
        return await handler(request)
    return web.Response(status=204)


async def anonymous(_: web.Request, response: web.StreamResponse) -> None:
    """A signal for `on_response_prepare`: the server does not name its software."""
    response.headers[hdrs.SERVER] = "voicepipe"


async def expecting(_: web.Request) -> None:
    """Do nothing: the reader of the body answers `Expect: 100-continue`, see `read_form`."""


def cors(origins: tuple[str, ...]) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A signal for `on_response_prepare`, which sees every answer, refusals and upgrades as well."""

    async def allow(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or not ("*" in origins or origin in origins):
            return
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = f"{hdrs.RETRY_AFTER}, {hdrs.LOCATION}"
        if request.method == hdrs.METH_OPTIONS:
            asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "*")
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = "GET, POST, OPTIONS"
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = asked

    return allow
