"""Spans on their way to a collector: a real receiving end, which reads the protocol."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from voicepipe.metrics.trace import Span

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")


@contextmanager
def collector(bodies: list[bytes]) -> Generator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_half_of_a_letter_in_one_span_does_not_cost_the_others() -> None:
    """A model that calls a function may write any name."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from voicepipe.metrics.otlp import Traces

    bodies: list[bytes] = []
    with collector(bodies) as url:
        traces = Traces(url, lambda at_s: at_s + 1_000)
        for name in ("before", "execute_tool \ud83d", "x" * 1_000, "behind"):
            traces.record(Span(name, 0.0, 1.0, {"gen_ai.tool.name": name}))
        traces.close()
    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    names = [
        span.name
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert names == ["before", "execute_tool ?", "x" * 200, "behind"]
