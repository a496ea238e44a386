"""The client as a pipeline sees it: the same in every dialect, and never a key."""

from __future__ import annotations

from typing import Any

import pytest
import reactivex
from pydantic import ValidationError
from served import Served

from voicepipe import ClientInfo, Session
from voicepipe.server import ServerSettings

DIALECTS = {
    "ga": {},
    "beta": {"OpenAI-Beta": "realtime=v1"},
    "unmute": {},
}
KEYS: dict[str, Any] = {"api_keys": ["sk-one"], "named_api_keys": {"clinic": "sk-two"}}


class Noted:
    """A pipeline that notes its client."""

    def __init__(self) -> None:
        self.client = ClientInfo()

    def __call__(self, session: Session) -> Any:
        self.client = session.client
        return reactivex.empty()


async def told(serve: Any, address: str = "", *, headers: dict[str, str], protocols: Any = (), **settings: Any) -> Any:
    """Return what the pipeline is told of a client that connects like this."""
    pipeline = Noted()
    async with serve(pipeline, **settings) as served:
        async with served.http.ws_connect(f"{served.url}/v1/realtime{address}", headers=headers, protocols=protocols):
            pass
        await served.empty()
    return pipeline.client


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_it_is_the_same_in_every_dialect(serve: Any, dialect: str) -> None:
    """Query, headers, path, address and model; the dialect tells them apart."""
    protocols = ("realtime",) if dialect == "unmute" else ()
    headers = {**DIALECTS[dialect], "Accept-Language": "fr", "X-Other": "unseen"}
    client = await told(serve, "?model=m&lang=fr&lang=en", headers=headers, protocols=protocols)
    assert dict(client.query) == {"model": "m", "lang": "fr"}
    assert client.headers["accept-language"] == "fr"
    assert "x-other" not in client.headers
    assert (client.path, client.address) == ("/v1/realtime", "127.0.0.1")
    assert (client.dialect, client.model, client.name) == (dialect, "m", "")


@pytest.mark.parametrize(
    ("headers", "protocols"),
    [
        ({"Authorization": "Bearer sk-two"}, ()),
        ({}, ("realtime", "openai-insecure-api-key.sk-two")),
    ],
)
async def test_a_named_key_has_its_name(serve: Any, headers: dict[str, str], protocols: Any) -> None:
    """However the client brings it."""
    client = await told(serve, headers=headers, protocols=protocols, **KEYS)
    assert client.name == "clinic"


async def test_a_key_without_a_name_has_none(serve: Any) -> None:
    """It opens, as before."""
    assert (await told(serve, headers={"Authorization": "Bearer sk-one"}, **KEYS)).name == ""


async def test_no_key_reaches_the_pipeline(serve: Any) -> None:
    """Not even one that the client sent in the wrong place."""
    headers = {"Authorization": "Bearer sk-two", "X-Note": "sk-two", "X-Shop": "7"}
    settings = {**KEYS, "client_headers": ["X-Note", "X-Shop"]}
    client = await told(serve, "?key=sk-one&a=1", headers=headers, **settings)
    assert (dict(client.query), dict(client.headers)) == ({"a": "1"}, {"x-shop": "7"})
    assert "sk-" not in repr(client)


@pytest.mark.parametrize("query", ["api-key=%20sk-two", "api-key=sk-one&api-key=sk-two", "auth=Bearer%20sk-two&a="])
async def test_no_key_reaches_the_pipeline_in_any_form_that_opens(serve: Any, query: str) -> None:
    """A parameter with a space around the key opens, too; and a client may have written a header's value there."""
    client = await told(serve, f"?{query}&b=1", headers={"Authorization": "Bearer sk-two"}, **KEYS)
    assert {name: text for name, text in client.query.items() if text} == {"b": "1"}
    assert "sk-" not in repr(client)


async def test_a_key_for_another_server_is_not_told_either(serve: Any) -> None:
    """A server without keys is sent one nevertheless."""
    assert dict((await told(serve, "?api-key=sk-of-azure&b=1", headers={})).query) == {"b": "1"}


async def test_it_cannot_be_changed(serve: Any) -> None:
    """It is one fact for all stages of the session."""
    client = await told(serve, "?a=1", headers={})
    with pytest.raises(TypeError):
        client.query["a"] = "2"


@pytest.mark.parametrize("name", ["api-key", "Authorization", "cookie", "Sec-WebSocket-Protocol", "two words", ""])
def test_a_header_that_may_hold_a_key_cannot_be_chosen(name: str) -> None:
    """Nor can what is no name."""
    with pytest.raises(ValidationError):
        ServerSettings.model_validate({"client_headers": [name]})


async def test_a_named_key_is_asked_for(serve: Any) -> None:
    """It is asked for where there is no other key."""
    served: Served
    async with serve(lambda _: reactivex.never(), named_api_keys={"clinic": "sk-two"}) as served:
        async with served.http.get(f"{served.url}/v1/voices") as answer:
            assert answer.status == 401
        async with served.http.get(f"{served.url}/v1/voices", headers={"Authorization": "Bearer sk-two"}) as answer:
            assert answer.status == 200


async def test_the_address_is_what_a_trusted_proxy_says(serve: Any) -> None:
    """Of any other, the address is its own."""
    forwarded = {"X-Forwarded-For": "203.0.113.7"}
    assert (await told(serve, headers=forwarded, trusted_proxies=["127.0.0.1"])).address == "203.0.113.7"
    assert (await told(serve, headers=forwarded, trusted_proxies=[])).address == "127.0.0.1"
    assert (await told(serve, headers={}, trusted_proxies=["127.0.0.1"])).address == "127.0.0.1"
