"""Who may come in: origins of browsers, API keys, and how many sessions each key may hold."""

from __future__ import annotations

import hmac
import ipaddress
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import WSCloseCode, hdrs, web

from voicepipe.server.settings import ServerSettings

__all__ = ["Door", "Refusal", "offered_protocols", "warn_if_open"]

log = structlog.get_logger()

_KEY_PROTOCOL = "openai-insecure-api-key."
"""Browsers cannot send a header, so they offer their key as a subprotocol."""
_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody is not let in. A program reads `status`; a page's script, that cannot, is told and closed.

    `tells_pages` False: the page is none of ours, and is told nothing.
    """

    status: int
    code: str
    reason: str
    close_code: int = WSCloseCode.POLICY_VIOLATION
    tells_pages: bool = True
    retry_after_s: int | None = None

    def body(self) -> dict[str, Any]:
        """As we write errors, and as OpenAI does."""
        error = {"type": "invalid_request_error", "code": self.code, "message": self.reason, "param": None}
        return {"detail": self.reason, "error": error}


class Door:
    """Without `api_keys` everybody may come in who can reach us, see `warn_if_open`."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._keys = tuple(key.get_secret_value().encode() for key in settings.api_keys)
        self._sessions: Counter[int] = Counter()

    def refusal(self, request: web.Request) -> Refusal | None:
        """What stands against this client, before anything has been spent on it."""
        if not self._is_origin_allowed(request):
            what = "Pages of this origin may not use this server; its operator can allow it (cors_origins)."
            return Refusal(403, "origin_not_allowed", what, tells_pages=False)
        if not self._keys:
            return None
        key = _key(request)
        number = self._number(key)
        if number is None:
            what = "Incorrect API key provided." if key else "Missing API key: send it as a bearer token."
            return Refusal(401, "invalid_api_key", what)
        most = self._settings.max_sessions_per_key
        if most is not None and self._sessions[number] >= most:
            what = f"This API key holds {most} sessions already, and may not hold more at once."
            later = self._settings.retry_after_s
            return Refusal(429, "too_many_sessions", what, WSCloseCode.TRY_AGAIN_LATER, retry_after_s=later)
        return None

    @contextmanager
    def holding(self, request: web.Request) -> Generator[None]:
        """While a session of this client's key is on."""
        number = self._number(_key(request))
        if number is None:
            yield
            return
        self._sessions[number] += 1
        try:
            yield
        finally:
            self._sessions[number] -= 1

    def _number(self, key: str | None) -> int | None:
        """Which of our keys it is; takes as long for a wrong one as for a right one."""
        given = (key or "").encode()
        same = [hmac.compare_digest(known, given) for known in self._keys]
        return same.index(True) if any(same) else None

    def _is_origin_allowed(self, request: web.Request) -> bool:
        """Browsers say where a page comes from, and let it connect to anybody; other programs say nothing."""
        origin, allowed = request.headers.get(hdrs.ORIGIN), self._settings.cors_origins
        if origin is None or "*" in allowed or origin in allowed:
            return True
        return origin.partition("://")[2] == request.host


def offered_protocols(request: web.Request) -> tuple[str, ...]:
    """The subprotocols that the client offers, in its order."""
    return tuple(_protocols(request))


def warn_if_open(settings: ServerSettings) -> None:
    """Without keys everybody who reaches us may talk: on this machine that is as it should be, beyond it hardly."""
    if not settings.api_keys and not _is_loopback(settings.host):
        log.warning(
            "server.open",
            host=settings.host,
            consequence="everybody who can reach this address may talk, at your expense",
            remedy="set VOICEPIPE_API_KEYS, or listen at 127.0.0.1",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _key(request: web.Request) -> str | None:
    bearer = request.headers.get(hdrs.AUTHORIZATION, "")
    if bearer.lower().startswith(_BEARER):
        return bearer[len(_BEARER) :].strip()
    keys = (name.removeprefix(_KEY_PROTOCOL) for name in _protocols(request) if name.startswith(_KEY_PROTOCOL))
    return next(keys, None)


def _protocols(request: web.Request) -> Iterator[str]:
    for header in request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, []):
        yield from filter(None, (part.strip() for part in header.split(",")))
