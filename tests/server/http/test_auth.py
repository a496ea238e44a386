"""Access, and its refusal: by HTTP where that can be read, else by an event."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from typing import Any

import aiohttp
import pytest
import reactivex
from pydantic import ValidationError
from served import UPDATE, refused

from voicepipe.server import ServerSettings
from voicepipe.server.http.auth import warn_if_open

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
        (bearer("sk-one,sk-two"), "Incorrect API key"),
        (bearer("sk-one" * 1_000), "Incorrect API key"),
        ({"headers": {"Authorization": "Basic sk-one"}}, "Missing API key"),
    ],
)
async def test_no_key_or_a_wrong_one_is_401(serve, options, reason):
    """As we write errors and as OpenAI does; the key is not repeated, nothing was spent."""
    async with serve(silent, **KEYS) as served:
        status, answer, headers = await refusal(served, **options)
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert answer["detail"].startswith(reason)
        assert refused(401, answer) == answer["detail"]
        assert answer["error"]["code"] == "invalid_api_key"
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
        assert "cors_origins" in refused(403, answer)


async def test_our_own_page_and_configured_ones_are_let_in(serve):
    """And all of them, if that is what is configured."""
    async with serve(silent, cors_origins=[ORIGIN]) as served:
        for origin in (ORIGIN, served.url):
            async with served.connect(headers={"Origin": origin}) as client:
                await client.event("session.created")
    async with serve(silent, cors_origins=["*"]) as served, served.connect(headers={"Origin": ORIGIN}) as client:
        await client.event("session.created")


@pytest.mark.parametrize(
    ("settings", "status"),
    [({}, 403), (KEYS, 101), ({"host": "0.0.0.0"}, 403), ({"cors_origins": ["http://evil.example:80"]}, 101)],
)
async def test_a_page_whose_name_leads_here_is_not_ours_for_that(serve, settings, status):
    """DNS rebinding: the page's own name has been given the address of this machine, or one that only this network
    reaches. It counts where keys protect the server, or where the operator has named it.
    """
    page = {"Host": "evil.example:80", "Origin": "http://evil.example:80", **bearer("sk-one")["headers"]}
    async with serve(silent, **settings) as served:
        if status == 101:
            async with served.connect(headers=page) as client:
                await client.event("session.created")
        else:
            assert (await refusal(served, headers=page))[0] == status


async def test_the_machines_own_name_is_its_own(serve):
    """Another's name server gives no answer for it."""
    name = socket.gethostname()
    async with serve(silent, host="0.0.0.0") as served:
        page = {"Host": f"{name}:80", "Origin": f"http://{name}:80"}
        async with served.connect(headers=page) as client:
            await client.event("session.created")


async def test_two_origins_are_none(serve):
    """No browser sends them; a check of the first would let the second in."""
    async with serve(silent, cors_origins=[ORIGIN]) as served:
        reader, writer = await asyncio.open_connection(served.host, served.port)
        request = f"GET /v1/realtime HTTP/1.1\r\nHost: {served.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        writer.write(f"{request}{key}Origin: {ORIGIN}\r\nOrigin: http://evil.example\r\n\r\n".encode())
        assert (await reader.readline()).split()[1] == b"403"
        writer.close()


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "talk.localhost", "192.0.2.7"])
async def test_what_no_name_server_decides_is_ours(serve, host):
    """Addresses, and localhost."""
    page = {"Host": host, "Origin": f"http://{host}"}
    async with serve(silent) as served, served.connect(headers=page, protocols=("realtime",)):
        pass


async def test_a_key_that_is_no_text_is_a_wrong_one(serve):
    """Not a fault of ours."""
    async with serve(silent, **KEYS) as served:
        answer = await raw(served, handshake(b"Authorization: Bearer sk-one\xff\xfe"))
        assert answer.startswith(b"HTTP/1.1 401 ")
        answer = await raw(served, handshake(b"Sec-WebSocket-Protocol: openai-insecure-api-key.\xff, realtime"))
        assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("key", [None, "", "sk-one", "sk-two", "sk-" + "x" * 5_000])
