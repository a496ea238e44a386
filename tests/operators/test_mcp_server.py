"""The tools of an MCP server as functions of the model: in this process, as a program, and over HTTP."""

from __future__ import annotations

import asyncio
import importlib
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reactivex import Observable
from reactivex.operators import share
from structlog.testing import capture_logs

from voicepipe import Event, Session, merge
from voicepipe import operators as ops
from voicepipe.events import FunctionCall, FunctionReturned
from voicepipe.operators import McpServer
from voicepipe.operators.tool_source import together
from voicepipe.presets import ENDPOINTING, GAPS, INTERRUPTION, MCP, PLAYBACK, TOOLS
from voicepipe.rx import LoopScheduler
from voicepipe.session import Pipeline
from voicepipe.testing import Marbles, Scenario, run

mcp = pytest.importorskip("mcp", reason="needs the extra mcp")
mcp_program = importlib.import_module("mcp_program")
StdioServerParameters = mcp.StdioServerParameters

PROGRAM = StdioServerParameters(command=sys.executable, args=[str(Path(mcp_program.__file__))])
HOURS = FunctionCall("1", "opening_hours", '{"place": "the museum"}')
OPEN = "the museum is open from nine to five"


def in_process(**options: Any) -> McpServer:
    return McpServer("town", mcp_program.make(), MCP, **{"allow": None, **options})


async def until(holds: Callable[[], bool], within_s: float) -> None:
    """Return when it holds; nothing tells a caller that the list of tools has changed."""
    for _ in range(round(within_s * 100)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


@asynccontextmanager
async def connected(server: McpServer, within_s: float = 20) -> AsyncIterator[McpServer]:
    """Hold the connection as a session does; it is there when the tools are."""
    scheduler = LoopScheduler(asyncio.get_running_loop())
    holding = server.connection.subscribe(scheduler=scheduler)
    try:
        await until(lambda: bool(server.functions), within_s)
        yield server
    finally:
        holding.dispose()
        await asyncio.wait(scheduler.tasks.copy())


def call(server: McpServer, *calls: FunctionCall, deadline_s: float = 5) -> Any:
    """Return a coroutine of the results of calls, one after the other."""

    async def main() -> list[str]:
        async with connected(server):
            return [(await server.run(one, deadline_s=deadline_s)).text for one in calls]

    return main()


# ---- in this process, in virtual time --------------------------------------------------------------------------------


def pipeline_with(server: McpServer) -> Pipeline:
    def pipeline(session: Session) -> Observable[Event]:
        mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
        heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
        turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())
        reply = ops.replying(ops.with_tools(session.llm, server, TOOLS), session.tts, PLAYBACK)
        spoken = turns.pipe(ops.respond(reply, INTERRUPTION))
        return merge(heard, turns, spoken, server.connection).pipe(ops.encode(session.codec))

    return pipeline


def test_the_model_calls_a_tool_and_speaks_of_its_result() -> None:
    """A whole conversation; the connection ends with its session, and the next one makes a new one."""
    server = in_process()
    for _ in range(2):
        scene = Scenario("Opening hours").llm_calls("is it open", "opening_hours", {"place": "the museum"})
        scene.llm(OPEN, "Until five.").at(2).user_says("is it open").by(5, times=1).bot_says("Until five.")
        assert run(scene, pipeline_with(server)).of(FunctionReturned)[0].output == OPEN
        assert server.functions == ()


def test_a_call_goes_on_after_a_barge_in() -> None:
    """Its result is in the conversation when it comes, as one of a Python function is."""
    server = in_process()
    scene = Scenario("Waiting").llm_calls("wait for me", "wait", {"seconds": 6}).llm("no never mind", "As you wish.")
    scene.at(2).user_says("wait for me").at(4.5).user_says("no never mind").by(8).bot_says("As you wish.")
    scene.by(10).function_returns("wait")
    run(scene, pipeline_with(server))


def test_a_tool_is_described_to_the_model(marbles: Marbles) -> None:
    """Its name has only letters that a model accepts."""

    async def main() -> Any:
        async with connected(in_process()) as server:
            return {function.name: function for function in server.functions}

    functions = marbles.run(main())
    assert list(functions) == ["opening_hours", "tickets_free", "close_town", "wait", "chronicle"]
    assert functions["opening_hours"].description == "The opening hours of a place."
    assert functions["opening_hours"].parameters["properties"]["place"]["type"] == "string"
    assert functions["opening_hours"].parameters["required"] == ["place"]


