"""HTTP manners: errors are JSON, and pages of the configured origins may read every answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from aiohttp import hdrs, web

__all__ = ["cors", "errors_as_json", "preflight"]

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """``{"detail": …}`` for everything that goes wrong; what went wrong inside is in the log only."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        headers = {name: value for name, value in error.headers.items() if not name.startswith("Content-")}
        plain = f"{error.status}: {error.reason}"  # what aiohttp writes where nobody has written anything
        detail = error.reason if error.text in (None, plain) else error.text
        return web.json_response({"detail": detail}, status=error.status, headers=headers)
    except ConnectionError:
        log.info("request.client_left", path=request.path)
        return web.Response(status=499)
    except Exception:
        log.exception("request.failed", method=request.method, path=request.path)
        return web.json_response({"detail": "Internal Server Error"}, status=500)


@web.middleware
async def preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A browser's question whether it may ask, answered for every path."""
    if request.method != hdrs.METH_OPTIONS or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
        return await handler(request)
    return web.Response(status=204)


def cors(origins: tuple[str, ...]) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A signal for `on_response_prepare`, which sees every answer, refusals and upgrades as well."""

    async def allow(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or not ("*" in origins or origin in origins):
            return
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
        if request.method == hdrs.METH_OPTIONS:
            asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "*")
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = "GET, POST, OPTIONS"
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = asked

    return allow