async def test_a_comparison_takes_as_long_for_every_key(serve, monkeypatch, key):
    """Each of ours is compared, and what is compared has one length: time tells nothing of them."""
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("voicepipe.server.http.auth.hmac.compare_digest", compare)
    async with serve(silent, **KEYS) as served:
        headers = {} if key is None else bearer(key)["headers"]
        async with served.http.get(f"{served.url}/v1/voices", headers=headers):
            assert compared == [(32, 32)] * 2


@pytest.mark.parametrize("key", ["", " ", "sk one", "sk,one", "sk-\n", "ключ"])
def test_a_key_that_could_not_be_sent_is_no_key(key):
    """An empty one would let in those who bring none."""
    with pytest.raises(ValidationError, match="one word of printable ASCII") as wrong:
        ServerSettings(api_keys=["sk-right", key])
    assert "sk-right" not in str(wrong.value)


async def test_a_key_holds_so_many_sessions(serve):
    """429 beyond it, for this key only, until one of them ends."""
    async with serve(silent, **KEYS, max_sessions_per_key=1, retry_after_s=7) as served:
        async with served.connect(**bearer("sk-one")), served.connect(**bearer("sk-two")):
            status, answer, headers = await refusal(served, **bearer("sk-one"))
            assert (status, headers["Retry-After"]) == (429, "7")
            assert (answer["error"]["code"], "1 sessions" in refused(429, answer)) == ("too_many_sessions", True)
        await served.empty()
        async with served.connect(**bearer("sk-one")) as client:
            await client.event("session.created")


async def test_a_plain_request_is_told_what_is_spoken_here(serve):
    """426, before any key is asked for."""
    async with serve(silent, **KEYS) as served, served.http.get(f"{served.url}/v1/realtime") as answer:
        assert (answer.status, answer.headers["Upgrade"], answer.headers["Connection"]) == (426, "websocket", "Upgrade")
        assert refused(426, await answer.json()) == "This address speaks WebSocket."


# ---- the other addresses --------------------------------------------------------------------------------------------

COSTLY = [("GET", "voices"), ("POST", "voices"), ("GET", "voice-donation"), ("POST", "voice-donation")]


@pytest.mark.parametrize(("method", "path"), COSTLY)
async def test_what_costs_something_asks_for_a_key(serve, tmp_path, logs, method, path):
    """Before it reads anything; the key opens."""
    async with serve(silent, **KEYS, donations_dir=tmp_path) as served:
        for key, status in ((None, 401), ("sk-three", 401), ("sk-one", None)):
            options = {} if key is None else bearer(key)
            async with served.http.request(method, f"{served.url}/v1/{path}", **options) as answer:
                assert answer.status != 401 if status is None else answer.status == status
                if status == 401:
                    refused(401, await answer.json())
                    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert [line["event"] for line in logs] == ["request.turned_away"] * 2
    assert "sk-" not in str(logs)


@pytest.mark.parametrize(("method", "path"), COSTLY)
async def test_pages_of_others_cannot_make_a_browser_do_it(serve, tmp_path, method, path):
    """A form needs no permission to be sent, so it is not taken."""
    async with (
        serve(silent, donations_dir=tmp_path) as served,
        served.http.request(method, f"{served.url}/v1/{path}", headers={"Origin": "https://evil.example"}) as answer,
    ):
        assert answer.status == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", ["", "v1/health", "v1/health/live", "v1/health/ready", "metrics"])
async def test_how_the_server_is_may_be_asked_by_everybody(serve, path):
    """By load balancers and by Prometheus, which bring no key."""
    async with serve(silent, **KEYS) as served, served.http.get(f"{served.url}/{path}") as answer:
        assert answer.status == 200


async def test_a_permitted_page_reads_refusals(serve):
    """The headers that let it are on every answer, and name the one that it may want to read."""
    async with serve(silent, **KEYS, cors_origins=[ORIGIN]) as served:
        for path, status in (("v1/voices", 401), ("nowhere", 404), ("v1/realtime", 426)):
            async with served.http.get(f"{served.url}/{path}", headers={"Origin": ORIGIN}) as answer:
                assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, ORIGIN)
                assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After, Location"
                assert "Origin" in answer.headers["Vary"]
                refused(status, await answer.json())


