"""Health, liveness and readiness; and that nobody is let in who could not be answered."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
import reactivex
from served import Engine, refused

from voicepipe.conversation import Conversation
from voicepipe.events import ReplyStarted

UP = {"stt_up": True, "tts_up": True, "llm_up": True, "voice_cloning_up": False}
ORIGIN = "https://talk.example"


def silent(_):
    return reactivex.never()


class Slow(Engine):
    """Takes its time to say how it is."""

    def __init__(self, takes_s: float) -> None:
        super().__init__()
        self.takes_s = takes_s
        self.asked = 0

    async def health(self) -> dict[str, bool]:
        self.asked += 1
        await asyncio.sleep(self.takes_s)
        return self.up


async def get(served, path):
    async with served.http.get(f"{served.url}{path}", headers={"Origin": ORIGIN}) as answer:
        return answer.status, await answer.json(), answer.headers


async def test_health_is_unmutes(serve):
    """Five flags, 200 whatever they are."""
    async with serve(silent) as served:
        assert (await get(served, "/v1/health"))[:2] == (200, {**UP, "ok": True})
        served.engine.up = {**UP, "llm_up": False}
        await asyncio.sleep(1)
        assert (await get(served, "/v1/health"))[:2] == (200, {**UP, "llm_up": False, "ok": False})


async def test_a_crowd_that_asks_does_not_ask_the_services(serve):
    """For half a second one answer serves all."""
    async with serve(silent, Slow(0.1)) as served:
        answers = await asyncio.gather(*(get(served, "/v1/health") for _ in range(20)))
        assert {status for status, _, _ in answers} == {200}
        assert served.engine.asked == 1
        await asyncio.sleep(0.5)
        await get(served, "/v1/health")
        assert served.engine.asked == 2


async def test_an_engine_that_hangs_is_down_and_not_waited_for(serve, virtual_loop):
    """Within the limit; meanwhile the process is alive, and says so at once."""
    async with serve(silent, Slow(1000), health_limit_s=3) as served:
        asking = asyncio.create_task(get(served, "/v1/health"))
        await asyncio.sleep(1)
        assert (await get(served, "/v1/health/live"))[:2] == (200, {"live": True})
        assert virtual_loop.time() < 1.1
        status, health, _ = await asking
        assert (status, health["ok"], health["stt_up"]) == (200, False, False)
        assert virtual_loop.time() < 3.1


async def test_ready_means_that_a_client_would_be_let_in(serve):
    """As long as there is room and all is up."""
    async with serve(silent, Engine(max_sessions=1), retry_after_s=7, cors_origins=[ORIGIN]) as served:
        assert (await get(served, "/v1/health/ready"))[:2] == (200, {"ready": True, "reasons": []})
        async with served.connect():
            status, body, headers = await get(served, "/v1/health/ready")
            assert (status, body["ready"], headers["Retry-After"]) == (503, False, "7")
            assert body["reasons"] == [refused(503, body)]
            assert body["error"]["code"] == "full"
            assert "The one conversation" in body["detail"]
            assert headers["Access-Control-Allow-Origin"] == ORIGIN


async def test_while_the_server_stops_everybody_is_told(serve):
    """Health checks and new clients are told, programs and pages; a reply that is on may end meanwhile."""
    talk = Conversation("x")
    replying = lambda _: reactivex.concat(reactivex.of(ReplyStarted(talk)), reactivex.never())
    async with (
        serve(replying, shutdown_grace_s=10, retry_after_s=7, cors_origins=[ORIGIN]) as served,
        served.connect() as client,
    ):
        await client.event("response.created")
        stopping = asyncio.create_task(served.runner.shutdown())
        await asyncio.sleep(1)
        for path in ("/v1/health", "/v1/health/ready"):
            status, body, headers = await get(served, path)
            assert (status, refused(503, body)) == (
                503,
                "The server is shutting down. Please try again in a moment.",
            )
            assert (body["error"]["code"], headers["Retry-After"]) == ("stopping", "7")
        assert (await get(served, "/v1/health"))[1]["ok"] is False
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            async with served.connect():
                pass
        async with served.connect(headers={"Origin": ORIGIN}) as page:
            assert (await page.error())["code"] == "stopping"
            assert (await page.end())[0] == 1013
        assert (await client.end())[0] == 1001
        await stopping


async def test_every_reason_is_told(serve):
    """Two services are down."""
    async with serve(silent) as served:
        served.engine.up = {**UP, "stt_up": False, "llm_up": False}
        status, body, _ = await get(served, "/v1/health/ready")
        assert status == 503
        assert [reason.partition(" cannot")[0] for reason in body["reasons"]] == [
            "The speech recognition (STT)",
            "The language model (LLM)",
        ]


async def test_no_client_is_admitted_while_models_load(serve):
    """A server may listen before it can talk: its process is alive, and not ready."""
    engine = Engine(max_sessions=0)
    engine.loading = True
    async with serve(silent, engine) as served:
        assert (await get(served, "/v1/health/live"))[0] == 200
        status, body, _ = await get(served, "/v1/health/ready")
        assert (status, body["reasons"]) == (
            503,
            ["The models are still being loaded. Please try again in a moment."],
        )
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            async with served.connect():
                pass
        engine.loading, engine.max_sessions = False, 1
        async with served.connect():
            pass
        await served.empty()


async def test_a_session_is_refused_while_a_service_is_down(serve, logs):
    """A program reads 503 with the reason, a page an error event and 1013; the slot is free again."""
    async with serve(silent, Engine(max_sessions=1), retry_after_s=7, cors_origins=[ORIGIN]) as served:
        served.engine.up = {**UP, "tts_up": False}
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
        async with served.http.get(f"{served.url}/v1/realtime", headers=upgrade) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
            assert (await answer.json())["detail"].startswith("The speech synthesis (TTS) cannot be reached.")
        async with served.connect(headers={"Origin": ORIGIN}) as client:
            error = await client.error()
            assert (error["type"], error["code"]) == ("fatal", "service_down")
            code, reason = await client.end()
            assert (code, reason.partition(" cannot")[0]) == (1013, "The speech synthesis (TTS)")
        assert served.engine.made == 0
        served.engine.up = UP
        await asyncio.sleep(1)
        async with served.connect():
            pass
        await served.empty()
    assert [line["event"] for line in logs] == ["session.refused"] * 2 + ["session.started", "session.ended"]


async def test_no_client_waits_long_for_admission(serve, virtual_loop):
    """A service that hangs delays the first client a little, and it is let in; the next ones are refused as quickly."""
    async with serve(silent, Slow(1000), health_limit_s=3, admission_wait_s=0.5) as served:
        async with served.connect():
            assert virtual_loop.time() == pytest.approx(0.5, abs=0.05)
            await asyncio.sleep(10)
        began_s = virtual_loop.time()
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            async with served.connect():
                pass
        assert virtual_loop.time() - began_s == pytest.approx(0.5, abs=0.05)
        await served.empty()


async def test_two_clients_cannot_get_the_last_place(serve):
    """Though both ask while the services are being looked at."""
    engine = Slow(0.3)
    engine.max_sessions = 1
    async with serve(silent, engine) as served:
        async with served.http.ws_connect(f"{served.url}/v1/realtime") as one:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                await served.http.ws_connect(f"{served.url}/v1/realtime")
            assert not one.closed
        await served.empty()
        first, second = await asyncio.gather(
            *(served.http.ws_connect(f"{served.url}/v1/realtime") for _ in range(2)), return_exceptions=True
        )
        (refused,) = [one for one in (first, second) if isinstance(one, Exception)]
        (let_in,) = [one for one in (first, second) if not isinstance(one, Exception)]
        assert isinstance(refused, aiohttp.WSServerHandshakeError)
        await let_in.close()
        await served.empty()


async def test_what_the_pipeline_does_not_use_is_not_told_of(serve):
    """Neither in the health, nor in its series; and it does not matter whether it is up."""
    engine = Engine()
    engine.kinds = ("stt", "tts")
    engine.up = {"stt_up": True, "tts_up": True, "llm_up": False}
    async with serve(silent, engine) as served:
        assert (await get(served, "/v1/health"))[:2] == (200, {"stt_up": True, "tts_up": True, "ok": True})
        assert (await get(served, "/v1/health/ready"))[0] == 200
        async with served.http.get(f"{served.url}/metrics") as answer:
            series = await answer.text()
    assert 'voicepipe_service_up{service="stt"} 1.0' in series
    assert 'service="llm"' not in series
