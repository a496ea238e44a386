"""Whatever goes wrong: no client ever sees a path, a module, a traceback or what an exception said. The log does."""

from __future__ import annotations

import asyncio
import json
import re
import traceback
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
import reactivex
from aiohttp import web
from reactivex import operators as ops
from served import UPDATE, Engine, Served

from voicepipe.conversation import Conversation
from voicepipe.events import (
    AudioReceived,
    ReplyEnded,
    ReplyStarted,
    SettingsChanged,
    SpeechEncoded,
    StageFailed,
    TurnEnded,
)
from voicepipe.llm import LlmRefused
from voicepipe.operators import respond
from voicepipe.rx import from_async
from voicepipe.server import ServerSettings, make_app
from voicepipe.server.http.runner import Runner
from voicepipe.services import ServiceError
from voicepipe.services.errors import AtCapacity, ConnectionLost, ProtocolViolation
from voicepipe.stage import named
from voicepipe.voices.store import VoiceStore

SECRET = "hush-hush"
PATH = f"/srv/{SECRET}/models/voice.onnx"

INSIDE = re.compile(
    rf"{SECRET}|Traceback|\.py\b|\bline \d+|site-packages|/(?:srv|usr|home|root|tmp|work|opt)/"
    r"|\b(?:voicepipe|aiohttp|reactivex|asyncio|pydantic|numpy|sphn)\.\w|\b\w+(?:Error|Exception)\b|0x[0-9a-f]{6,}"
)
"""What somebody may only know who has seen our files, or our memory."""


def with_traceback() -> Exception:
    try:
        open(PATH).close()
    except OSError:
        return RuntimeError(traceback.format_exc())
    raise AssertionError(f"there is a {PATH}")


FAULTS = [
    FileNotFoundError(2, "No such file or directory", PATH),
    ModuleNotFoundError(f"No module named 'voicepipe.{SECRET}'"),
    with_traceback(),
    KeyError(PATH),
    ConnectionRefusedError(111, f"Connect call failed ('{SECRET}', 8090)"),
    TimeoutError(PATH),
    ConnectionLost("speech recognition (STT)", f"Cannot connect to host {SECRET}:8090"),
    AtCapacity("speech synthesis (TTS)", f"no slot in {PATH}"),
    ProtocolViolation("speech synthesis (TTS)", f"no MessagePack: {PATH}"),
    LlmRefused(f"http://{SECRET}:8091", "does not know that model", PATH),
]


def unbuildable(fault):
    def pipeline(_):
        raise fault

    return pipeline


def on_settings(what):
    """A pipeline that does something with the first settings."""

    def pipeline(session):
        settings = session.received.pipe(ops.filter(lambda message: isinstance(message, SettingsChanged)))
        return settings.pipe(ops.flat_map(lambda _: what(session)))

    return pipeline


def throws(fault):
    """In the middle of the graph, out of whatever has called it."""

    def explode(_):
        raise fault

    return lambda session: session.received.pipe(ops.do_action(explode))


def errors(fault):
    """As observables fail."""
    return on_settings(lambda _: reactivex.throw(fault))


def fails_in_a_named_stage(fault):
    return on_settings(lambda _: reactivex.just("x").pipe(named("STT", lambda _: reactivex.throw(fault))))


def fails_in_a_task(fault):
    async def work():
        raise fault
        yield

    return on_settings(lambda _: from_async(work, "work"))


def fails_a_turn(fault):
    """The session goes on."""

    def turn(message):
        return (
            reactivex.of(message, TurnEnded("Hello?", 1.0))
            if isinstance(message, SettingsChanged)
            else reactivex.never()
        )

    reply = lambda _: reactivex.just("x").pipe(named("LLM", lambda _: reactivex.throw(fault)))
    answering = respond(
        reply, idle_after_s=7, idle_prompts=3, uninterruptible_s=3, grace_s=0.25, min_voice_ms=800, resume_within_ms=350
    )
    return lambda session: session.received.pipe(ops.flat_map(turn), answering)


def tells(fault):
    """A stage that reports the failure itself, in the middle of a reply."""
    talk = Conversation("x")
    failed = StageFailed("TTS", fault)
    return on_settings(lambda _: reactivex.of(ReplyStarted(talk), failed, ReplyEnded("", talk)))


