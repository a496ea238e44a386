"""The facts about a client for its pipeline, from the client's handshake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from aiohttp import web

from voicepipe.conversation import ClientInfo
from voicepipe.realtime.negotiation import DialectKind
from voicepipe.server.http.auth import AZURE_KEY, AccessControl

__all__ = ["MODEL_CHARS", "asked_model", "client_info"]

MODEL_CHARS = 100
"""Of the name of a model, which is repeated to the client."""


def asked_model(request: web.Request) -> str:
    """Return the model that a client asks for: its parameter `model`, or Azure's `deployment`."""
    return (request.query.get("model") or request.query.get("deployment", ""))[:MODEL_CHARS]


def client_info(
    request: web.Request, access: AccessControl, *, address: str, headers: Iterable[str], dialect: DialectKind
) -> ClientInfo:
    """Return what a pipeline is told of its client.

    Args:
        request: The handshake.
        access: Knows the keys, their names, and what must not be told.
        address: The client's, as far as it is known.
        headers: The names of the headers that are told, in lower case.
        dialect: The dialect by the handshake.
    """
    told = {name: request.headers[name] for name in headers if name in request.headers}
    query = {name: request.query[name] for name in request.query}  # of a repeated one, the first
    return ClientInfo(
        query=_without_keys(query, access),
        headers=_without_keys(told, access),
        path=request.path,
        address=address,
        name=access.name(request),
        dialect="unmute" if dialect == "unmute?" else dialect,
        model=asked_model(request),
    )


def _without_keys(told: Mapping[str, str], access: AccessControl) -> Mapping[str, str]:
    """Leave out what has a key of the server's as a word, and Azure's parameter for one: a client may have sent a key
    in the wrong place, or with the space or the "Bearer" that is allowed in the right one."""
    return MappingProxyType(
        {
            name: text
            for name, text in told.items()
            if name.lower() != AZURE_KEY and not any(map(access.is_key, text.split()))
        }
    )
