"""One client, whatever it does: each fault has an answer that names it, and nothing is left behind."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket
import struct

import pytest
import reactivex
from reactivex import operators as ops
from served import UPDATE

from voicepipe.conversation import Conversation
from voicepipe.events import (
    ConversationEnded,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    SettingsChanged,
    SpeechEncoded,
    StageFailed,
    TurnEnded,
    TurnMeasured,
    Warned,
    WordRecognised,
)
from voicepipe.loader import load_pipeline
from voicepipe.rx import from_async

TALK = Conversation("Be brief.").user_said("Hi!")
ECHO = load_pipeline("pipelines/echo.py")


def silent(_):
    return reactivex.never()


def script(*events):
    """Emits these when the client has sent its settings, and then waits."""

    def pipeline(session):
        settings = session.received.pipe(ops.filter(lambda message: isinstance(message, SettingsChanged)))
        return settings.pipe(ops.flat_map(lambda _: reactivex.of(*events)))

    return pipeline


def ended(logs):
    """Code and reason of the session that the log says has ended."""
    (line,) = [line for line in logs if line["event"] == "session.ended"]
    return line["code"], line["reason"]


# ---- what goes well -------------------------------------------------------------------------------------------------


async def test_what_is_said_comes_back(serve, pages):
    """Through the smallest pipeline, as Ogg-Opus."""
    async with serve(ECHO) as served, served.connect() as client:
        await client.send(UPDATE)
        assert (await client.event("session.updated"))["session"] == UPDATE["session"]
        await client.speak(*pages(3))
        for _ in range(3):
            delta = (await client.event("response.audio.delta"))["delta"]
            assert base64.b64decode(delta).startswith(b"OggS")


async def test_settings_are_answered_once(serve):
    """Though a pipeline may pass them on to its output."""
    async with serve(lambda session: session.received) as served, served.connect() as client:
        await client.send(UPDATE, "no")
        assert [(await anext(client.events()))["type"] for _ in range(2)] == ["session.updated", "error"]


async def test_each_turn_has_one_line_in_the_log(serve, logs):
    """The line has the time of each part, the user's words, the answer, and whether it was cut short."""
    turn = (
        WordRecognised("Hi!", 0, 1),
        TurnEnded("Hi!", 1.0),
        ReplyStarted(TALK),
        TurnMeasured(720.4, {"endpointing": 320.4, "tts": 400.0}),
    )
    pipeline = script(*turn, ReplyEnded("Hello.", TALK), *turn[1:3], ReplyInterrupted("He", TALK))
    async with serve(pipeline, log_words=True) as served, served.connect() as client:
        await client.send(UPDATE)
        await client.event("unmute.interrupted_by_vad")
    one, two = [line for line in logs if line["event"] == "turn"]
    assert one.pop("session") == two.pop("session")
    assert one == {
        "event": "turn",
        "log_level": "info",
        "heard": "Hi!",
        "total_ms": 720,
        "endpointing_ms": 320,
        "tts_ms": 400,
        "answered": "Hello.",
        "interrupted": False,
    }
    assert two == {"event": "turn", "log_level": "info", "heard": "Hi!", "answered": "He", "interrupted": True}


async def test_a_session_has_a_line_at_its_beginning_and_at_its_end(serve, logs):
    """With its name, how long it was, and why it ended."""
    async with serve(silent) as served, served.connect():
        await asyncio.sleep(2.5)
    begin, end = logs
    assert (begin["event"], end["event"]) == ("session.started", "session.ended")
    assert begin["session"] == end["session"]
    assert begin["session"].startswith("sess_")
    assert (end["code"], end["reason"], round(end["duration_s"], 1)) == (1000, "the client left", 2.5)


# ---- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "code", "param"),
    [
        ("hello", "invalid_json", None),
        ("[1]", "invalid_json", None),
        ('{"type": "unmute.sing"}', "invalid_value", "type"),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio"),
        ('{"type": "session.update"}', "missing_required_parameter", "session"),
        ('{"type": "input_audio_buffer.append", "audio": "?"}', "invalid_audio", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "QUJD"}', "invalid_audio", "audio"),
        (b"\x00\x01", "unexpected_binary_frame", None),
        (b"", "unexpected_binary_frame", None),
    ],
)
async def test_a_bad_message_is_answered_and_the_session_lives_on(serve, pages, bad, code, param):
    """The messages behind it are understood."""
    async with serve(ECHO) as served, served.connect() as client:
        await client.send(bad)
        error = await client.error()
        assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
        assert error["message"]
        await client.speak(*pages(1))
        await client.event("response.audio.delta")