def cannot_be_written(fault):
    class Odd:
        def __len__(self):
            raise fault

    return on_settings(lambda _: reactivex.of(SpeechEncoded(Odd(), 80)))  # type: ignore[arg-type]


def cannot_be_decoded(fault):
    """A codec that fails in a way that it should not."""

    def pipeline(session):
        def decode(_):
            raise fault

        return session.received.pipe(ops.filter(lambda message: isinstance(message, AudioReceived)), ops.map(decode))

    return pipeline


PIPELINES = [
    unbuildable,
    throws,
    errors,
    fails_in_a_named_stage,
    fails_in_a_task,
    fails_a_turn,
    tells,
    cannot_be_written,
    cannot_be_decoded,
]

DIALECTS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "unmute": (
        {"protocols": ("realtime",)},
        [UPDATE, {"type": "input_audio_buffer.append", "audio": "T2dnUwACAAAAAAAA"}],
    ),
    "ga": (
        {"protocols": ()},
        [
            {"type": "session.update", "session": {"type": "realtime", "instructions": "x"}},
            {"type": "input_audio_buffer.append", "audio": "AAAA" * 400},
        ],
    ),
    "beta": (
        {"protocols": (), "headers": {"OpenAI-Beta": "realtime=v1"}},
        [
            {"type": "session.update", "session": {"instructions": "x"}},
            {"type": "input_audio_buffer.append", "audio": "AAAA" * 400},
        ],
    ),
}


async def seen(client, messages) -> str:
    """Everything that the client is told, from the greeting to the reason of the close."""
    with suppress(ConnectionError):
        await client.send(*messages, "no", {"type": "nonsense", "event_id": "mine"})
    told: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(2):
            async for event in client.events():
                told += [json.dumps(event)]
            told += [str(client.last.extra)]
    return "\n".join(told)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.__name__)
async def test_a_pipeline_that_fails(serve, logs, pipeline, dialect):
    """However it does, in each dialect: the client is told, without the inside; who runs the server, with it."""
    options, messages = DIALECTS[dialect]
    failing = iter(FAULTS)
    async with serve(lambda session: pipeline(next(failing))(session)) as served:
        for fault in FAULTS:
            logs.clear()
            async with served.connect(**options) as client:
                told = await seen(client, messages)
                assert '"type": "error"' in told
                assert '"mine"' in told or client.socket.closed
            await served.empty()
            assert not INSIDE.search(told), INSIDE.search(told)
            assert SECRET in str([line.get("exc_info") for line in logs]) or _notes(logs, fault), logs
            fault.with_traceback(None)  # which grows each time that it is raised, and keeps all frames
    assert next(failing, None) is None, "each fault has had a session"


def _notes(logs: list[Any], fault: Exception) -> bool:
    """A line with the current exception is rendered by structlog only when it is written."""
    return any(line.get("exc_info") in (True, fault) for line in logs)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_stages_that_cannot_be_had(serve, logs, dialect):
    """The engine fails where the session begins."""
    options, messages = DIALECTS[dialect]
    async with serve(lambda _: reactivex.never()) as served:
        for fault in FAULTS:
            served.engine.broken = fault
            async with served.connect(**options) as client:
                told = await seen(client, messages)
                assert (client.last.data, '"type": "error"' in told) == (1011, True)
                assert not INSIDE.search(told), INSIDE.search(told)
    assert [line["event"] for line in logs].count("session.no_stages") == len(FAULTS)


async def test_a_session_that_cannot_even_begin(serve, logs, monkeypatch):
    """A fault of ours after the upgrade: a close frame, and no HTTP in the middle of a WebSocket."""

    def broken(*_, **__):
        raise FAULTS[0]

    monkeypatch.setattr("voicepipe.server.admission.SessionConnection", broken)
    async with serve(lambda _: reactivex.never()) as served, served.connect() as client:
        assert await client.end() == (1011, "internal error")
    assert "session.failed" in [line["event"] for line in logs]


# ---- HTTP ------------------------------------------------------------------------------------------------------------


