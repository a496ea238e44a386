"""A client's tool servers (MCP) in whole sessions: the model calls their tools, the client hears of it.

In virtual time with servers in this process; once over real sockets, with the official client and the official server.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import reactivex
from aiohttp import web
from openai_python import connected, until
from protocol_checker import ProtocolChecker
from reactivex import Observable
from scripted_stages import scripted_stages
from served import Engine

from voicepipe import Session, merge
from voicepipe import operators as ops
from voicepipe.conversation import Conversation
from voicepipe.events import Event, FunctionCall, FunctionCalled
from voicepipe.loader import load_pipeline
from voicepipe.operators import McpServer
from voicepipe.presets import INTERRUPTION, MCP, PLAYBACK, TOOLS
from voicepipe.server import ServerSettings, make_app
from voicepipe.server.http.runner import Runner
from voicepipe.server.session.tool_servers import ToolServerLimits

pytest.importorskip("mcp", reason="needs the extra mcp")
mcp_program = importlib.import_module("mcp_program")

TOWN = {"type": "mcp", "server_label": "town", "server_url": "https://mcp.example/town", "require_approval": "never"}
OPEN = "the museum is open from nine to five"
CALLS = {
    "open?": FunctionCall("c1", "opening_hours", '{"place": "the museum"}'),
    "close!": FunctionCall("c1", "close_town"),
    "wait": FunctionCall("c1", "wait", '{"seconds": 60}'),
    "ours": FunctionCall("c1", "look"),
}
ASK = {"type": "response.create"}


class Calling(Engine):
    """Its model calls what the user's words stand for, if it is offered, and repeats what it gets."""

    def stages(self) -> Any:
        return replace(scripted_stages(lambda _: "", super().stages().close), llm=self._answer)

    def _answer(self, conversation: Conversation) -> Observable[str | Event]:
        self.asked = conversation
        last = conversation.messages[-1]
        call = CALLS.get(last.text)
        offered = {function.name for function in conversation.generation.functions}
        if call is not None and call.name in offered:
            return reactivex.of(FunctionCalled(call))
        return reactivex.just(f"It says: {last.text}")


class Talk:
    """A client that names its tool servers, and checks each event that it gets."""

    def __init__(self, client: Any) -> None:
        self._client, self._checker = client, ProtocolChecker("ga", {})

    async def update(self, *tools: dict[str, Any]) -> None:
        session = {"type": "realtime", "output_modalities": ["text"], "tools": tools}
        await self._client.send({"type": "session.update", "session": session})

    async def say(self, text: str, **response: Any) -> None:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self._client.send({"type": "conversation.item.create", "item": item}, {**ASK, "response": response})

    async def decide(self, request: str, **decision: Any) -> None:
        item = {"type": "mcp_approval_response", "approval_request_id": request, **decision}
        await self._client.send({"type": "conversation.item.create", "item": item})

    async def until(self, kind: str) -> dict[str, Any]:
        async for event in self._client.events():
            self._checker.check(json.dumps(event))
            if event["type"] == kind:
                return event
        raise AssertionError(f"closed before any {kind}")

    async def request(self) -> str:
        """Return the id of the next request for an approval."""
        while (event := await self.until("response.output_item.done"))["item"]["type"] != "mcp_approval_request":
            pass
        return event["item"]["id"]

    async def answer(self) -> tuple[list[dict[str, Any]], str]:
        """Return the items of the next response that is over, and its text."""
        output = (await self.until("response.done"))["response"]["output"]
        texts = [part["text"] for item in output for part in item.get("content", [])]
        return output, " ".join(texts)


Talking = Any


@pytest.fixture
def talking(serve, monkeypatch) -> Talking:
    """`async with talking() as (talk, engine)`: each server is one of this process; `made` has all of them."""

    @asynccontextmanager
    async def begin(
        *tools: dict[str, Any], pipeline: Any = None, made: list[McpServer] | None = None, **limits: Any
    ) -> AsyncIterator[tuple[Talk, Calling]]:
        def connect(server: Any, allow: Any, changed: Any) -> McpServer:
            one = McpServer(server.label, mcp_program.make(), MCP, allow=allow, changed=changed)
            if made is not None:
                made.append(one)
            return one

        wanted = ToolServerLimits(**{"tokens": 6_000, "approval_s": 60, "connect": connect, **limits})
        monkeypatch.setattr(ToolServerLimits, "of", lambda _: wanted)
        engine = Calling()
        allowed = {"mcp_allowed_urls": ("https://mcp.example",)}
        async with (
            serve(pipeline or load_pipeline(None), engine, **allowed) as served,
            served.connect(protocols=()) as client,
        ):
            talk = Talk(client)
            await talk.until("session.created")
            await talk.update(*tools)
            await talk.until("session.updated")
            yield talk, engine

    return begin


async def test_the_model_calls_a_tool(talking: Talking) -> None:
    """In one response: the call, its result, and the answer to that. The end of the session closes the connection."""
    made: list[McpServer] = []
    async with talking(TOWN, made=made) as (talk, _):
        await talk.until("mcp_list_tools.completed")
        tools = (await talk.until("conversation.item.done"))["item"]["tools"]
        assert [tool["name"] for tool in tools][:2] == ["opening_hours", "tickets.free"]
        await talk.say("open?")
        (call, _), text = await talk.answer()
    assert (call["name"], call["output"], text) == ("opening_hours", OPEN, f"It says: {OPEN}")
    assert [one.functions for one in made] == [()]


