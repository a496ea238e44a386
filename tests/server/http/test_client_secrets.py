"""`/v1/realtime/client_secrets`: ephemeral keys, and the sessions that they are for."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
import reactivex
from pydantic import TypeAdapter
from served import refused

from voicepipe.server.http.client_secrets import ClientSecrets

KEYS = {"api_keys": ["sk-one"], "named_api_keys": {"shop": "sk-two"}}
SESSION = {"type": "realtime", "instructions": "You are a pirate.", "audio": {"output": {"voice": "ash"}}}


def silent(_):
    return reactivex.never()


async def made(served: Any, key: str = "sk-one", **body: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with served.http.post(f"{served.url}/v1/realtime/client_secrets", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


def bearer(key: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {key}"}}


def subprotocol(key: str) -> dict[str, Any]:
    return {"protocols": ("realtime", f"openai-insecure-api-key.{key}")}


@pytest.mark.parametrize("how", [bearer, subprotocol])
async def test_a_session_begins_with_what_its_key_was_made_for(serve, how):
    """As a header, and as a subprotocol from browsers. The client may still change it."""
    async with serve(silent, **KEYS) as served:
        status, answer = await made(served, session=SESSION)
        assert status == 200
        assert answer["value"].startswith("ek_")
        assert answer["session"]["instructions"] == "You are a pirate."
        async with served.connect(**how(answer["value"])) as client:
            session = (await client.event("session.created"))["session"]
            assert (session["instructions"], session["audio"]["output"]["voice"]) == ("You are a pirate.", "ash")
            assert session["audio"]["input"]["turn_detection"]["type"] == "semantic_vad"
            await client.send({"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}})
            assert (await client.event("session.updated"))["session"]["instructions"] == "Be brief."


async def test_the_pipeline_is_told_these_settings(serve):
    """Before the client has sent anything."""
    told: list[Any] = []

    def pipeline(session):
        session.received.subscribe(told.append)
        return reactivex.never()

    async with serve(pipeline) as served:
        _, answer = await made(served, session=SESSION)
        async with served.connect(**bearer(answer["value"])) as client:
            await client.event("session.created")
    assert (told[0].system_prompt, told[0].voice) == ("You are a pirate.", "ash")


async def test_it_opens_sessions_until_it_expires(serve, monkeypatch):
    """More than one; a session that is on goes on."""
    now = [1_000.0]
    monkeypatch.setattr(
        "voicepipe.server.http.auth.ClientSecrets", lambda most: ClientSecrets(most=most, now=lambda: now[0])
    )
    async with serve(silent, **KEYS) as served:
        _, answer = await made(served, expires_after={"anchor": "created_at", "seconds": 10})
        assert answer["expires_at"] == 1_010
        async with served.connect(**bearer(answer["value"])) as one:
            await one.event("session.created")
            async with served.connect(**bearer(answer["value"])) as two:
                await two.event("session.created")
            now[0] = 1_010
            with pytest.raises(aiohttp.WSServerHandshakeError) as late:
                await served.http.ws_connect(f"{served.url}/v1/realtime", **bearer(answer["value"]))
            assert late.value.status == 401
            await one.send("no")
            await one.error()


async def test_a_key_that_expires_while_its_session_begins_is_still_what_it_was_made_for(serve, monkeypatch):
    """Its pipeline, its settings and its name: a client could wait for the end with the body of a call."""
    left: list[float] = []
    monkeypatch.setattr(
        "voicepipe.server.http.auth.ClientSecrets",
        lambda most: ClientSecrets(most=most, now=lambda: left.pop() if left else 2_000.0),
    )
    started: list[tuple[str, str]] = []

    def named(name):
        def pipeline(session):
            started.append((name, session.client.name))
            return reactivex.never()

        return pipeline

    async with serve({name: named(name) for name in ("sales", "support")}, **KEYS) as served:
        left += [1_000.0] * 3  # made
        _, answer = await made(served, "sk-two", session={**SESSION, "model": "support"})
        left[:] = [1_000.0]  # known once, and expired from then on
        async with served.connect(**bearer(answer["value"])) as client:
            session = (await client.event("session.created"))["session"]
            assert session["instructions"] == "You are a pirate."
    assert started == [("support", "shop")]


async def test_it_is_for_sessions_only(serve):
    """Neither for other addresses, nor to make another one."""
    async with serve(silent, **KEYS) as served:
        _, answer = await made(served)
        async with served.http.get(f"{served.url}/v1/voices", **bearer(answer["value"])) as other:
            assert other.status == 401
            assert "for sessions only" in refused(401, await other.json())
        assert (await made(served, answer["value"]))[0] == 401


@pytest.mark.parametrize("key", ["", "sk-three", "ek_unknown"])
async def test_only_a_key_of_the_server_makes_one(serve, key):
    async with serve(silent, **KEYS) as served:
        status, answer = await made(served, key)
        assert (status, answer["error"]["code"]) == (401, "invalid_api_key")


async def test_an_open_server_makes_them_too_and_accepts_no_unknown_one(serve):
    """With another it would begin a session without its settings."""
    async with serve(silent) as served:
        assert (await made(served, ""))[0] == 200
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await served.http.ws_connect(f"{served.url}/v1/realtime", **bearer("ek_unknown"))


async def test_its_sessions_count_among_those_of_the_key_that_made_it(serve):
    """And bear its name."""
    names: list[str] = []

    def pipeline(session):
        names.append(session.client.name)
        return reactivex.never()

    async with serve(pipeline, **KEYS, max_sessions_per_key=1) as served:
        _, answer = await made(served, "sk-two")
        async with served.connect(**bearer(answer["value"])) as client:
            await client.event("session.created")
            with pytest.raises(aiohttp.WSServerHandshakeError) as full:
                await served.http.ws_connect(f"{served.url}/v1/realtime", **bearer("sk-two"))
            assert full.value.status == 429
    assert names == ["shop"]


async def test_it_is_bound_to_a_pipeline_by_the_model(serve):
    """Whatever the address says."""
    started: list[str] = []

    def named(name):
        def pipeline(_):
            started.append(name)
            return reactivex.never()

        return pipeline

    async with serve({name: named(name) for name in ("sales", "support")}) as served:
        _, answer = await made(served, session={"type": "realtime", "model": "support"})
        headers = bearer(answer["value"])
        async with served.http.ws_connect(f"{served.url}/v1/realtime?model=sales", **headers) as socket:
            await socket.receive()
    assert started == ["support"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"expires_after": {"anchor": "created_at", "seconds": 9}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "later"}}, "expires_after.anchor"),
        ({"session": {"type": "realtime", "output_modalities": ["smell"]}}, "session.output_modalities.0"),
        ({"session": []}, "session"),
        ({"session": {"type": "realtime", "instructions": "word " * 8_000}}, "session.instructions"),
    ],
)
async def test_what_is_wrong_is_named(serve, body, param):
    async with serve(silent) as served:
        status, answer = await made(served, "", **body)
        assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "invalid_value", param)
        refused(status, answer)


async def test_a_body_that_is_none_is_refused(serve):
    async with serve(silent) as served:
        for data, kind, status in (("{", "application/json", 400), ("{}", "text/plain", 415)):
            headers = {"Content-Type": kind}
            address = f"{served.url}/v1/realtime/client_secrets"
            async with served.http.post(address, data=data, headers=headers) as answer:
                assert answer.status == status
                refused(status, await answer.json())


async def test_the_answer_is_of_the_published_type(serve):
    openai = pytest.importorskip("openai.types.realtime")
    published = TypeAdapter(openai.ClientSecretCreateResponse)
    async with serve(silent) as served:
        for session in (SESSION, {"type": "transcription"}, None):
            _, answer = await made(served, "", **({"session": session} if session else {}))
            published.validate_python(answer, strict=True)
            assert answer["session"]["type"] == (session or SESSION)["type"]


def test_of_too_many_the_oldest_is_void() -> None:
    now = [0.0]
    kept = ClientSecrets(most=2, now=lambda: now[0])
    first, second, third = (kept.make({}, 60, None)[0] for _ in range(3))
    assert [kept.find(value) is not None for value in (first, second, third, "ek_")] == [False, True, True, False]
    now[0] = 60
    assert kept.find(third) is None
    kept.make({}, 60, None)
    assert len(kept._valid) == 1
