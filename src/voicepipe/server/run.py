"""Serve until told to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog
from aiohttp import web

from voicepipe.boundary.stop_signals import stop_signal
from voicepipe.engine import Engine
from voicepipe.metrics.registry import Metrics
from voicepipe.server.app import Lifespan, make_app
from voicepipe.server.http.auth import warn_if_open
from voicepipe.server.http.runner import Runner
from voicepipe.server.loop_watch import watched_loop
from voicepipe.server.pipelines import OneOrMore
from voicepipe.server.settings import ServerSettings
from voicepipe.voices.store import VoiceStore

__all__ = ["run_server", "url_of"]

log = structlog.get_logger()


async def run_server(
    pipelines: OneOrMore,
    engine: Engine,
    settings: ServerSettings,
    *,
    metrics: Metrics | None = None,
    voices: VoiceStore | None = None,
    lifespans: Iterable[Lifespan] = (),
    ready: Callable[[str], object] = lambda _: None,
) -> None:
    """Serve `pipelines` until SIGTERM or SIGINT, or until cancelled; `ready(url)` is called when clients may connect.

    On the first signal new clients are refused, current replies may end, sockets close with 1001 and every session is
    awaited. A second signal acts as without this handler.

    Args:
        pipelines: As for `make_app`.
        engine: As for `make_app`.
        settings: Those of the server, with its address.
        metrics: As for `make_app`.
        voices: As for `make_app`.
        lifespans: As for `make_app`.
        ready: Called with the URL when clients may connect.

    Raises:
        OSError: The port is taken.
    """
    warn_if_open(settings)
    metrics = metrics or Metrics(engine.kinds)
    app = make_app(pipelines, engine, settings, metrics=metrics, voices=voices, lifespans=lifespans)
    runner = Runner(app, shutdown_timeout=settings.close_timeout_s)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
        with stop_signal() as stop:
            ready(url_of(settings.host, runner.addresses[0][1]))
            with watched_loop(metrics.process):  # what `ready` imports makes no conversation wait
                await stop.wait()
        log.info("server.stopping")
        await runner.shutdown()  # before the socket is closed: new clients get a reason
    finally:
        await runner.cleanup()
    log.info("server.stopped")


# Addresses to listen at that are no addresses to connect to.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def url_of(host: str, port: int) -> str:
    """Return the URL of a server that listens at this address."""
    host = _EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
