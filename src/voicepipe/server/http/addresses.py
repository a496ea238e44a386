"""The sessions of each address: one client cannot take all slots."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from aiohttp import WSCloseCode, hdrs, web

from voicepipe.server.http.errors import ErrorResponse
from voicepipe.server.settings import ServerSettings

__all__ = ["Addresses"]

_Ip: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# The part of an IPv6 address that a household has for itself, in bits.
_SITE_BITS = 64


class Addresses:
    """Counts sessions by the client's address, as far as it is known: behind a proxy that is trusted, as that tells."""

    def __init__(self, settings: ServerSettings) -> None:
        self._most, self._later_s = settings.max_sessions_per_address, settings.retry_after_s
        self._proxies = [ipaddress.ip_network(one) for one in settings.trusted_proxies]
        self._sessions: Counter[str] = Counter()

    def no_more(self, request: web.Request) -> ErrorResponse | None:
        """Return the refusal of one session more than an address may hold."""
        address = self.of(request)
        if address is None or self._most is None or self._sessions[address] < self._most:
            return None
        return self.too_many()

    def limit(self, request: web.Request) -> dict[str, int]:
        """Return how many sessions the client's address may hold, by a name of the address; empty for no limit."""
        address = self.of(request)
        return {} if address is None or self._most is None else {f"address {address}": self._most}

    def too_many(self) -> ErrorResponse:
        """Return the refusal where an address holds the most sessions already."""
        what = f"Your address holds {self._most} sessions already, and may not hold more at once."
        later = {hdrs.RETRY_AFTER: str(self._later_s)}
        return ErrorResponse(429, "too_many_sessions", what, headers=later, close_code=WSCloseCode.TRY_AGAIN_LATER)

    @contextmanager
    def holding(self, request: web.Request) -> Generator[None]:
        """While a session of this client's address is on."""
        address = self.of(request)
        if address is None:
            yield
            return
        self._sessions[address] += 1
        try:
            yield
        finally:
            self._sessions[address] -= 1
            if not self._sessions[address]:
                del self._sessions[address]

    def of(self, request: web.Request) -> str | None:
        """Return the client's address, of IPv6 its network; None where only a proxy's is known.

        Each proxy appends the address that it sees, so that what a client has written itself stands before it: the last
        one that is no proxy's counts.
        """
        return next((_site(ip) for ip in self._chain(request) if not self._is_proxy(ip)), None)

    def seen(self, request: web.Request) -> str:
        """Return the client's own address, or the proxy's where only that is known; "" if none is."""
        chain = list(self._chain(request))
        return next((str(ip) for ip in chain if not self._is_proxy(ip)), request.remote or "")

    def _chain(self, request: web.Request) -> Iterator[_Ip]:
        """Yield the addresses, the nearest first, as far as proxies vouch for them."""
        told = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, [])).split(",")
        for text in (request.remote or "", *reversed(told)):
            ip = _parsed(text.strip())
            if ip is None:
                return
            yield ip
            if not self._is_proxy(ip):
                return

    def _is_proxy(self, ip: _Ip) -> bool:
        return any(ip in network for network in self._proxies)


def _parsed(text: str) -> _Ip | None:
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def _site(ip: _Ip) -> str:
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, _SITE_BITS), strict=False))