class Ill(Engine):
    """Cannot even say how it is."""

    fault: Exception = FAULTS[0]

    async def health(self) -> dict[str, bool]:
        raise self.fault


class Broken(VoiceStore):
    """Not as stores of voices fail, but as programs do."""

    async def put(self, name, embedding):
        raise FAULTS[0]

    async def get(self, name):
        return None

    async def close(self):
        pass


async def everything(answer: aiohttp.ClientResponse) -> str:
    return f"{answer.status} {answer.reason} {dict(answer.headers)} {await answer.text()}"


def form(**fields: bytes) -> aiohttp.FormData:
    body = aiohttp.FormData(default_to_multipart=True)
    for name, data in fields.items():
        body.add_field(name, data, filename="a.wav")
    return body


REQUESTS: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/nowhere", {}, 404),
    ("GET", "/v1/../../../etc/passwd", {}, 404),
    ("GET", "/v1/voices/../../x.py%00", {}, 404),
    ("DELETE", "/v1/voices", {}, 405),
    ("PUT", "/", {"data": b"x"}, 405),
    ("GET", "/v1/realtime", {}, 426),
    ("GET", "/v1/realtime", {"headers": {"Upgrade": "websocket", "Connection": "Upgrade"}}, 503),
    ("GET", "/v1/health/ready", {}, 503),
    ("POST", "/v1/voices", {"data": b"x"}, 415),
    ("POST", "/v1/voices", {"data": form(other=b"x")}, 400),
    ("POST", "/v1/voices", {"data": form(file=b"x")}, 500),
    ("POST", "/v1/voice-donation", {"data": form(file=b"x" * 100, metadata=b"[1]")}, 400),
    ("POST", "/v1/voice-donation", {"data": form(file=b"x" * 100, metadata=b'{"verification_id": 7}')}, 400),
]


async def test_requests_that_fail(tmp_path, logs):
    """Every status that there is, over real HTTP: body, headers and reason."""
    theirs = web.Application()
    theirs.router.add_post("/api/voice", _embedding)
    cloning = await _listening(web.AppRunner(theirs))
    settings = ServerSettings(
        voice_cloning_url=f"http://127.0.0.1:{cloning.addresses[0][1]}",
        donations_dir=tmp_path / SECRET,
        donation_min_bytes=10,
    )
    ours = await _listening(Runner(make_app(lambda _: reactivex.never(), Ill(), settings, voices=Broken())))
    try:
        async with aiohttp.ClientSession() as http:
            served = Served(http, ours, Engine())
            for method, path, options, status in REQUESTS:
                url = aiohttp.client.URL(served.url + path, encoded=True)
                async with http.request(method, url, **options) as answer:
                    told = await everything(answer)
                    assert answer.status == status, told
                    assert not INSIDE.search(told), (path, INSIDE.search(told))
                    assert answer.headers["Server"] == "voicepipe"
            told = await _donated_to_a_disk_that_fails(served, tmp_path / SECRET)
            assert told.startswith("507 ")
            assert not INSIDE.search(told), INSIDE.search(told)
    finally:
        await ours.cleanup()
        await cloning.cleanup()
    assert {"request.failed", "donation.not_kept", "health.unknown"} <= {line["event"] for line in logs}


async def _embedding(_: web.Request) -> web.Response:
    return web.Response(body=b"\x80")


async def _listening(runner: web.AppRunner) -> web.AppRunner:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


async def _donated_to_a_disk_that_fails(served: Served, folder) -> str:
    folder.write_text("in the way")
    async with served.http.get(f"{served.url}/v1/voice-donation") as answer:
        consent = (await answer.json())["id"]
    body = form(file=b"x" * 100, metadata=json.dumps({"verification_id": consent}).encode())
    async with served.http.post(f"{served.url}/v1/voice-donation", data=body) as answer:
        return await everything(answer)


def test_a_failure_of_a_service_is_told_without_what_it_said():
    """Also where the session looks for another one: `user_message` is for the one who talks."""
    for fault in FAULTS:
        if isinstance(fault, ServiceError):
            assert SECRET in str(fault)
            assert not INSIDE.search(fault.user_message), fault.user_message
