"""Traces arrive at a receiving end of OTLP over HTTP: a server at work, a client, and the protocol's own protobuf."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import reactivex
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from reactivex import operators as ops
from served import UPDATE, Client, Engine

from voicepipe.conversation import Conversation
from voicepipe.events import (
    ConversationEnded,
    ReplyEnded,
    ReplyStarted,
    ReplyText,
    StageFailed,
    TokensCounted,
    TurnEnded,
    TurnMeasured,
)
from voicepipe.operators.latency import PARTS
from voicepipe.server import ServerSettings, make_app

pytestmark = pytest.mark.e2e

TALK = Conversation("Be brief.")
PART_MS = 20.0


def one_turn(_: Any) -> reactivex.Observable[Any]:
    """A reply after its parts' time, which fails at its end, and goodbye."""
    parts = dict.fromkeys(PARTS, PART_MS)
    later = [
        ReplyText("Hello"),
        TurnMeasured(sum(parts.values()), parts),
        TokensCounted(90, 7, 64),
        StageFailed("TTS", ConnectionError("gone")),
        ReplyEnded("Hello", TALK),
        ConversationEnded("Bye!"),
    ]
    begun = reactivex.of(TurnEnded("My name is Ann", 1), ReplyStarted(TALK))
    answered = reactivex.timer(0.15).pipe(ops.flat_map(lambda _: reactivex.from_iterable(later)))
    return reactivex.concat(begun, answered)


class Collector:
    """Decodes what comes, as a collector does."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []

    async def take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.requests.append(ExportTraceServiceRequest.FromString(body))
        return web.Response(content_type="application/x-protobuf")

    def spans(self) -> Iterator[Span]:
        for request in self.requests:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    yield from scope.spans


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def talk(collector: Collector, **settings: Any) -> None:
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    async with listening(app) as url:
        server = make_app({"support": one_turn}, Engine(), ServerSettings(otel_url=url, **settings))
        async with (
            listening(server) as ours,
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{ours}/v1/realtime", protocols=("realtime",)) as socket,
        ):
            await Client(socket).send(UPDATE)
            assert (await Client(socket).end())[0] == 1000


def attributes(span: Span) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "") for one in span.attributes}


def test_a_reply_arrives_as_one_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its spans hang together, on the time of day; the proxy of the environment is not asked for this machine."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    collector, began_ns = Collector(), time.time_ns()
    asyncio.run(talk(collector))
    spans = list(collector.spans())
    (turn,) = [span for span in spans if not span.parent_span_id]
    children = [span for span in spans if span.parent_span_id]
    assert turn.name == "invoke_agent support"
    assert {span.parent_span_id for span in children} == {turn.span_id}
    assert {span.trace_id for span in spans} == {turn.trace_id}
    assert turn.status.code == Status.STATUS_CODE_ERROR
    assert attributes(turn)["error.type"] == "ConnectionError"
    assert attributes(turn)["gen_ai.conversation.id"].startswith("sess_")
    parts = [span for span in children if span.name in PARTS]
    assert [span.name for span in sorted(parts, key=lambda span: span.start_time_unix_nano)] == list(PARTS)
    total_ns = sum(span.end_time_unix_nano - span.start_time_unix_nano for span in parts)
    assert total_ns / 1e6 == pytest.approx(PART_MS * len(PARTS), abs=0.1)
    assert parts[0].start_time_unix_nano == turn.start_time_unix_nano
    assert began_ns - 1e9 < turn.start_time_unix_nano < turn.end_time_unix_nano < time.time_ns()
    (answer,) = [span for span in children if span.name.startswith("chat ")]
    assert attributes(answer)["gen_ai.usage.input_tokens"] == 90
    assert answer.end_time_unix_nano - answer.start_time_unix_nano >= 140e6
    resource = {one.key: one.value.string_value for one in collector.requests[0].resource_spans[0].resource.attributes}
    assert resource["service.name"] == "voicepipe"
    assert resource["deployment.environment.name"] == "test"
    assert "Ann" not in str(collector.requests)


def test_words_are_in_traces_where_that_is_permitted() -> None:
    collector = Collector()
    asyncio.run(talk(collector, otel_words=True))
    (turn,) = [span for span in collector.spans() if not span.parent_span_id]
    assert attributes(turn)["voicepipe.turn.heard"] == "My name is Ann"