@pytest.mark.parametrize("size", [30, 100_000])
async def test_garbage_for_audio_is_named_by_its_message(serve, pages, size):
    """The stream after it is heard."""
    async with serve(ECHO) as served, served.connect() as client:
        await client.speak(os.urandom(size))
        error = await client.error()
        assert (error["code"], error["param"], error["event_id"]) == ("invalid_audio", "audio", "a0")
        await client.speak(*pages(1))
        await client.event("response.audio.delta")


@pytest.mark.parametrize(
    "garbage", [os.urandom(2_000), b"OggS" + bytes(200), b"OggS" + b"\xff" * 5_000], ids=["random", "zeros", "ones"]
)
async def test_garbage_in_a_stream_costs_that_stream_only(serve, pages, garbage):
    """A good beginning, rubbish, and then a new stream that is heard."""
    async with serve(ECHO) as served, served.connect() as client:
        await client.speak(*pages(2), garbage, *pages(3))
        sound = errors = 0
        while sound < 5:
            event = await anext(client.events())
            sound += event["type"] == "response.audio.delta"
            errors += event["type"] == "error"
        assert errors <= 1


async def test_a_stream_that_starts_in_the_middle_is_skipped(serve, pages):
    """A browser that reconnects sends the rest of its old stream first; that is no error."""
    async with serve(ECHO) as served, served.connect() as client:
        await client.speak(*pages(4)[1:], *pages(1))
        assert (await anext(client.events()))["type"] == "response.audio.delta"
        await client.send("end")
        assert (await anext(client.events()))["type"] == "error"


async def test_a_message_that_is_too_long_ends_the_session(serve, logs):
    """An error event, and 1009, with the limit in the reason; 20 MB do not fit anybody's speech."""
    async with serve(silent) as served, served.connect() as client:
        sending = asyncio.create_task(client.send("x" * 20_000_000))
        error = await client.error()
        assert (error["type"], error["code"]) == ("invalid_request_error", "message_too_long")
        assert "1000000 bytes" in error["message"]
        assert await client.end() == (1009, "a message is longer than 1000000 bytes")
        await asyncio.wait([sending])
        sending.exception()
    assert ended(logs)[0] == 1009


async def test_a_client_that_reads_only_when_all_is_sent_learns_the_reason(serve, logs, virtual_loop):
    """The rest of its sound is thrown away: a reset would take the reason with it."""
    async with serve(silent, close_timeout_s=2) as served:
        reader, writer = await handshake(served)
        writer.write(struct.pack("!BBQI", 0x81, 0xFF, 20_000_000, 0))
        for _ in range(20):
            writer.write(bytes(1_000_000))
            await writer.drain()
        received = await reader.read()
        assert b'"code":"message_too_long"' in received
        assert received.endswith(struct.pack("!H", 1009) + b"a message is longer than 1000000 bytes")
        writer.close()
        await writer.wait_closed()
        assert virtual_loop.time() < 0.5
    assert ended(logs) == (1009, "a message is longer than 1000000 bytes")


async def test_a_client_that_never_stops_sending_is_left(serve, logs, virtual_loop):
    """After the close time-out."""
    async with serve(silent, close_timeout_s=2) as served:
        _, writer = await handshake(served)
        writer.write(struct.pack("!BBQI", 0x81, 0xFF, 20_000_000_000, 0))
        with contextlib.suppress(ConnectionError):
            while virtual_loop.time() < 10:
                writer.write(bytes(100_000))
                await writer.drain()
                await asyncio.sleep(0.1)
        assert virtual_loop.time() == pytest.approx(2.2, abs=0.3)
    assert ended(logs)[0] == 1009


