"""`/v1/realtime/client_secrets`: ephemeral keys, each for sessions of one configuration, which a page may hold."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voicepipe.realtime import new_id
from voicepipe.realtime.parse import Rejected, explain, parse_object
from voicepipe.server.http.errors import ErrorResponse, HttpError
from voicepipe.server.http.forms import read_body

__all__ = ["SECRET_PREFIX", "ClientSecret", "ClientSecretRoutes", "ClientSecrets", "digest_of"]

log = structlog.get_logger()

SECRET_PREFIX = "ek_"
"""Begins each ephemeral key, as with OpenAI."""

_SECRET_BYTES = 32
_MOST_BYTES = 200_000
# OpenAI's bounds and default.
_LEAST_S, _MOST_S, _USUAL_S = 10, 7_200, 600


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """An ephemeral key: what its sessions begin with, until when one may begin, and which of the server's keys made it.

    Args:
        digest: SHA-256 of the key, which is not kept itself.
        expires_at: Unix time, in whole seconds.
        session: The settings that the client gave, checked.
        made_by: The number of the server's key; None where none is needed.
    """

    digest: bytes
    expires_at: int
    session: Mapping[str, Any]
    made_by: int | None


class ClientSecrets:
    """The ephemeral keys that are valid. Of more than `most`, the oldest is void. `now` gives Unix time.

    A key is looked up by its SHA-256, and compared in constant time: neither tells how much of a wrong one is right.
    """

    def __init__(self, *, most: int, now: Callable[[], float] = time.time) -> None:
        self._most, self._now = most, now
        self._valid: dict[bytes, ClientSecret] = {}

    def make(self, session: Mapping[str, Any], seconds: int, made_by: int | None) -> tuple[str, ClientSecret]:
        """Return a new key, and what is kept of it."""
        value = SECRET_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        made = ClientSecret(digest_of(value), int(self._now()) + seconds, session, made_by)
        self.add(made)
        return value, made

    def add(self, made: ClientSecret) -> None:
        """Keep a key, which another process may have made."""
        self.drop(made.digest)
        self._valid = {digest: secret for digest, secret in self._valid.items() if secret.expires_at > self._now()}
        while len(self._valid) >= self._most:
            del self._valid[next(iter(self._valid))]
        self._valid[made.digest] = made

    def drop(self, digest: bytes) -> None:
        """Make a key void."""
        self._valid.pop(digest, None)

    def find(self, value: str) -> ClientSecret | None:
        """Return what is kept of a key; None for one that is unknown, void, or has expired."""
        return self.get(digest_of(value))

    def get(self, digest: bytes) -> ClientSecret | None:
        """Return what is kept of the key with this SHA-256, as `find`."""
        found = self._valid.get(digest)
        is_valid = found is not None and hmac.compare_digest(found.digest, digest) and found.expires_at > self._now()
        return found if is_valid else None


def digest_of(value: str) -> bytes:
    """Return the SHA-256 of a key, by which it is kept."""
    return hashlib.sha256(value.encode(errors="surrogateescape")).digest()


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _ExpiresAfter(_Part):
    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(default=_USUAL_S, ge=_LEAST_S, le=_MOST_S)


class _Wanted(_Part):
    expires_after: _ExpiresAfter | None = None
    session: dict[str, Any] | None = None


class ClientSecretRoutes:
    """The route of one server.

    Args:
        kept: Where the keys are kept.
        check: Returns the checked part of a client's settings, and all settings of a session that begins with it.
            Raises `Rejected`.
        maker: Returns the number of the server's key that a request bears.
        publish: Makes a key valid in all processes that serve the port.
    """

    def __init__(
        self,
        kept: ClientSecrets,
        check: Callable[[dict[str, Any]], tuple[dict[str, Any], dict[str, Any]]],
        maker: Callable[[web.Request], int | None],
        publish: Callable[[ClientSecret], Awaitable[None]],
    ) -> None:
        self._kept, self._check, self._maker, self._publish = kept, check, maker, publish

    async def create(self, request: web.Request) -> web.Response:
        """`{"value": "ek_…", "expires_at": …, "session": {…}}`, as OpenAI's GA API. 400 names the field."""
        body = await read_body(request, "application/json", _MOST_BYTES)
        try:
            wanted = _wanted(parse_object(body.decode(errors="replace") or "{}"))
            part, whole = self._check(wanted.session or {})
        except Rejected as rejected:
            raise HttpError(ErrorResponse(400, "invalid_value", rejected.why.message, rejected.why.param)) from None
        seconds = (wanted.expires_after or _ExpiresAfter()).seconds
        value, made = self._kept.make(part, seconds, self._maker(request))
        await self._publish(made)
        log.info("client_secret.made", expires_at=made.expires_at, remote=request.remote)
        session = {**whole, "id": new_id("sess")}
        answer = {"value": value, "expires_at": made.expires_at, "session": session}
        return web.json_response(answer, headers={hdrs.CACHE_CONTROL: "no-store"})


def _wanted(value: dict[str, Any]) -> _Wanted:
    try:
        return _Wanted.model_validate(value)
    except ValidationError as error:
        raise Rejected(explain(error, value)) from None