def test_only_what_is_allowed_is_offered_and_run(marbles: Marbles) -> None:
    """And what is allowed and not there is in the log."""
    server = in_process(allow=("opening_hours", "swim"))
    with capture_logs() as logs:
        told = marbles.run(call(server, HOURS, FunctionCall("2", "close_town")))
    assert told == [OPEN, '{"error": "close_town is not available at the moment"}']
    (log,) = [one for one in logs if one["event"] == "mcp.connected"]
    assert (log["functions"], log["missing"]) == (["opening_hours"], ["swim"])


def test_results_and_errors_are_what_the_model_reads(marbles: Marbles) -> None:
    """Never an exception, and not more than a model should read."""
    told = marbles.run(
        call(
            in_process(),
            FunctionCall("1", "tickets_free", '{"day": "monday"}'),
            FunctionCall("2", "close_town"),
            FunctionCall("3", "opening_hours", "{}"),
            FunctionCall("4", "opening_hours", "[1]"),
            FunctionCall("5", "wait", '{"seconds": 60}'),
            FunctionCall("6", "chronicle"),
            deadline_s=2,
        )
    )
    assert json.loads(told[0]) == {"monday": 7}
    assert "the town cannot be closed" in json.loads(told[1])["error"]
    assert "place" in json.loads(told[2])["error"]
    assert told[3:5] == ['{"error": "the arguments are not a JSON object"}', '{"error": "no result within 2 s"}']
    assert told[5] == "x" * 8000 + " … (cut: 20000 characters)"


def test_python_functions_and_tools_together(marbles: Marbles) -> None:
    """Of two with one name the first one counts; an unknown one is named with what there is."""

    def opening_hours() -> str:
        """Ours."""
        return "ours"

    async def main() -> Any:
        async with connected(in_process(allow=("opening_hours", "wait"))) as server:
            box = together([opening_hours, server])
            calls = [FunctionCall("1", "opening_hours"), FunctionCall("2", "swim")]
            outcomes = [await box.run(one, deadline_s=2) for one in calls]
            return [function.name for function in box.functions], [outcome.text for outcome in outcomes]

    names, told = marbles.run(main())
    assert names == ["opening_hours", "wait"]
    assert told == ["ours", '{"error": "there is no function \'swim\', only opening_hours, wait"}']


def test_a_server_that_cannot_be_reached_is_tried_again(marbles: Marbles) -> None:
    """The conversation goes on without its tools, and the log says why."""
    server = McpServer("gone", StdioServerParameters(command="/nowhere/server"), replace(MCP, retry_s=1), allow=None)

    async def main() -> Any:
        scheduler = LoopScheduler(asyncio.get_running_loop())
        holding = server.connection.subscribe(scheduler=scheduler)
        await asyncio.sleep(2.5)
        told = (await server.run(HOURS, deadline_s=1)).text
        holding.dispose()
        await asyncio.wait(scheduler.tasks.copy())
        return told

    with capture_logs() as logs:
        assert marbles.run(main()) == '{"error": "opening_hours is not available at the moment"}'
    tried = [one for one in logs if one["event"] == "mcp.unreachable"]
    assert len(tried) == 3
    assert tried[0]["error"].startswith("FileNotFoundError")


# ---- as a program, and over HTTP -------------------------------------------------------------------------------------


@pytest.mark.programs
def test_a_program_on_its_standard_input_and_output() -> None:
    """One for two sessions; it ends with the last one."""
    server = McpServer("town", PROGRAM, MCP, allow=("opening_hours",))

    async def main() -> list[str]:
        async with connected(server), connected(server):
            return [(await server.run(HOURS, deadline_s=5)).text for _ in range(2)]

    assert asyncio.run(main()) == [OPEN, OPEN]


@pytest.fixture
def http_server() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = subprocess.Popen([sys.executable, *PROGRAM.args, str(port)], stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}/mcp", program
    program.terminate()
    program.wait(10)


@pytest.mark.programs
def test_a_server_over_http(http_server: tuple[str, subprocess.Popen[bytes]]) -> None:
    """It is still starting when the session begins; when it is gone, a call is an error, and no tool is offered."""
    url, program = http_server
    server = McpServer("town", url, replace(MCP, retry_s=0.2), allow=None, headers={"Authorization": "Bearer any"})

    async def main() -> list[str]:
        async with connected(server, within_s=40):
            told = [(await server.run(HOURS, deadline_s=5)).text]
            program.kill()
            program.wait()
            told.append((await server.run(HOURS, deadline_s=5)).text)
            await until(lambda: not server.functions, 5)
            return told

    first, second = asyncio.run(main())
    assert first == OPEN
    assert "error" in json.loads(second)