async def test_text_that_is_not_utf8_ends_the_session(serve):
    """1007: the frames after it cannot be trusted."""
    async with serve(silent) as served, served.connect() as client:
        await client.socket._writer.send_frame(b"\xff\xfe", 1)
        assert (await client.error())["code"] == "invalid_text"
        assert await client.end() == (1007, "a text message is not UTF-8")


async def test_sound_in_real_time_may_go_on_for_ever(serve, pages):
    """With a backlog once in a while, as after an outage of a second."""
    async with serve(ECHO) as served, served.connect() as client:
        await client.send(UPDATE)
        await client.event("session.updated")
        stream = iter(pages(200))
        for _ in range(10):
            await asyncio.sleep(20 * 0.08)
            await client.speak(*(next(stream) for _ in range(20)))
        async for event in client.events():
            assert event["type"] == "response.audio.delta"
            if next(stream, None) is None:
                break


# ---- clients that go, or stay and do nothing ------------------------------------------------------------------------


async def test_a_client_that_leaves_is_let_go(serve, logs):
    """Its own code is in the log."""
    async with serve(ECHO) as served:
        async with served.connect() as client:
            await client.socket.close(code=1001)
        await served.empty()
    assert ended(logs) == (1001, "the client left")


async def test_a_client_that_vanishes_in_mid_word_is_let_go(serve, pages, logs):
    """Its socket is reset while sound goes both ways."""
    async with serve(ECHO) as served, served.connect() as client:
        await client.speak(*pages(3))
        await client.event("response.audio.delta")
        client.vanish()
        await served.empty()
    assert ended(logs) == (1006, "the client left")


async def test_a_handler_that_is_cancelled_cleans_up_all_the_same(serve, pages, logs):
    """aiohttp cancels it when its patience is over, or, if it is told to, when the client vanishes."""
    async with serve(ECHO, handler_cancellation=True) as served:
        async with served.connect() as client:
            await client.speak(*pages(1))
            await client.event("response.audio.delta")
            client.vanish()
            await served.empty()
        assert (served.engine.made, served.engine.closed) == (1, 1)
    assert ended(logs)[0] in (1001, 1006)


async def test_a_client_that_is_dead_is_noticed(serve, logs, virtual_loop):
    """It answers no ping any more."""
    async with serve(silent, heartbeat_s=20) as served:
        reader, writer = await handshake(served)
        await served.empty()
        assert 29 <= virtual_loop.time() <= 32
        await reader.read()
        writer.close()
        await writer.wait_closed()
    code, reason = ended(logs)
    assert code == 1006
    assert "PONG" in reason


async def test_a_client_that_drips_is_dead(serve, logs, virtual_loop):
    """A byte a second of one long message is no sign of life."""
    async with serve(silent, heartbeat_s=20) as served:
        _, writer = await handshake(served)
        writer.write(bytes([0x81, 0xFE]) + struct.pack("!H", 60_000) + bytes(4))
        for _ in range(40):
            await asyncio.sleep(1)
            writer.write(b"x")
        await served.empty()
        assert virtual_loop.time() <= 42
        writer.close()
    code, reason = ended(logs)
    assert (code, "PONG" in reason) == (1006, True)


@pytest.mark.parametrize("message", [None, "{}", '{"type": "conversation.item.retrieve", "item_id": "x"}'])
async def test_a_slot_that_is_not_used_is_freed(serve, message, virtual_loop):
    """A client that only keeps it, with messages without an effect, is told so."""
    async with serve(silent, unused_timeout_s=60) as served, served.connect(protocols=()) as client:

        async def keep() -> None:
            while message is not None:
                await asyncio.sleep(5)
                await client.send(message)

        keeping = asyncio.create_task(keep())
        assert await client.end() == (1008, "the client has asked for nothing for 60 s")
        keeping.cancel()
        assert 60 <= virtual_loop.time() < 61


async def test_a_client_whose_sound_is_held_back_is_not_taken_for_dead(serve, pages, virtual_loop):
    """Its answers to our pings wait behind 48 s of sound, which comes in no faster than it is spoken."""
    async with serve(ECHO, ingress_speed=1, heartbeat_s=10) as served, served.connect() as client:
        sending = asyncio.create_task(client.speak(*pages(600)))
        for _ in range(600):
            await client.event("response.audio.delta")
        assert virtual_loop.time() > 45
        await sending


