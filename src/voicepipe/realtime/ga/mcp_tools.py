"""A client's tools of the type `mcp`: the servers that they name, and why one is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voicepipe.conversation import ToolFilter, ToolServer
from voicepipe.events import InputRejected
from voicepipe.services.allowed_urls import is_allowed

__all__ = ["MOST_SERVERS", "ToolRefused", "refusal", "server_of", "without_keys"]

MOST_SERVERS = 8
"""Servers of one session: each is a connection, and its tools are a part of every prompt."""

_HEADER = re.compile(r"[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,64}")
# Headers that decide for which host a request is, and where it ends.
_NOT_THE_CLIENTS = frozenset({"connection", "content-length", "content-type", "host", "transfer-encoding", "upgrade"})
# How many refused tools are named in one error.
_SHOWN = 5
_REDACTED = "<redacted>"


class ToolRefused(Exception):
    """A tool is not served. The message is for the client."""


def refusal(refused: Sequence[str], where: str) -> InputRejected:
    """Return the error for tools that were left out, each with its reason; of many, it names the first."""
    named = ", ".join(refused[:_SHOWN]) + (f", and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else "")
    return InputRejected(
        "unsupported_tool", f"Some tools are not served here; the rest holds. Left out: {named}.", where
    )


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _Filter(_Part):
    tool_names: Annotated[list[str], Field(max_length=128)] | None = None
    read_only: bool | None = None

    @property
    def choice(self) -> ToolFilter:
        return ToolFilter(None if self.tool_names is None else frozenset(self.tool_names), self.read_only)


class _Approval(_Part):
    always: _Filter | None = None
    never: _Filter | None = None


class _McpTool(_Part):
    server_label: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    server_url: Annotated[str, Field(max_length=2_000)]
    headers: Annotated[dict[str, Annotated[str, Field(max_length=8_000)]], Field(max_length=16)] | None = None
    authorization: Annotated[str, Field(max_length=8_000)] | None = None
    allowed_tools: list[str] | _Filter | None = None
    require_approval: Literal["always", "never"] | _Approval | None = None


def server_of(tool: dict[str, Any], allowed_urls: Sequence[str] | None = None) -> ToolServer:
    """Return the server that a tool of the type `mcp` names.

    Args:
        tool: As the client has written it.
        allowed_urls: The addresses that the operator allows; None: the tool has been checked before.

    Raises:
        ToolRefused: It is not served, and why.
    """
    if tool.get("server_url") is None:
        raise ToolRefused("name its server_url: connectors and tunnels are not served")
    try:
        part = _McpTool.model_validate(tool)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ToolRefused(f"{first['loc'][0]} is invalid") from None
    if allowed_urls is not None and not is_allowed(part.server_url, allowed_urls):
        raise ToolRefused("its server_url is not among the addresses that this server allows (mcp_allowed_urls)")
    approval = part.require_approval
    filters = approval if isinstance(approval, _Approval) else _Approval()
    return ToolServer(
        part.server_label,
        part.server_url,
        tuple(_headers(part)),
        _allowed(part.allowed_tools),
        always=filters.always and filters.always.choice,
        never=ToolFilter() if approval == "never" else filters.never and filters.never.choice,
    )


def _allowed(tools: list[str] | _Filter | None) -> ToolFilter:
    match tools:
        case None:
            return ToolFilter()
        case _Filter():
            return tools.choice
        case _:
            return ToolFilter(frozenset(tools))


def _headers(part: _McpTool) -> list[tuple[str, str]]:
    """Return the headers of each request. Raises ToolRefused for one that cannot be sent, or is not the client's."""
    headers = dict(part.headers or {})
    if part.authorization is not None:
        headers["Authorization"] = f"Bearer {part.authorization.removeprefix('Bearer ')}"
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or name.lower() in _NOT_THE_CLIENTS:
            raise ToolRefused("one of its headers is not for a client to set, or has no valid name")
        if not value.isascii() or not value.isprintable():
            raise ToolRefused("one of its headers is not printable ASCII")
    return sorted(headers.items())


def without_keys(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool as it is repeated to the client: without what only its server may read.

    >>> without_keys({"type": "mcp", "authorization": "secret", "headers": {"X-Key": "secret"}})
    {'type': 'mcp', 'headers': {'X-Key': '<redacted>'}}
    """
    told = {key: value for key, value in tool.items() if key != "authorization"}
    headers: dict[str, Any] | None = told.get("headers")
    return told if headers is None else {**told, "headers": dict.fromkeys(headers, _REDACTED)}
