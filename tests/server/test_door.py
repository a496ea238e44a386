"""Who may come in, and what the others are told: by HTTP where that can be read, else by an event."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
import reactivex

from voicepipe.server import ServerSettings
from voicepipe.server.door import warn_if_open

KEYS = {"api_keys": ["sk-one", "sk-two"]}
ORIGIN = "https://talk.example"


def silent(_):
    return reactivex.never()


def bearer(key: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {key}"}}


def browser(key: str) -> dict[str, Any]:
    return {"protocols": ("realtime", f"openai-insecure-api-key.{key}"), "headers": {"Origin": ORIGIN}}


async def refusal(served, **options: Any) -> tuple[int, dict[str, Any], Any]:
    """Status, answer and headers of a handshake that fails."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        **options.get("headers", {}),
    }
    async with served.http.get(f"{served.url}/v1/realtime", headers=headers) as answer:
        return answer.status, await answer.json(), answer.headers


@pytest.mark.parametrize(
    "options", [bearer("sk-one"), bearer("sk-two"), {"headers": {"authorization": "bearer sk-one"}}]
)
async def test_a_right_key_opens(serve, options):
    """Any of them, as a header."""
    async with serve(silent, **KEYS) as served, served.connect(**options) as client:
        assert (await client.event("session.created"))["type"] == "session.created"


async def test_a_browser_offers_its_key_as_a_subprotocol(serve):
    """Which is not the one that is selected."""
    async with (
        serve(silent, **KEYS, cors_origins=[ORIGIN]) as served,
        served.connect(**browser("sk-two")) as client,
    ):
        assert client.socket.protocol == "realtime"
        await client.event("session.created")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "Missing API key"),
        (bearer("sk-three"), "Incorrect API key"),
        (bearer("sk-on"), "Incorrect API key"),
        (bearer(""), "Missing API key"),
        (bearer("ключ"), "Incorrect API key"),
        ({"headers": {"Authorization": "Basic sk-one"}}, "Missing API key"),
    ],
)
async def test_no_key_or_a_wrong_one_is_401(serve, options, reason):
    """As we write errors and as OpenAI does; the key is not repeated, nothing was spent."""
    async with serve(silent, **KEYS) as served:
        status, answer, headers = await refusal(served, **options)
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert answer["detail"].startswith(reason)
        assert (answer["error"]["code"], answer["error"]["message"]) == ("invalid_api_key", answer["detail"])
        assert "sk-" not in str(answer)
        assert served.engine.made == 0


async def test_a_page_with_a_wrong_key_is_told_where_it_can_read_it(serve):
    """An error event, and a close code."""
    async with (
        serve(silent, **KEYS, cors_origins=[ORIGIN]) as served,
        served.connect(**browser("sk-three")) as client,
    ):
        assert (await client.error())["code"] == "invalid_api_key"
        assert await client.end() == (1008, "Incorrect API key provided.")
        assert served.engine.made == 0


@pytest.mark.parametrize("origin", [ORIGIN, "null", "http://127.0.0.1.evil.example"])
async def test_pages_of_other_origins_are_refused(serve, origin):
    """403, and not a word more, whatever key they bring."""
    async with serve(silent, **KEYS) as served:
        headers = {"Origin": origin, **bearer("sk-one")["headers"]}
        status, answer, _ = await refusal(served, headers=headers)
        assert (status, answer["error"]["code"]) == (403, "origin_not_allowed")


async def test_our_own_page_and_configured_ones_are_let_in(serve):
    """And all of them, if that is what is configured."""
    async with serve(silent, cors_origins=[ORIGIN]) as served:
        for origin in (ORIGIN, served.url):
            async with served.connect(headers={"Origin": origin}) as client:
                await client.event("session.created")
    async with serve(silent, cors_origins=["*"]) as served, served.connect(headers={"Origin": ORIGIN}) as client:
        await client.event("session.created")


async def test_a_key_holds_so_many_sessions(serve):
    """429 beyond it, for this key only, until one of them ends."""
    async with serve(silent, **KEYS, max_sessions_per_key=1, retry_after_s=7) as served:
        async with served.connect(**bearer("sk-one")), served.connect(**bearer("sk-two")):
            status, answer, headers = await refusal(served, **bearer("sk-one"))
            assert (status, headers["Retry-After"]) == (429, "7")
            assert (answer["error"]["code"], "1 sessions" in answer["detail"]) == ("too_many_sessions", True)
        await served.empty()
        async with served.connect(**bearer("sk-one")) as client:
            await client.event("session.created")


async def test_a_plain_request_is_told_what_is_spoken_here(serve):
    """426, before any key is asked for."""
    async with serve(silent, **KEYS) as served, served.http.get(f"{served.url}/v1/realtime") as answer:
        assert answer.status == 426


async def test_a_session_lasts_so_long(serve, virtual_loop):
    """Then the client is told, and the reply that is on may end."""
    async with serve(silent, session_limit_s=90) as served, served.connect() as client:
        began = virtual_loop.time()
        assert "1.5 minutes" in (await client.error())["message"]
        assert await client.end() == (1008, "a session lasts 1.5 minutes at most")
        assert virtual_loop.time() - began == pytest.approx(90, abs=0.1)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_may_stay_open(logs, host):
    """Without a word."""
    warn_if_open(ServerSettings(host=host))
    assert logs == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "voice.example"])
def test_others_are_warned_about(logs, host):
    """Unless there are keys."""
    warn_if_open(ServerSettings(host=host))
    (line,) = logs
    assert (line["log_level"], line["host"], "VOICEPIPE_API_KEYS" in line["remedy"]) == ("warning", host, True)
    warn_if_open(ServerSettings(host=host, api_keys=["sk"]))
    assert len(logs) == 1


def test_keys_are_secrets():
    """In whatever is printed of the settings."""
    assert "sk-one" not in repr(ServerSettings(api_keys=["sk-one"]))


async def test_a_refused_client_leaves_nothing_behind(serve):
    """However many come."""
    async with serve(silent, **KEYS) as served:
        for _ in range(20):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                await served.http.ws_connect(f"{served.url}/v1/realtime")
        await asyncio.sleep(0.1)
        assert served.engine.made == 0