async def test_only_allowed_tools_are_offered(talking: Talking) -> None:
    """And none of them when the client names the server no more."""
    async with talking({**TOWN, "allowed_tools": ["wait"]}) as (talk, engine):
        await talk.until("mcp_list_tools.completed")
        await talk.say("open?")
        assert (await talk.answer())[1] == "It says: open?"
        assert [function.name for function in engine.asked.generation.functions] == ["wait"]
        await talk.update()
        await talk.say("open?")
        await talk.answer()
        assert engine.asked.generation.functions == ()


async def test_a_tool_that_fails_and_one_that_is_late(talking: Talking) -> None:
    """The model reads it, and the conversation goes on."""
    async with talking(TOWN) as (talk, _):
        await talk.until("mcp_list_tools.completed")
        for text, why in (("close!", "cannot be closed"), ("wait", f"no result within {TOOLS.deadline_s:g} s")):
            await talk.say(text)
            output, _ = await talk.answer()
            (call,) = [item for item in output if item["type"] == "mcp_call"]
            assert why in call["error"]["message"]


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        ({"approve": True}, OPEN),
        ({"approve": False, "reason": "not now"}, "the call was refused: not now"),
        (None, "60 s"),
    ],
)
async def test_the_client_is_asked_first(talking: Talking, decision: dict[str, Any] | None, said: str) -> None:
    """A call waits for its decision, which does not count as the tool's time, and for no longer than a minute."""
    async with talking({**TOWN, "require_approval": "always"}) as (talk, _):
        await talk.until("mcp_list_tools.completed")
        await talk.say("open?")
        request = await talk.request()
        if decision is not None:
            await asyncio.sleep(TOOLS.deadline_s + 5)
            await talk.decide(request, **decision)
        output, text = await talk.answer()
    assert said in text
    calls = [item for item in output if item["type"] == "mcp_call"]
    assert [call["approval_request_id"] for call in calls] == ([request] if said == OPEN else [])


async def test_two_servers_with_the_same_tools(talking: Talking) -> None:
    """Each tool has a name of its own."""
    async with talking(TOWN, {**TOWN, "server_label": "village"}) as (talk, engine):
        await talk.until("mcp_list_tools.completed")
        await talk.until("mcp_list_tools.completed")
        await talk.say("hi")
        await talk.answer()
    names = [function.name for function in engine.asked.generation.functions]
    assert len(names) == len(set(names)) == 10
    assert "village_opening_hours" in names


async def test_a_response_has_a_server_of_its_own(talking: Talking) -> None:
    """It waits for the list of tools, since it could not be answered without."""
    async with talking() as (talk, _):
        await talk.say("open?", tools=[TOWN])
        assert (await talk.answer())[1] == f"It says: {OPEN}"
        await talk.say("open?")
        assert (await talk.answer())[1] == "It says: open?"


async def test_tools_that_take_too_much_of_a_prompt(talking: Talking) -> None:
    """They are refused, and what to do is said."""
    async with talking(TOWN, tokens=50) as (talk, _):
        await talk.until("mcp_list_tools.failed")
        error = (await talk.until("error"))["error"]
        assert error["code"] == "mcp_list_tools_failed"
        assert "50 is the limit: name fewer in allowed_tools" in error["message"]
        await talk.say("open?")
        assert (await talk.answer())[1] == "It says: open?"


async def test_functions_of_the_pipeline_count_more(talking: Talking) -> None:
    """A client cannot take their place; and what a tool has given before is known to the model when one is called."""

    async def opening_hours(place: str) -> str:
        """Tell when a place is open."""
        return f"ours: {place}"

    def pipeline(session: Session) -> Observable[Event]:
        reply = ops.replying(ops.with_tools(session.llm, opening_hours, TOOLS), session.tts, PLAYBACK)
        mic = session.received.pipe(ops.decode(session.codec))
        return merge(mic, mic.pipe(ops.respond(reply, INTERRUPTION))).pipe(ops.encode(session.codec))

    async with talking(TOWN, pipeline=pipeline) as (talk, _):
        await talk.until("mcp_list_tools.completed")
        await talk.say("open?")
        output, text = await talk.answer()
    assert text == "It says: ours: the museum"
    assert [item["type"] for item in output] == ["message"]


# ---- over real sockets ----------------------------------------------------------------------------------------------


@pytest.fixture
def town() -> Iterator[str]:
    """The address of an MCP server, a program."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = subprocess.Popen([sys.executable, str(Path(mcp_program.__file__)), str(port)], stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}/mcp"
    program.terminate()
    program.wait(10)


@pytest.mark.programs
def test_the_official_client_and_server(town: str) -> None:
    """Streamable HTTP on loopback; a server that is still starting is asked again."""

    async def main() -> list[Any]:
        app = make_app(load_pipeline(None), Calling(), ServerSettings(mcp_allowed_urls=(town,)))
        runner = Runner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            tool = {**TOWN, "server_url": town, "authorization": "s3cret"}
            async with connected(url, output_modalities=["text"], tools=[tool]) as connection:
                async for event in connection:
                    if event.type == "mcp_list_tools.completed":
                        break
                content = [{"type": "input_text", "text": "open?"}]
                await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
                await connection.response.create()
                return await until(connection, "response.done")
        finally:
            await runner.cleanup()

    events = asyncio.run(main())
    call, message = events[-1].response.output
    assert (call.type, call.server_label, call.output) == ("mcp_call", "town", OPEN)
    assert message.content[0].text == f"It says: {OPEN}"
