"""Access control: origins of browsers, API keys, and the sessions of each key."""

from __future__ import annotations

import functools
import hmac
import ipaddress
import socket
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import structlog
from aiohttp import WSCloseCode, hdrs, web
from yarl import URL

from voicepipe.server.http.client_secrets import SECRET_PREFIX, ClientSecret, ClientSecrets, digest_of
from voicepipe.server.http.errors import ErrorResponse, HttpError
from voicepipe.server.http.middleware import Handler
from voicepipe.server.settings import ServerSettings

__all__ = [
    "AZURE_KEY",
    "KEY_LIMIT",
    "AccessControl",
    "is_loopback",
    "offered_protocols",
    "open_to_others",
    "resume_token",
    "warn_if_open",
]

log = structlog.get_logger()

AZURE_KEY = "api-key"
"""Azure's header with a key; from browsers, a parameter of the address."""

# Browsers cannot send a header, so they offer their key as a subprotocol.
_KEY_PROTOCOL = "openai-insecure-api-key."
_RESUME_PROTOCOL = "voicepipe-resume."
_RESUME_HEADER = "Voicepipe-Resume"
_BEARER = "bearer "

_SECRET = web.RequestKey("client secret", ClientSecret)

KEY_LIMIT = "key "
"""Begins the name of a key's limit."""


class AccessControl:
    """Checks origins and keys. Without keys every client is accepted, see `warn_if_open`."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        named = settings.named_api_keys
        self._keys = tuple(digest_of(key.get_secret_value()) for key in (*settings.api_keys, *named.values()))
        self._names = (*("" for _ in settings.api_keys), *named)
        self._sessions: Counter[int] = Counter()
        self.secrets = ClientSecrets(most=settings.client_secrets_kept)

    def refusal(self, request: web.Request, *, secrets: bool = False) -> ErrorResponse | None:
        """Return the refusal of this client, if any, before any work is done for it.

        Args:
            request: The client's request.
            secrets: Whether an ephemeral key will do: it is for sessions only.
        """
        if not self._is_origin_allowed(request):
            what = "Pages of this origin may not use this server; its operator can allow it (cors_origins)."
            return ErrorResponse(403, "origin_not_allowed", what, tells_pages=False)
        key = _key(request)
        if secrets and self.secret(request) is not None:
            return None
        if key and key.startswith(SECRET_PREFIX) and self._number(key) is None:
            what = "This client secret is not valid here: it is unknown, has expired, or is for sessions only."
            return ErrorResponse(401, "invalid_api_key", what, headers={hdrs.WWW_AUTHENTICATE: "Bearer"})
        if self._keys and self._number(key) is None:
            what = "Incorrect API key provided." if key else "Missing API key: send it as a bearer token."
            return ErrorResponse(401, "invalid_api_key", what, headers={hdrs.WWW_AUTHENTICATE: "Bearer"})
        return None

    def no_more(self, request: web.Request) -> ErrorResponse | None:
        """Return the refusal of a client with a valid key that holds the most sessions already."""
        number, most = self.number(request), self._settings.max_sessions_per_key
        if number is None or most is None or self._sessions[number] < most:
            return None
        return self.too_many()

    def limit(self, request: web.Request) -> dict[str, int]:
        """Return how many sessions the client's key may hold, by a name of the key; empty where there is no limit."""
        number, most = self.number(request), self._settings.max_sessions_per_key
        return {} if number is None or most is None else {f"{KEY_LIMIT}{number}": most}

    def too_many(self) -> ErrorResponse:
        """Return the refusal where a key holds the most sessions already."""
        what = (
            f"This API key holds {self._settings.max_sessions_per_key} sessions already, and may not hold more at once."
        )
        later = {hdrs.RETRY_AFTER: str(self._settings.retry_after_s)}
        return ErrorResponse(429, "too_many_sessions", what, headers=later, close_code=WSCloseCode.TRY_AGAIN_LATER)

    def guarding(self, handler: Handler) -> Handler:
        """Return the handler with access control."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if refusal := self.refusal(request):
                log.info("request.turned_away", code=refusal.code, path=request.path, remote=request.remote)
                raise HttpError(refusal)
            return await handler(request)

        return guarded

    def secret(self, request: web.Request) -> ClientSecret | None:
        """Return the valid ephemeral key that the client bears; None for any other key.

        A key that was valid once is valid for the whole request. Otherwise one that expires while the body is read, or
        the connection is made, would begin a session without what it is bound to.
        """
        if (known := request.get(_SECRET)) is not None:
            return known
        key = _key(request) or ""
        found = self.secrets.find(key) if key.startswith(SECRET_PREFIX) else None
        if found is not None:
            request[_SECRET] = found
        return found

    def digest(self, request: web.Request) -> bytes | None:
        """Return the digest of what may be an ephemeral key of the client's; None for any other key."""
        key = _key(request) or ""
        return digest_of(key) if key.startswith(SECRET_PREFIX) else None

    def configured(self, request: web.Request) -> Mapping[str, Any]:
        """Return the settings that the client's ephemeral key is bound to; none for any other key."""
        secret = self.secret(request)
        return MappingProxyType({}) if secret is None else secret.session

    def number(self, request: web.Request) -> int | None:
        """Return which of the server's keys the client bears, or has made its ephemeral key; None for none."""
        secret = self.secret(request)
        return self._number(_key(request)) if secret is None else secret.made_by

    def name(self, request: web.Request) -> str:
        """Return the name of the client's key; "" for a key without a name, and for none."""
        number = self.number(request)
        return "" if number is None else self._names[number]

    def identity(self, request: web.Request) -> bytes:
        """Return the digest of the client's key, to compare two requests; of no key where none is needed."""
        return digest_of((_key(request) or "") if self._keys else "")

    def is_key(self, text: str) -> bool:
        """Return whether `text` is one of the server's keys, or an ephemeral one."""
        return self._number(text) is not None or self.secrets.find(text) is not None

    @contextmanager
    def holding(self, request: web.Request) -> Generator[None]:
        """While a session of this client's key is on."""
        number = self.number(request)
        if number is None:
            yield
            return
        self._sessions[number] += 1
        try:
            yield
        finally:
            self._sessions[number] -= 1

    def _number(self, key: str | None) -> int | None:
        """Which of our keys it is; takes as long for a wrong one as for a right one, whatever its length."""
        given = digest_of(key or "")
        same = [hmac.compare_digest(known, given) for known in self._keys]
        return same.index(True) if any(same) else None

    def _is_origin_allowed(self, request: web.Request) -> bool:
        """Return whether the page may connect. Browsers send its origin, and let it connect anywhere; other programs
        send none.

        The server's own pages may. A foreign page may have given its own name the address of this machine (DNS
        rebinding): without keys, only addresses and this machine's own names count, and those of `cors_origins`. No
        browser sends two origins.
        """
        origins, allowed = request.headers.getall(hdrs.ORIGIN, []), self._settings.cors_origins
        if not origins:
            return True
        if len(origins) > 1:
            return False
        if "*" in allowed or origins[0] in allowed:
            return True
        return origins[0].partition("://")[2] == request.host and (bool(self._keys) or _is_local(request.host))


