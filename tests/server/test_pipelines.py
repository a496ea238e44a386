"""Several pipelines on one server: which of them a client gets, and what they share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import reactivex
from aiohttp import web
from served import Engine, Served

from voicepipe import Session
from voicepipe.server import ServerSettings, make_app
from voicepipe.server.http.runner import Runner
from voicepipe.server.pipelines import Pipelines


def silent(_: Session) -> Any:
    return reactivex.never()


def other(_: Session) -> Any:
    return reactivex.never()


BOTH = Pipelines.of({"sales": silent, "support": other})


@pytest.mark.parametrize(
    ("path", "model", "name"),
    [
        ("", "", "sales"),
        ("", "support", "support"),
        ("", "gpt-realtime", "sales"),
        ("support", "", "support"),
        ("support", "sales", "support"),
        ("absent", "sales", None),
    ],
)
def test_a_client_names_a_pipeline_in_the_path_or_as_model(path: str, model: str, name: str | None) -> None:
    """A model of another name gets the first one, a path of another name nothing."""
    assert BOTH.chosen(path, model) == name


def test_a_single_pipeline_needs_no_name() -> None:
    """It is what every client gets."""
    alone = Pipelines.of(silent)
    assert alone[alone.default] is silent
    assert alone.chosen("", "anything") == ""


@pytest.mark.parametrize("given", [{}, {"a/b": silent}, {"": silent}, {"two words": silent}])
def test_a_name_is_a_part_of_a_path(given: dict[str, Any]) -> None:
    """And there is a pipeline at least."""
    with pytest.raises(ValueError, match="pipeline"):
        Pipelines.of(given)


class Noted:
    """Pipelines that note which of them was started."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def named(self, name: str) -> Any:
        def pipeline(_: Session) -> Any:
            self.started.append(name)
            return reactivex.never()

        return pipeline


async def test_each_client_gets_the_pipeline_that_it_names(serve: Any) -> None:
    """By path, by model, or the first one."""
    noted = Noted()
    served: Served
    async with serve({name: noted.named(name) for name in ("sales", "support")}) as served:
        for address in ("/support", "?model=support", "", "?model=gpt-realtime", "/sales?model=support"):
            async with served.http.ws_connect(f"{served.url}/v1/realtime{address}") as socket:
                await socket.receive()
            await served.empty()
    assert noted.started == ["support", "support", "sales", "sales", "sales"]


@pytest.mark.parametrize(
    ("pipelines", "names"), [(silent, ["voicepipe"]), ({"sales": silent, "support": silent}, ["sales", "support"])]
)
async def test_they_are_listed_as_models(serve: Any, pipelines: Any, names: list[str]) -> None:
    """The default first."""
    async with serve(pipelines) as served, served.http.get(f"{served.url}/v1/models") as answer:
        listed = (await answer.json())["data"]
        assert [model["id"] for model in listed] == names
        assert {model["object"] for model in listed} == {"model"}


async def test_a_program_that_names_none_that_there_is_gets_404(serve: Any) -> None:
    """And no slot is taken."""
    async with serve({"sales": silent}) as served:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await served.http.ws_connect(f"{served.url}/v1/realtime/absent")
        assert refused.value.status == 404
        assert served.engine.made == 0


async def test_a_page_that_names_none_that_there_is_is_told(serve: Any) -> None:
    """By an event, which a script can read."""
    page = {"Origin": "https://talk.example"}
    async with (
        serve({"sales": silent}, cors_origins=["https://talk.example"]) as served,
        served.http.ws_connect(f"{served.url}/v1/realtime/absent", headers=page) as socket,
    ):
        assert (await socket.receive_json())["error"]["code"] == "unknown_pipeline"
        assert (await socket.receive()).data == 1008


async def test_they_share_the_limit_of_sessions(serve: Any) -> None:
    """The engine is one."""
    async with (
        serve({"sales": silent, "support": silent}, Engine(max_sessions=1)) as served,
        served.http.ws_connect(f"{served.url}/v1/realtime/sales") as socket,
    ):
        await socket.receive()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await served.http.ws_connect(f"{served.url}/v1/realtime/support")
        assert refused.value.status == 503


async def test_what_sessions_share_is_open_from_before_the_first_until_after_the_last() -> None:
    """A lifespan is entered when the server starts, and left when every session has ended."""
    happened: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        happened.append("opened")
        yield
        happened.append("closed")

    def pipeline(_: Session) -> Any:
        happened.append("session")
        return reactivex.never().pipe(reactivex.operators.finally_action(lambda: happened.append("session over")))

    runner = Runner(make_app(pipeline, Engine(), ServerSettings(), lifespans=[lifespan]))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    assert happened == ["opened"]
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession() as http, http.ws_connect(f"http://{host}:{port}/v1/realtime") as socket:
        await socket.receive()
        cleaned = asyncio.create_task(runner.cleanup())
        while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        await cleaned
    assert happened == ["opened", "session", "session over", "closed"]
