"""The server itself: its port, its keys, its proxies, and what it shares with others."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from http.client import HTTPException
from importlib.util import find_spec
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from voicepipe.doctor.findings import Finding, fault, fine, warning
from voicepipe.installation.installation import install_command
from voicepipe.installation.proxies import proxy_for
from voicepipe.server.http.auth import open_to_others
from voicepipe.server.settings import ServerSettings

__all__ = ["key_finding", "package_findings", "port_finding", "proxy_findings", "reached"]

_WITHIN_S = 3.0


def port_finding(host: str, port: int, refused: str) -> Finding:
    """Return whether a server can listen at its address, or one does already.

    Args:
        host: The address.
        port: The port.
        refused: Why nothing can listen there now; "" if it can.
    """
    if not refused:
        return fine("port", f"{host}:{port} is free")
    if _is_voicepipe(host, port):
        return fine("port", f"a voicepipe server listens at {host}:{port}")
    return fault("port", refused, "stop the program that uses it, or set another port")


def _is_voicepipe(host: str, port: int) -> bool:
    here = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)
    try:
        opener = build_opener(ProxyHandler({}))
        with opener.open(f"http://{here}:{port}/v1/health/live", timeout=_WITHIN_S) as answer:
            return b'"live"' in answer.read(1_000)
    except (OSError, ValueError, HTTPException):  # another program may speak no HTTP
        return False


def key_finding(settings: ServerSettings, public: str | None = None) -> Finding:
    """Return whether clients of other machines need a key.

    Args:
        settings: Those of the server.
        public: The address that users open, where a proxy passes other machines on.
    """
    keys = len(settings.api_keys) + len(settings.named_api_keys)
    if public is not None and not keys:
        return warning("keys", f"every client that reaches {public} is let in", "set VOICEPIPE_API_KEYS")
    if open_to_others(settings):
        said = f"every client that reaches {settings.host}:{settings.port} is let in"
        return warning("keys", said, "set VOICEPIPE_API_KEYS, or listen at 127.0.0.1 behind a proxy that asks for one")
    return fine("keys", f"{keys} are accepted" if keys else "none is needed: only this machine reaches the server")


def package_findings(settings: Mapping[str, tuple[str, str]]) -> Iterator[Finding]:
    """Yield which settings need packages that are not installed: a server would not start.

    Args:
        settings: The module that a setting needs, and the extra that brings it, by the setting's name.
    """
    for name, (module, extra) in settings.items():
        if not _is_installed(module):
            yield fault(name, f"its packages, the extra {extra}, are not installed", install_command(extra))


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False


def proxy_findings(urls: Mapping[str, str]) -> Iterator[Finding]:
    """Yield through which proxy of the environment each service is asked, where there is one; no password is shown.

    Args:
        urls: By the setting that names it.
    """
    for name, url in urls.items():
        parts = urlsplit(url)
        scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
        if (proxy := proxy_for(parts._replace(scheme=scheme).geturl())) is not None:
            to = urlsplit(proxy)
            where = f"{to.scheme}://{to.hostname}" + (f":{to.port}" if to.port else "")
            yield fine("proxy", f"{name} is asked through {where} (NO_PROXY takes a host out)")


async def reached(urls: Mapping[str, tuple[str, int]]) -> AsyncIterator[Finding]:
    """Yield whether something listens at each address.

    Args:
        urls: Host and default port of an address, by the setting that names it.
    """
    for name, (url, default) in urls.items():
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port or default
        if parts.scheme == "unix":
            yield fine(name, "a socket of this machine")
            continue
        try:
            async with asyncio.timeout(_WITHIN_S):
                _, writer = await asyncio.open_connection(host, port, family=socket.AF_UNSPEC)
            writer.close()
            yield fine(name, f"{host}:{port} can be reached")
        except (OSError, TimeoutError) as error:
            why = str(error) or "no answer in time"
            yield fault(name, f"{host}:{port} cannot be reached: {why}", f"start it, or correct {name}")
