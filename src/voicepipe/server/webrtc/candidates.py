"""The addresses at which calls by WebRTC receive sound. Imports aioice."""

from __future__ import annotations

import ipaddress

import aioice.ice

__all__ = ["gather_at"]

_ALL_ADDRESSES = aioice.ice.get_host_addresses


def gather_at(host: str) -> None:
    """Let calls of this process receive sound at the address `host` alone.

    "0.0.0.0" and "::" are all interfaces but loopback, and so is a name other than "localhost".

    aioice would open a UDP port on each interface, also of a server that listens on loopback, and none on loopback. It
    has no option for it, so its function is replaced.
    """
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = ipaddress.ip_address("0.0.0.0")

    def addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return [str(address)] if (use_ipv4 if address.version == 4 else use_ipv6) else []

    aioice.ice.get_host_addresses = _ALL_ADDRESSES if address.is_unspecified else addresses
