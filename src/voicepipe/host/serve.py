"""A stage host as a process: it listens, and drains at SIGTERM."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aiohttp import web

from voicepipe.boundary.stop_signals import stop_signal
from voicepipe.host.app import StageHost

__all__ = ["HostAddress", "Tls", "listening_host", "serve_host"]

_SHUTDOWN_S = 1.0
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate and its key, as PEM files."""

    certificate: str
    key: str

    def context(self) -> ssl.SSLContext:
        """Return the context of a server. Raises OSError and ssl.SSLError for files that cannot be used."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def fingerprint(self) -> str:
        """Return the SHA-256 of the certificate, in hexadecimal digits. Raises OSError and ValueError."""
        text = Path(self.certificate).read_text("ascii")
        own = text[text.find(_BEGIN) :].partition(_END)[0] + _END  # the first; those behind it are authorities
        return sha256(ssl.PEM_cert_to_DER_cert(own)).hexdigest()


@dataclass(frozen=True, slots=True)
class HostAddress:
    """The address at which a host listens; port 0 is any free one."""

    host: str
    port: int
    tls: Tls | None = None


@asynccontextmanager
async def listening_host(host: StageHost, address: HostAddress) -> AsyncGenerator[int]:
    """Listen while the context is open, and yield the port. Raises OSError."""
    runner = web.AppRunner(host.app(), handler_cancellation=True, shutdown_timeout=_SHUTDOWN_S, access_log=None)
    await runner.setup()
    try:
        tls = None if address.tls is None else address.tls.context()
        site = web.TCPSite(runner, address.host, address.port, ssl_context=tls)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def serve_host(host: StageHost, address: HostAddress, *, drain_s: float, ready: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish the sessions that run, for up to `drain_s`.

    A second signal ends the process at once. `ready` is called with the port. Raises OSError.
    """
    async with listening_host(host, address) as port:
        with stop_signal() as stop:
            ready(port)
            await stop.wait()
        await host.drain(drain_s)
