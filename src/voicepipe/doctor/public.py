"""The address that users open: its certificate, and whether a WebSocket passes through to the server."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from voicepipe.client.socket import CannotConnect, open_socket, websocket_url
from voicepipe.doctor.findings import Finding, fault, fine, warning
from voicepipe.installation.proxies import is_loopback, proxy_for

__all__ = ["public_findings"]

_WITHIN_S = 10.0
_DAY_S = 86_400
# Let's Encrypt's clients renew 30 days before the end, so that a certificate with less has not been renewed twice.
_SOON_DAYS = 14
_CLOCK_S = 2.0
# A proxy's answers where no server answers it: Bad Gateway, Service Unavailable, Gateway Timeout.
_NO_SERVER = (502, 503, 504)


async def public_findings(url: str, key: str | None) -> AsyncIterator[Finding]:
    """Yield what a user's browser meets at an address.

    Args:
        url: The address, `https://voice.example`.
        key: An API key of the server's, if it wants one.

    Raises:
        CannotConnect: It is no address.
    """
    page = URL(websocket_url(url)).with_query(None)
    page = page.with_scheme("https" if page.scheme == "wss" else "http").with_path("/v1/health/live")
    if page.scheme == "https":
        yield await _certificate(page.host or "", page.port or 443)
    elif is_loopback(page.host or ""):
        yield fine("TLS", "none, for this machine alone")
    else:
        yield fault(
            "TLS",
            f"{page.origin()} has none",
            "put nginx or another proxy in front: browsers give no microphone to http",
        )
    async for finding in _answers(page, key):
        yield finding


async def _certificate(host: str, port: int) -> Finding:
    remedy = f"renew the certificate of {host}, with its chain, and have the proxy read it"
    try:
        async with asyncio.timeout(_WITHIN_S):
            _, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        return fault("TLS", f"the certificate of {host}:{port} does not hold: {error.verify_message}", remedy)
    except (OSError, TimeoutError, UnicodeError) as error:  # a name that no host can have is a UnicodeError
        why = str(error) or "no answer in time"
        return fault("TLS", f"no TLS at {host}:{port}: {why}", "is the proxy running, and the port open?")
    told = writer.get_extra_info("peercert")
    writer.close()
    ends_s = ssl.cert_time_to_seconds(told["notAfter"])
    said = f"the certificate of {host} ends on {datetime.fromtimestamp(ends_s, UTC):%Y-%m-%d}"
    if ends_s - time.time() < _SOON_DAYS * _DAY_S:
        return warning("TLS", said, remedy)
    return fine("TLS", said)


async def _answers(page: URL, key: str | None) -> AsyncIterator[Finding]:
    """Yield whether the server answers there, by HTTP and by WebSocket, and what time it has."""
    timeout, proxy = aiohttp.ClientTimeout(total=_WITHIN_S), proxy_for(str(page))
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(page, proxy=proxy) as answer,
        ):
            live = _live(page, answer)
            yield live
            yield _time(answer)
    except (aiohttp.ClientError, OSError, TimeoutError, UnicodeError) as error:
        why = str(error) or "no answer in time"
        yield fault("address", f"{page.origin()} does not answer: {why}", "start the server, and the proxy in front")
        return
    if live.state == "ok":
        yield await _websocket(page, key)


def _live(page: URL, answer: aiohttp.ClientResponse) -> Finding:
    if answer.status == 200:
        return fine("address", f"{page.origin()} answers")
    said = f"{page} answers with {answer.status}"
    if answer.status in _NO_SERVER:
        return fault("address", said, "the proxy reaches no server: start it, or correct its address in the proxy")
    return fault("address", said, "have the proxy pass all paths on; the server itself answers 200 there")


def _time(answer: aiohttp.ClientResponse) -> Finding:
    try:
        ahead_s = parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()
    except (KeyError, ValueError, OverflowError):
        return fine("time there", "the server does not tell it")
    if abs(ahead_s) > _CLOCK_S + 1:  # the header has whole seconds
        said = f"it is {ahead_s:+.0f} s from this machine's"
        return warning("time there", said, "keep both clocks right: keys expire by them")
    return fine("time there", "the same as here")


async def _websocket(page: URL, key: str | None) -> Finding:
    """Connect as the server's own page does, with its origin."""
    address = str(page.with_scheme("wss" if page.scheme == "https" else "ws").with_path("/v1/realtime"))
    origin = str(page.origin())
    try:
        socket = await open_socket(address, key=key, timeout_s=_WITHIN_S, headers={"Origin": origin})
    except CannotConnect as error:
        if error.status == 403:
            remedy = "set api_keys, or add it to cors_origins; the proxy has to pass Host on"
            return fault("WebSocket", f"the server refuses pages of {origin} (403)", remedy)
        if error.status == 401:
            return fine("WebSocket", "it passes; the server asks for a key")
        if error.status == 503:
            return warning("WebSocket", str(error), "the server is full, loading, or one of its services is down")
        remedy = "have the proxy pass Upgrade and Connection on, as docs/deploy/nginx.conf does"
        return fault("WebSocket", str(error), remedy)
    await socket.close()
    return fine("WebSocket", "it passes")
