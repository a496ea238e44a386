"""`/metrics`: what Prometheus reads of a server at work."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import numpy as np
import pytest
import reactivex
from reactivex import operators as ops
from scraped import Scraped
from served import UPDATE, Engine

from voicepipe.conversation import Conversation
from voicepipe.events import (
    Audio,
    ConversationEnded,
    ReplyAudio,
    ReplyEnded,
    ReplyStarted,
    ReplyText,
    SettingsChanged,
    SpeechEncoded,
    StageFailed,
    TurnMeasured,
)

TALK = Conversation("Be brief.").user_said("Hi!")


def silent(_):
    return reactivex.never()


async def scrape(served) -> Scraped:
    async with served.http.get(f"{served.url}/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        return Scraped.read(await answer.text())


class Speaking(Engine):
    """Its stages are metered: the LLM says a sentence, of which the TTS makes a second of sound."""

    def stages(self):
        stages = super().stages()
        llm = lambda _: reactivex.of("How ", "are you?").pipe(ops.delay_subscription(0.3))
        speech = ReplyAudio(Audio(np.zeros(24_000, np.float32), 24_000))
        tts = lambda _: lambda source: source.pipe(ops.to_list(), ops.delay(0.2), ops.map(lambda _: speech))
        return replace(stages, llm=llm, tts=tts)


def one_reply(session):
    """When the client has sent its settings; then the bot hangs up."""
    sound = session.llm(TALK).pipe(ops.map(ReplyText), session.tts(TALK))
    events = reactivex.concat(
        reactivex.of(ReplyStarted(TALK)),
        sound,
        reactivex.of(TurnMeasured(850, {"tts": 850}), ReplyEnded("How are you?", TALK), ConversationEnded("Bye!")),
    )
    settings = session.received.pipe(ops.filter(lambda message: isinstance(message, SettingsChanged)))
    return settings.pipe(ops.flat_map(lambda _: events))


async def test_a_conversation_is_counted(serve):
    """The series count sessions and their duration, the models' work, and the answer's latency."""
    async with serve(one_reply, Speaking()) as served:
        async with served.connect() as client:
            assert (await scrape(served))["active_sessions"] == 1
            await client.send(UPDATE)
            assert (await client.end())[0] == 1000
        await served.empty()
        scraped = await scrape(served)
    assert (scraped["sessions_total"], scraped["active_sessions"]) == (1, 0)
    assert scraped['sessions_ended_total{code="1000"}'] == 1
    assert 0.5 <= scraped["session_duration_seconds_sum"] < 1
    assert scraped["llm_ttft_seconds_sum"] == pytest.approx(0.3)
    assert scraped["tts_ttft_seconds_sum"] == pytest.approx(0.2)
    assert (scraped["llm_received_words_total"], scraped["tts_sent_words_total"]) == (3, 3)
    assert scraped["tts_audio_duration_seconds_sum"] == 1
    assert scraped["voice_to_voice_seconds_sum"] == pytest.approx(0.85)
    assert scraped["forced_disconnects_total"] == scraped["hard_errors_total"] == 0


async def test_a_scrape_looks_at_the_health(serve):
    """Though nobody else asks for it."""
    async with serve(silent) as served:
        served.engine.up["tts_up"] = False
        scraped = await scrape(served)
    assert scraped["health_ok"] == 0
    assert scraped['service_up{service="tts"}'] == 0
    assert scraped['service_up{service="stt"}'] == 1
    assert 'service_up{service="voice_cloning"}' in scraped


async def test_refused_clients_are_counted_by_reason(serve):
    """No session was had."""
    async with serve(silent, Engine(max_sessions=1)) as served, served.connect():
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with served.connect():
                pass
        scraped = await scrape(served)
    assert scraped['sessions_refused_total{reason="full"}'] == 1
    assert scraped["sessions_total"] == 1


async def test_a_client_that_is_cut_off_is_a_forced_disconnect(serve):
    """By what it did, or failed to do; one that leaves is none."""
    flood = {"max_messages_per_s": 100, "message_burst": 100, "message_overrun_s": 1}
    async with serve(silent, idle_timeout_s=10, **flood) as served:
        async with served.connect() as client:
            assert (await client.end())[0] == 1008
        async with served.connect() as client:
            await client.send(*["no"] * 400)
            assert (await client.end())[0] == 1008
        async with served.connect() as client:
            await client.socket.close(code=4321)
        await served.empty()
        scraped = await scrape(served)
    assert scraped["forced_disconnects_total"] == 2
    assert scraped.seen("sessions_ended_total") == {'{code="1008"}': 2, '{code="client"}': 1}
    assert scraped['rejected_messages_total{code="rate_limit_exceeded"}'] == 1
    assert scraped['rejected_messages_total{code="invalid_json"}'] == pytest.approx(200, abs=5)


async def test_a_client_that_speaks_no_websocket_is_a_forced_disconnect(serve):
    """Text that is no UTF-8."""
    async with serve(silent) as served:
        async with served.connect() as client:
            await client.socket._writer.send_frame(b"\xff\xfe", 1)
            assert (await client.end())[0] == 1007
        await served.empty()
        assert (await scrape(served))["forced_disconnects_total"] == 1


async def test_a_fault_of_ours_is_a_hard_error(serve):
    """The session ended with 1011; the stage is named."""
    async with serve(lambda _: reactivex.of(StageFailed("STT", OSError(), fatal=True))) as served:
        async with served.connect() as client:
            assert (await client.end())[0] == 1011
        await served.empty()
        scraped = await scrape(served)
    assert scraped["hard_errors_total"] == 1
    assert scraped['stage_failures_total{stage="STT"}'] == 1


async def test_sound_that_a_slow_client_does_not_get_is_counted(serve):
    """By the boundary that dropped it: of three seconds at once there is room for one."""
    burst = [SpeechEncoded(bytes(100), 500)] * 7
    async with (
        serve(lambda _: reactivex.of(*burst).pipe(ops.concat(reactivex.never())), audio_capacity_ms=1000) as served,
        served.connect() as client,
    ):
        await client.event("response.audio.delta")
        scraped = await scrape(served)
    lost = scraped.seen("overflow_seconds_total")
    assert lost == {'{boundary="the connection to you",policy="drop_oldest"}': pytest.approx(2.0)}
