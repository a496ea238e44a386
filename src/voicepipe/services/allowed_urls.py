"""Addresses that an operator allows, and whether an address of a client's is below one of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["is_allowed", "is_plain"]

_PORTS = {"http": 80, "https": 443}


def is_plain(url: str) -> bool:
    """Return whether an address has a scheme, a host and a path, and nothing that could be read in two ways.

    >>> is_plain("https://mcp.example/docs"), is_plain("https://user@mcp.example"), is_plain("https://a/b/../c")
    (True, False, False)
    """
    parts = _split(url)
    return parts is not None and not parts.query and not parts.fragment


def is_allowed(url: str, allowed: Iterable[str]) -> bool:
    """Return whether an address has scheme, host and port of an allowed one, and its path or one below it.

    >>> is_allowed("https://mcp.example:443/docs?v=2", ["https://MCP.example"])
    True
    >>> is_allowed("https://mcp.example/docs-of-others", ["https://mcp.example/docs"])
    False
    """
    parts = _split(url)
    return parts is not None and any(_is_below(parts, _split(one)) for one in allowed)


def _is_below(parts: SplitResult, allowed: SplitResult | None) -> bool:
    if allowed is None or _origin(parts) != _origin(allowed):
        return False
    path = allowed.path.rstrip("/")
    return parts.path == path or parts.path.startswith(f"{path}/") or not path


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def _split(url: str) -> SplitResult | None:
    """Return the parts of an address; None where two programs may read them differently, as `..` or a backslash."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    steps = unquote(unquote(parts.path)).replace("\\", "/").split("/")
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc or {".", ".."} & set(steps):
        return None
    return parts