async def test_a_client_that_never_speaks_is_let_go_in_the_end(serve, virtual_loop):
    """It is alive, but keeps a place that others want."""
    async with serve(silent, idle_timeout_s=300) as served, served.connect() as client:
        await client.send(UPDATE)
        error = await client.error()
        assert (error["code"], "for 300 s" in error["message"]) == ("idle_timeout", True)
        assert await client.end() == (1008, "the client has sent nothing for 300 s")
        assert 300 <= virtual_loop.time() < 301


async def test_a_client_that_says_something_now_and_then_may_stay(serve, virtual_loop):
    """Whatever it is."""
    async with serve(silent, idle_timeout_s=300, heartbeat_s=10_000) as served, served.connect() as client:
        await client.send(UPDATE)
        for _ in range(4):
            await asyncio.sleep(200)
            await client.send(UPDATE)
            await client.event("session.updated")
        assert (await client.end())[0] == 1008
        assert 1100 <= virtual_loop.time() < 1101


async def test_a_client_that_never_reads_is_cut_off(serve, logs):
    """Nothing piles up for it but what its buffers hold; the sound it did not take was dropped, and counted."""
    packet = SpeechEncoded(bytes(3_000), 80)
    endless = lambda _: reactivex.interval(0.08).pipe(ops.map(lambda _: packet))
    async with serve(endless, write_deadline_s=5, audio_capacity_ms=1000, heartbeat_s=1000) as served:
        _, writer = await handshake(served, receive_buffer=4_096)
        await served.empty()
        writer.transport.abort()
    code, reason = ended(logs)
    assert (code, reason) == (1006, "the client has not taken a message within 5 s")
    assert 3_000 < next(line["lost_ms"] for line in logs if line["event"] == "session.ended") < 5_000


async def test_a_client_that_reads_late_still_gets_everything(serve):
    """The bot has hung up meanwhile; the goodbye waits for the client, not longer than the deadline."""
    goodbye = (Warned("x" * 300_000), ConversationEnded("Bye!"))
    async with serve(lambda _: reactivex.of(*goodbye), write_deadline_s=5) as served:
        reader, writer = await handshake(served, receive_buffer=4_096)
        await asyncio.sleep(4)
        received = await reader.read()
        assert len(received) > 300_000
        assert received.endswith(struct.pack("!BBH", 0x88, 6, 1000) + b"Bye!")
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_does_not_answer_the_close_is_cut_off(serve, logs, virtual_loop):
    """Though all has been written: what the transport still holds goes with the connection."""
    much = Warned("x" * 20_000_000)
    async with serve(
        lambda _: reactivex.of(much), send_buffer_bytes=30_000_000, control_capacity_bytes=30_000_000, close_timeout_s=2
    ) as served:
        reader, writer = await handshake(served, receive_buffer=4_096)
        await served.empty()
        await asyncio.sleep(3)
        assert len(await reader.read()) < 20_000_000
        writer.close()
        await writer.wait_closed()
    assert ended(logs) == (1000, "the pipeline has completed")


