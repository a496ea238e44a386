"""`/v1/pipeline` and `/v1/sessions/{id}/events`."""

from __future__ import annotations

import json

import reactivex
from reactivex import operators as rx_ops
from served import refused

from voicepipe.events import WordSpoken
from voicepipe.loader import load_pipeline
from voicepipe.server.http.watch import stages_of
from voicepipe.trial import graph_of


def chatty(session):
    return session.received.pipe(rx_ops.flat_map(lambda _: reactivex.just(WordSpoken("Hello", 0, 0.2))))


def test_the_stages_of_a_pipeline_are_those_that_are_drawn():
    """Each event is named once, with the stage that gives it first."""
    stages = dict(stages_of(graph_of(load_pipeline("pipelines/default.py"))))
    assert [name for name in stages if name in ("decode", "detect_turns", "respond", "encode")] == [
        "decode", "detect_turns", "respond", "encode",
    ]  # fmt: skip
    assert "WordRecognised" in stages["STT"]
    assert "Pause" in stages["endpoint"]
    assert "ReplyInterrupted" in stages["respond"]
    assert {"WordSpoken", "SynthesisStarted"} <= set(stages["TTS"])
    named = [event for events in stages.values() for event in events]
    assert len(named) == len(set(named))


async def test_a_session_is_followed_to_its_end(serve):
    """The events of its client and of its pipeline are shown."""
    async with serve(chatty, session_events=True) as served:
        async with served.connect(protocols=()) as client:
            session = (await client.event("session.created"))["session"]["id"]
            async with served.http.get(f"{served.url}/v1/sessions/{session}/events") as answer:
                assert answer.content_type == "application/x-ndjson"
                await client.send({"type": "input_audio_buffer.clear"})
                first = [json.loads(await answer.content.readline()) for _ in range(2)]
                await client.socket.close()
                rest = await answer.content.read()
        await served.empty()
    assert [line["event"] for line in first] == ["InputCleared", "WordSpoken"]
    assert first[1]["word"] == "Hello"
    assert rest == b""


async def test_a_session_that_is_not_there_is_not_found(serve):
    async with (
        serve(chatty, session_events=True) as served,
        served.http.get(f"{served.url}/v1/sessions/sess_none/events") as answer,
    ):
        assert refused(404, await answer.json()) == "There is no such session."
        assert answer.status == 404


async def test_an_operator_that_has_not_allowed_it_shows_nothing(serve):
    """Neither sessions nor the pipeline; the page does not offer it."""
    async with serve(chatty) as served:
        for path in ("/v1/pipeline", "/v1/pipeline.svg", "/v1/sessions/any/events"):
            async with served.http.get(f"{served.url}{path}") as answer:
                assert answer.status == 501, path
                assert "session_events" in refused(501, await answer.json())
        async with served.http.get(f"{served.url}/") as answer:
            assert 'name="session-events" content="false"' in await answer.text()


async def test_the_pipeline_is_drawn(serve):
    async with serve(load_pipeline("pipelines/echo.py"), session_events=True) as served:
        async with served.http.get(f"{served.url}/v1/pipeline.svg") as answer:
            assert answer.content_type == "image/svg+xml"
            assert "encode" in await answer.text()
        async with served.http.get(f"{served.url}/v1/pipeline") as answer:
            assert [stage["name"] for stage in await answer.json()][-1] == "encode"


async def test_a_key_is_needed_where_the_server_has_keys(serve):
    async with serve(chatty, session_events=True, api_keys=("open-sesame",)) as served:
        for path in ("/v1/pipeline", "/v1/pipeline.svg", "/v1/sessions/any/events"):
            async with served.http.get(f"{served.url}{path}") as answer:
                assert answer.status == 401, path