async def test_a_preflight_needs_no_key(serve):
    """A browser asks first, and shows the key only then."""
    asks = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    async with (
        serve(silent, **KEYS, cors_origins=[ORIGIN]) as served,
        served.http.options(f"{served.url}/v1/voices", headers=asks) as answer,
    ):
        assert (answer.status, answer.headers["Access-Control-Allow-Headers"]) == (204, "authorization")


# ---- what cannot be read --------------------------------------------------------------------------------------------


def handshake(*lines: bytes, target: bytes = b"/v1/realtime") -> bytes:
    upgrade = (b"Host: x", b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
    key = b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=="
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", *upgrade, key, *lines, b"", b""])


async def raw(served, sent: bytes) -> bytes:
    """The answer to something that no client would send."""
    reader, writer = await asyncio.open_connection(served.host, served.port)
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    body = await reader.readexactly(int(length[1])) if length else b""
    writer.close()
    await writer.wait_closed()
    return head + body


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (handshake(target=b"/v1/realtime?" + b"x" * 10_000), 431, "headers_too_long"),
        (handshake(b"Authorization: Bearer sk-one" + b"x" * 10_000), 431, "headers_too_long"),
        (handshake(*(b"X-%d: y" % number for number in range(200))), 431, "headers_too_long"),
        (handshake(b"Authorization: Bearer sk-one\x01"), 400, "bad_request"),
        (handshake(target=b"/%%%\xff?sk-one"), 400, "bad_request"),
        (b"GET /v1/health?sk-one HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"sk-one\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "bad_request"),
    ],
)
async def test_what_is_no_handshake_is_told_so(serve, logs, capfd, sent, status, code):
    """In JSON like everything; neither the answer nor the log repeats it, for it may hold a key."""
    async with serve(silent, **KEYS) as served:
        head, _, body = (await raw(served, sent)).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    answer = json.loads(body)
    refused(status, answer)
    assert answer["error"]["code"] == code
    said = f"{head}{body}{logs}{capfd.readouterr()}"
    assert "sk-one" not in said
    assert [line["event"] for line in logs] == ["request.unreadable"]


async def test_the_log_names_a_client_by_the_name_of_its_key(serve, logs):
    """And says nothing where the key has none."""
    async with serve(silent, **KEYS, named_api_keys={"clinic": "sk-clinic"}) as served:
        for key in ("sk-clinic", "sk-one"):
            async with served.connect(**bearer(key)):
                pass
    assert [line.get("client") for line in logs if line["event"] == "session.started"] == ["clinic", None]


@pytest.mark.parametrize("protocols", [(), ("realtime",), ("openai-beta.realtime-v1",), ("x",)])
async def test_keys_are_never_logged(serve, logs, caplog, protocols):
    """Neither right nor wrong ones, nor by aiohttp, whichever subprotocols are offered with them."""
    async with serve(silent, **KEYS, cors_origins=["*"]) as served:
        for key in ("sk-one", "sk-three"):
            offered = (f"openai-insecure-api-key.{key}", *protocols)
            for headers in ({"Origin": ORIGIN}, bearer(key)["headers"]):
                with contextlib.suppress(aiohttp.WSServerHandshakeError):
                    async with served.connect(protocols=offered, headers=headers) as client:
                        assert client.socket.protocol == ("realtime" if "realtime" in protocols else None)
    assert {line["event"] for line in logs} == {"session.started", "session.ended", "session.refused"}
    assert "sk-" not in f"{logs}{caplog.text}"


async def test_a_session_lasts_so_long(serve, virtual_loop):
    """Then the client is told, and the reply that is on may end."""
    async with serve(silent, session_limit_s=90) as served, served.connect() as client:
        began = virtual_loop.time()
        await client.send(UPDATE)
        error = await client.error()
        assert (error["code"], "1.5 minutes" in error["message"]) == ("session_expired", True)
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