async def handshake(served, *, receive_buffer: int | None = None):
    """A client that does nothing by itself: it neither reads nor answers pings."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (served.host, served.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=1_024)
    writer.write(
        b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
        b"Sec-WebSocket-Protocol: realtime\r\n\r\n"
    )
    assert b"101" in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def test_a_frame_that_is_none_ends_the_session(serve):
    """An error event, and 1002 with a reason."""
    async with serve(silent) as served:
        reader, writer = await handshake(served)
        writer.write(b"\xff\x80abcd")
        event, _, reason = (await reader.read()).partition(struct.pack("!BBH", 0x88, 29, 1002))
        assert json.loads(event[4:])["error"]["code"] == "invalid_frame"
        assert reason == b"that was no WebSocket frame"
        writer.close()
        await writer.wait_closed()


# ---- the pipeline's own end -----------------------------------------------------------------------------------------


async def test_a_bot_that_hangs_up_is_heard_to_the_end(serve, logs):
    """1000, after everything that waited has been sent."""
    goodbye = (SpeechEncoded(b"OggS", 80), *(Warned(str(number)) for number in range(100)), ConversationEnded("Bye!"))
    async with serve(script(*goodbye)) as served, served.connect() as client:
        await client.send(UPDATE)
        events = [event async for event in client.events()]
        assert len(events) == 102
        assert (client.last.data, client.last.extra) == (1000, "Bye!")
    assert ended(logs) == (1000, "Bye!")


async def test_a_pipeline_that_completes_closes_normally(serve):
    """After what it has said."""
    async with serve(lambda _: reactivex.of(Warned("That was all."))) as served, served.connect() as client:
        assert (await client.error())["message"] == "That was all."
        assert await client.end() == (1000, "the pipeline has completed")


def unbuildable(_):
    raise RuntimeError("/srv/secret")


def broken(session):
    def explode(_):
        raise RuntimeError("/srv/secret")

    return session.received.pipe(ops.map(explode))


@pytest.mark.parametrize("pipeline", [unbuildable, broken, lambda _: None, script(StageFailed("STT", OSError(), True))])
async def test_a_pipeline_that_breaks_says_so_and_ends(serve, logs, pipeline):
    """While it is built, while it runs, and when a stage is fatal: an error, then 1011, and nothing of the inside."""
    async with serve(pipeline) as served, served.connect() as client:
        await client.send(UPDATE)
        error = await client.error()
        assert error["type"] == "fatal"
        assert "secret" not in error["message"]
        assert await client.end() == (1011, error["message"])
    assert ended(logs)[0] == 1011


async def test_an_engine_without_stages_says_so_and_ends(serve, logs):
    """The cause is in the log."""
    async with serve(silent) as served:
        served.engine.broken = RuntimeError("out of memory")
        async with served.connect() as client:
            assert (await client.error())["type"] == "fatal"
            assert (await client.end())[0] == 1011
    assert "session.no_stages" in [line["event"] for line in logs]


async def test_a_stage_that_fails_costs_a_turn(serve, logs):
    """The client is told which, the log why; the session goes on."""
    async with serve(script(StageFailed("LLM", RuntimeError("secret")))) as served, served.connect() as client:
        for _ in range(2):
            await client.send(UPDATE)
            error = await client.error()
            assert (error["type"], "language model" in error["message"]) == ("warning", True)
    (cause, _) = [line["exc_info"] for line in logs if line["event"] == "stage.failed"]
    assert str(cause) == "secret"


async def test_an_event_that_cannot_be_sent_ends_the_session(serve):
    """It is a fault of ours, or of the pipeline's; the client does not wait in vain."""
    wrong = SpeechEncoded("no bytes", 80)  # type: ignore[arg-type]
    async with serve(script(wrong)) as served, served.connect() as client:
        await client.send(UPDATE)
        assert (await client.end())[0] == 1011


async def test_the_tasks_of_a_pipeline_end_with_its_client(serve, logs):
    """Their resources are closed, in their own time, before the session counts as ended."""
    closed = []

    async def work():
        try:
            while True:
                await asyncio.sleep(1)
                yield Warned("still here")
        finally:
            await asyncio.sleep(0.5)
            closed.append("closed")

    async with serve(lambda _: from_async(work, "work")) as served:
        async with served.connect() as client:
            await client.send(UPDATE)
            await client.error()
        await asyncio.sleep(1)
        assert closed == ["closed"]
    assert ended(logs) == (1000, "the client left")


async def test_a_task_that_does_not_end_is_named(serve, logs, virtual_loop):
    """The session ends without it, after the grace."""
    release = asyncio.Event()

    async def stubborn():
        try:
            yield Warned("here")
            await asyncio.sleep(1000)
        finally:
            await release.wait()

    async with serve(lambda _: from_async(stubborn, "stubborn"), cleanup_grace_s=2) as served:
        async with served.connect() as client:
            await client.error()
        await asyncio.sleep(3)
        assert [line["task"] for line in logs if line["event"] == "session.task_left_behind"] == ["stubborn"]
        assert ended(logs)[0] == 1000
        release.set()


async def test_messages_in_one_packet_are_all_heard(serve):
    """Also those that came with the handshake."""
    async with serve(silent) as served, served.connect() as client:
        await client.send(*[json.dumps(UPDATE)] * 20)
        for _ in range(20):
            await client.event("session.updated")
