"""Spans to an OpenTelemetry collector, by OTLP over HTTP. Needs the extra `otel`; importing this imports its packages.

The SDK's own variables count as everywhere: `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, and
`OTEL_EXPORTER_OTLP_HEADERS` for a collector that asks for a key.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, set_span_in_context

from voicepipe.installation.installation import installation
from voicepipe.installation.proxies import proxy_for
from voicepipe.metrics.trace import Attribute, Span

__all__ = ["Traces"]

_NAME = "voicepipe"
_PATH: Final = "/v1/traces"
# A collector that does not answer holds up the process's end for so long, and no conversation ever.
_TIMEOUT_S = 5.0
# Spans are sent once a second: a turn can be looked at while the conversation goes on.
_EVERY_MS = 1_000
# The name of a function is the model's, and may have any length.
_NAME_CHARS = 200


class Traces:
    """Send spans to a collector, from a thread of its own. Of spans that it does not take, the newest are dropped.

    Args:
        url: The collector's address, with `/v1/traces` or without: `http://localhost:4318`.
        wall_s: Returns the time of day for a time of the sessions' clock, in seconds.
    """

    def __init__(self, url: str, wall_s: Callable[[float], float]) -> None:
        endpoint = url if url.rstrip("/").endswith(_PATH) else url.rstrip("/") + _PATH
        exporter = OTLPSpanExporter(endpoint, timeout=_TIMEOUT_S, session=_session(endpoint))
        named = {SERVICE_VERSION: installation().version}
        if "OTEL_SERVICE_NAME" not in os.environ:
            named[SERVICE_NAME] = _NAME
        self._provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_EVERY_MS))
        self._tracer: Tracer = self._provider.get_tracer(_NAME, installation().version)
        self._wall_s = wall_s

    def record(self, span: Span) -> None:
        """Take a span that is complete, as a trace of its own."""
        self._record(span, Context())

    def close(self) -> None:
        """Send what waits, for some seconds at most. Blocks; afterwards nothing is taken."""
        self._provider.shutdown()

    def _record(self, span: Span, within: Context) -> None:
        kind = SpanKind.CLIENT if span.is_client else SpanKind.INTERNAL
        attributes = {name: _sent(value) for name, value in span.attributes.items()}
        name = str(_sent(span.name))[:_NAME_CHARS]
        made = self._tracer.start_span(
            name, within, kind=kind, attributes=attributes, start_time=self._wall_ns(span.began_s)
        )
        if span.error:
            made.set_attribute("error.type", span.error)
            made.set_status(Status(StatusCode.ERROR))
        inside = set_span_in_context(made, within)
        for child in span.children:
            self._record(child, inside)
        made.end(self._wall_ns(span.began_s if span.ended_s is None else span.ended_s))

    def _wall_ns(self, at_s: float) -> int:
        return round(self._wall_s(at_s) * 1e9)


def _sent(value: Attribute) -> Attribute:
    """Return a value that the protocol has: a model may write half of a letter, and the exporter would drop all spans
    that wait with it."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _session(endpoint: str) -> requests.Session:
    """Return a session that uses the environment's proxy as all of voicepipe does: not for this machine."""
    session = requests.Session()
    session.trust_env = False
    if (proxy := proxy_for(endpoint)) is not None:
        session.proxies = {"http": proxy, "https": proxy}
    return session