def offered_protocols(request: web.Request) -> tuple[str, ...]:
    """The subprotocols that the client offers, in its order."""
    return tuple(_protocols(request))


def resume_token(request: web.Request) -> str:
    """Return the token with which a client takes its session up again: a header, or a subprotocol where a browser can
    send no header. It must be in no log, as an address is."""
    if told := request.headers.get(_RESUME_HEADER):
        return told
    offered = (name.removeprefix(_RESUME_PROTOCOL) for name in _protocols(request) if name.startswith(_RESUME_PROTOCOL))
    return next(offered, "")


def warn_if_open(settings: ServerSettings) -> None:
    """Warn that without keys every client is accepted, unless only this machine can connect."""
    if open_to_others(settings):
        log.warning(
            "server.open",
            host=settings.host,
            consequence="every client that can reach this address is accepted, at your expense",
            remedy="set VOICEPIPE_API_KEYS, or listen at 127.0.0.1",
        )


def open_to_others(settings: ServerSettings) -> bool:
    """Return whether other machines can connect without a key."""
    return not (settings.api_keys or settings.named_api_keys) and not is_loopback(settings.host)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a server at this address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_local(host: str) -> bool:
    """Return whether it is `localhost`, an address or this machine's name: no foreign name server can change those."""
    try:
        name = URL(f"http://{host}").host or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost") or name in _own_names():
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@functools.cache
def _own_names() -> frozenset[str]:
    name = socket.gethostname().lower()
    return frozenset({name, f"{name}.local", socket.getfqdn().lower()})


def _key(request: web.Request) -> str | None:
    bearer = request.headers.get(hdrs.AUTHORIZATION, "")
    if bearer.lower().startswith(_BEARER):
        return bearer[len(_BEARER) :].strip()
    if azure := request.headers.get(AZURE_KEY) or request.query.get(AZURE_KEY):
        return azure.strip()
    keys = (name.removeprefix(_KEY_PROTOCOL) for name in _protocols(request) if name.startswith(_KEY_PROTOCOL))
    return next(keys, None)


def _protocols(request: web.Request) -> Iterator[str]:
    for header in request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, []):
        yield from filter(None, (part.strip() for part in header.split(",")))
