"""The proxy of the environment through which a URL is requested."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import structlog

__all__ = ["is_loopback", "proxy_for"]

log = structlog.get_logger()


def proxy_for(url: str) -> str | None:
    """Return the proxy for a URL: `HTTPS_PROXY`, `HTTP_PROXY` or `ALL_PROXY`, or the system's own (macOS, Windows).

    None is no proxy: there is none for this scheme, `NO_PROXY` names the host, or it is this machine, which a proxy
    cannot reach. (aiohttp's `trust_env` asks a proxy for this machine, too.) A proxy of another kind than HTTP is not
    used, which is logged once.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or is_loopback(host) or proxy_bypass(parts.netloc.rpartition("@")[2]) or proxy_bypass(host):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in ("http", "https"):
        _unusable(urlsplit(proxy).scheme)
        return None
    return proxy


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine.

    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("10.0.0.1")
    (True, True, True, False)
    """
    if host.lower().rstrip(".").rpartition(".")[2] == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@cache
def _unusable(scheme: str) -> None:
    log.warning("proxy.unusable", scheme=scheme, consequence="services are reached without it")
