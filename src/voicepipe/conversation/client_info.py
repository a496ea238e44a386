"""`ClientInfo`: what is known of a session's client from its handshake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

__all__ = ["ClientInfo", "DialectName"]

DialectName: TypeAlias = Literal["ga", "beta", "unmute"]
"""A form of the protocol: OpenAI's GA form, its beta form, or that of Unmute's frontend."""


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """The facts that are known of a client when its session begins. It is the same in every dialect, and never changes.

    A pipeline reads it to choose prompt, voice, tools and language. No API key is in it, wherever the client sent one.

    >>> ClientInfo(query={"lang": "fr"}).query.get("lang", "en")
    'fr'

    Args:
        query: The parameters of the address; of a repeated one, the first.
        headers: The request's headers that the setting `client_headers` names, in lower case.
        path: The path of the address, such as "/v1/realtime".
        address: The client's address, as a trusted proxy tells it (the setting `trusted_proxies`), or that of a proxy
            which is not trusted; "" if unknown.
        name: The name of the client's API key (the setting `named_api_keys`); "" for a key without a name, and none.
        dialect: The form of the protocol by the handshake. A client that offers nothing but the subprotocol
            `realtime` counts as "unmute", even if its messages turn out to be GA.
        model: The `model` that the client asked for; "" if it asked for none.
    """

    query: Mapping[str, str] = field(default_factory=_nothing)
    headers: Mapping[str, str] = field(default_factory=_nothing)
    path: str = "/v1/realtime"
    address: str = ""
    name: str = ""
    dialect: DialectName = "ga"
    model: str = ""
