"""Functions of the client, called by a model behind OpenAI's API: by hand with openai-python, by themselves with
openai-agents and the clients on Node.js.

The whole way: tools of the session, the model's request, its call piece by piece, what the client says that it gave,
and the answer that is spoken.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai_agents
import pytest
from microphone import speak
from openai_agents import agents, realtime, transcripts
from openai_python import beta_connected, connected, kinds, sound, talking, text, until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e functions")]

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "name": "weather", "description": "How warm it is.", "parameters": CITY}
WARM = "Is it warm in Paris?"
MEANWHILE = "Look, and tell me meanwhile."


def output(call_id: str, given: str = "21 degrees") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": given}


async def say(connection: Any, said: str) -> None:
    await connection.conversation.item.create(item=text(said))
    await connection.response.create()


def of(events: list[Any], kind: str) -> list[Any]:
    return [event for event in events if event.type == kind]


# ---- openai-python, GA ----------------------------------------------------------------------------------------------


async def test_a_call_from_end_to_end(server: str) -> None:
    """Every event in its place with every field; what the client says that it gave is what is spoken."""
    async with connected(server, tools=[TOOL]) as connection:
        await say(connection, WARM)
        events = await until(connection, "response.done")
        assert kinds(events)[2:] == [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
        ]
        (response,), (call,) = (
            [one.response for one in of(events, "response.done")],
            of(events, "response.output_item.done"),
        )
        deltas, (done,) = (
            of(events, "response.function_call_arguments.delta"),
            of(events, "response.function_call_arguments.done"),
        )
        where = {(one.response_id, one.item_id, one.output_index, one.call_id) for one in [*deltas, done]}
        assert where == {(response.id, call.item.id, 0, call.item.call_id)}
        assert len(deltas) > 3
        assert "".join(delta.delta for delta in deltas) == done.arguments == call.item.arguments == '{"city": "Paris"}'
        assert (done.name, call.item.name, call.item.type, call.item.status) == (
            "weather", "weather", "function_call", "completed"
        )  # fmt: skip
        added = of(events, "response.output_item.added")[0].item
        assert (added.id, added.call_id, added.status, added.arguments) == (
            call.item.id, call.item.call_id, "in_progress", ""
        )  # fmt: skip
        assert (response.status, response.output) == ("completed", [call.item])

        await connection.conversation.item.create(item=output(call.item.call_id))
        created = (await until(connection, "conversation.item.done"))[-1]
        assert (created.item.type, created.item.call_id, created.item.output) == (
            "function_call_output", call.item.call_id, "21 degrees"
        )  # fmt: skip
        assert created.previous_item_id == call.item.id
        await connection.response.create()
        events = await until(connection, "response.done")
    assert events[-1].response.output[0].content[0].transcript == "The result is 21 degrees"
    assert len(sound(events)) == 5 * 0.2 * 24_000 * 2


async def test_a_call_that_was_spoken_for(server: str) -> None:
    """The user asks by voice; the answer is asked for when the tool has been run."""
    async with connected(server, instructions="Use your functions.", tools=[TOOL]) as connection:
        microphone = talking(connection, speech_s=1.0, silence_s=1.0)
        events = await until(connection, "response.done")
        await microphone
        (call,) = events[-1].response.output
        await connection.conversation.item.create(item=output(call.call_id))
        await connection.response.create()
        done = (await until(connection, "response.done"))[-1].response
    assert [item.content[0].transcript for item in done.output] == ["The result is 21 degrees"]


async def test_an_output_while_the_preamble_is_still_sounding(server: str) -> None:
    """The call comes as soon as it is written; what is asked for then follows the words before the call, without an
    error, and nothing is said twice."""
    async with connected(server, tools=[TOOL]) as connection:
        await say(connection, MEANWHILE)
        events = await until(connection, "response.function_call_arguments.done")
        assert not of(events, "response.output_audio.done"), "it is still sounding"
        await connection.conversation.item.create(item=output(events[-1].call_id))
        await connection.response.create()
        events += await until(connection, "response.done")
        first = events[-1].response
        assert [item.type for item in first.output] == ["message", "function_call"]
        assert first.output[0].content[0].transcript == "One moment please, I am looking at the sky now."
        second = await until(connection, "response.done")
    assert second[-1].response.output[0].content[0].transcript == "The result is 21 degrees"
    assert len(sound(events)) == 10 * 0.2 * 24_000 * 2
    assert {delta.output_index for delta in of(events, "response.function_call_arguments.delta")} == {1}


async def test_several_calls_at_once(server: str) -> None:
    """Each with its place; outputs in any order, and then one answer."""
    async with connected(server, tools=[TOOL]) as connection:
        await say(connection, "Paris or Rome?")
        events = await until(connection, "response.done")
        calls = events[-1].response.output
        assert [json.loads(call.arguments)["city"] for call in calls] == ["Paris", "Rome"]
        assert [done.output_index for done in of(events, "response.output_item.done")] == [0, 1]
        for call, degrees in zip(reversed(calls), ("25", "21"), strict=True):
            await connection.conversation.item.create(item=output(call.call_id, degrees))
        await connection.response.create()
        done = (await until(connection, "response.done"))[-1].response
    assert done.output[0].content[0].transcript == "The result is 21, 25"


async def test_an_output_of_nothing(server: str) -> None:
    """A call that nobody knows is an error that names it, and the session goes on."""
    async with connected(server, tools=[TOOL]) as connection:
        await connection.conversation.item.create(item=output("call_gone"), event_id="mine")
        error = (await until(connection, "error"))[-1].error
        assert (error.code, error.param, error.event_id) == ("invalid_tool_call_id", "item.call_id", "mine")
        assert "call_gone" in error.message
        await say(connection, "What do you read?")
        done = (await until(connection, "response.done"))[-1].response
    assert done.output[0].content[0].transcript == "I have read that."


async def test_a_user_who_speaks_while_the_client_is_busy_is_answered(server: str) -> None:
    """And the output that comes afterwards can still be spoken of."""
    async with connected(server, tools=[TOOL]) as connection:
        await say(connection, WARM)
        call = (await until(connection, "response.done"))[-1].response.output[0]
        microphone = talking(connection, speech_s=0.8, silence_s=1.0)
        done = (await until(connection, "response.done"))[-1].response
        assert done.output[0].content[0].transcript == "Nice to meet you."
        await microphone
        await connection.conversation.item.create(item=output(call.call_id))
        await connection.response.create()
        done = (await until(connection, "response.done"))[-1].response
    assert done.output[0].content[0].transcript == "The result is 21 degrees"


async def test_functions_of_one_response(server: str) -> None:
    """Offered for this one only; a choice that is a must, or a must not."""
    async with connected(server) as connection:
        for wishes, kind in (
            ({"tools": [TOOL], "tool_choice": "required"}, "function_call"),
            ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "weather"}}, "function_call"),
            ({"tools": [TOOL], "tool_choice": "none"}, "message"),
            ({}, "message"),
        ):
            await connection.response.create(response={**wishes, "input": [text(WARM)]})
            done = (await until(connection, "response.done"))[-1].response
            assert [item.type for item in done.output] == [kind]


async def test_a_response_that_may_not_be_longer(server: str) -> None:
    """`max_output_tokens`: in mid-call it is incomplete, and so is the call, which nobody runs."""
    async with connected(server, tools=[TOOL]) as connection:
        await connection.response.create(response={"max_output_tokens": 3, "input": [text(WARM)]})
        events = await until(connection, "response.done")
    done = events[-1].response
    assert (done.status, done.status_details.reason) == ("incomplete", "max_output_tokens")
    assert [(item.type, item.status) for item in done.output] == [("function_call", "incomplete")]
    assert not of(events, "response.function_call_arguments.done")


# ---- openai-python, beta --------------------------------------------------------------------------------------------


async def test_beta_a_call_from_end_to_end(server: str) -> None:
    """Under the names of the beta form."""
    async with beta_connected(server, tools=[TOOL], tool_choice="auto") as connection:
        await say(connection, WARM)
        events = await until(connection, "response.done")
        assert kinds(events)[1:] == [
            "response.created",
            "response.output_item.added",
            "conversation.item.created",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.done",
        ]
        deltas, (done,) = (
            of(events, "response.function_call_arguments.delta"),
            of(events, "response.function_call_arguments.done"),
        )
        (call,) = events[-1].response.output
        where = {(one.response_id, one.item_id, one.output_index, one.call_id) for one in [*deltas, done]}
        assert where == {(events[-1].response.id, call.id, 0, call.call_id)}
        assert "".join(delta.delta for delta in deltas) == done.arguments == call.arguments == '{"city": "Paris"}'
        assert (call.type, call.name, call.status) == ("function_call", "weather", "completed")
        await connection.conversation.item.create(item=output(call.call_id))
        created = (await until(connection, "conversation.item.created"))[-1]
        assert (created.item.type, created.item.output, created.previous_item_id) == (
            "function_call_output", "21 degrees", call.id
        )  # fmt: skip
        await connection.response.create()
        done = (await until(connection, "response.done"))[-1].response
    assert done.output[0].content[0].transcript == "The result is 21 degrees"


# ---- openai-agents --------------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(url: str, agent: Any, **settings: Any) -> AsyncIterator[Any]:
    """A session of this agent."""
    model_config = {
        "url": f"{url}/v1/realtime?model=gpt-realtime".replace("http", "ws"),
        "api_key": "sk-any",
        "initial_model_settings": settings,
    }
    async with await realtime.RealtimeRunner(agent).run(model_config=model_config) as session:
        yield session


def weather(*, takes_s: float = 0.0) -> Any:
    async def weather(city: str) -> str:
        """The temperature in a city."""
        await asyncio.sleep(takes_s)
        return f"21 degrees in {city}"

    return agents.function_tool(weather)


def spoke(session: Any, words: str) -> Any:
    """An end of a reply, when these words have been heard."""
    return lambda event: event.type == "agent_end" and any(words in (said or "") for said in transcripts(session))


async def test_agents_run_their_functions(server: str) -> None:
    """By themselves; the application hears when they begin and end, and the user what they gave."""
    agent = realtime.RealtimeAgent(name="Anna", instructions="Be brief.", tools=[weather()])
    async with running(server, agent) as session:
        await session.send_message(WARM)
        events = await openai_agents.until(session, spoke(session, "21 degrees"))
        assert transcripts(session)[-1] == "The result is 21 degrees in Paris"
    start, end = (next(one for one in events if one.type == kind) for kind in ("tool_start", "tool_end"))
    assert (start.tool.name, json.loads(start.arguments)) == ("weather", {"city": "Paris"})
    assert end.output == "21 degrees in Paris"
    assert sum(len(event.audio.data) for event in events if event.type == "audio") == 7 * 0.2 * 24_000 * 2


async def test_agents_that_are_quick(server: str) -> None:
    """The output comes while the words before the call are still sounding."""
    agent = realtime.RealtimeAgent(name="Anna", instructions="Be brief.", tools=[weather()])
    async with running(server, agent) as session:
        await session.send_message(MEANWHILE)
        await openai_agents.until(session, spoke(session, "21 degrees"))
        said = "One moment please, I am looking at the sky now."
        assert transcripts(session) == [MEANWHILE, said, "The result is 21 degrees in Paris"]


async def test_agents_that_have_much_to_do(server: str) -> None:
    """Two calls in one answer: they ask for an answer after each output, one after the other."""
    agent = realtime.RealtimeAgent(name="Anna", instructions="Be brief.", tools=[weather()])
    async with running(server, agent) as session:
        await session.send_message("Paris or Rome?")
        events = await openai_agents.until(session, spoke(session, "21 degrees in Paris, 21 degrees in Rome"))
    assert [event.type for event in events if event.type.startswith("tool_")].count("tool_end") == 2


async def test_agents_hand_over(server: str) -> None:
    """A handoff is a function call, too: the session gets other instructions, and goes on."""
    ben = realtime.RealtimeAgent(name="Ben", instructions="You are Ben.", tools=[weather()])
    anna = realtime.RealtimeAgent(name="Anna", instructions="You are Anna.", handoffs=[ben])
    async with running(server, anna) as session:
        await session.send_message("Ben, please.")
        events = await openai_agents.until(session, spoke(session, "I am Ben."))
        (handoff,) = [event for event in events if event.type == "handoff"]
        assert (handoff.from_agent.name, handoff.to_agent.name) == ("Anna", "Ben")
        await session.send_message(WARM)
        await openai_agents.until(session, spoke(session, "I am Ben."))


async def test_agents_whose_user_speaks_meanwhile(server: str) -> None:
    """A user who speaks while the function runs is answered; its result is told afterwards."""
    agent = realtime.RealtimeAgent(name="Anna", instructions="Be brief.", tools=[weather(takes_s=2.0)])
    async with running(server, agent) as session:
        await session.send_message(WARM)
        await openai_agents.until(session, lambda event: event.type == "tool_start")
        microphone = asyncio.create_task(speak(session.send_audio, speech_s=0.6, silence_s=2.5))
        await openai_agents.until(session, spoke(session, "Nice to meet you."))
        await openai_agents.until(session, spoke(session, "The result is"))
        await microphone


# ---- on Node.js -----------------------------------------------------------------------------------------------------

ONE_MOMENT = "One moment please, I am looking at the sky now."
RESULT = "The result is 21 degrees in Paris"


def test_agents_js_run_their_functions(node, server: str) -> None:
    """By themselves, with a schema of zod's; the history has the call as completed."""
    seen = node("agents_tools.mjs", server, "call")
    assert (seen["errors"], seen["ran"], seen["said"]) == ([], ["Paris"], [RESULT])
    assert (seen["started"], seen["ended"]) == (["weather"], ["21 degrees in Paris"])
    assert sorted(seen["tools"]) == ["transfer_to_Ben", "weather"]
    assert seen["history"] == [["message", "completed"], ["function_call", "completed"], ["message", "completed"]]
    assert seen["sound"] == 7 * 0.2 * 24_000 * 2


def test_agents_js_that_are_quick(node, server: str) -> None:
    """The words before the call are heard to their end, and then the answer."""
    seen = node("agents_tools.mjs", server, "meanwhile")
    assert (seen["errors"], seen["ran"], seen["said"]) == ([], ["Paris"], [ONE_MOMENT, RESULT])


def test_agents_js_that_have_much_to_do(node, server: str) -> None:
    """Two calls in one answer."""
    seen = node("agents_tools.mjs", server, "two")
    assert (seen["errors"], sorted(seen["ran"])) == ([], ["Paris", "Rome"])
    assert seen["said"][-1] == f"{RESULT}, 21 degrees in Rome"


def test_agents_js_hand_over(node, server: str) -> None:
    """To another agent, with its instructions and functions."""
    seen = node("agents_tools.mjs", server, "handoff")
    assert (seen["errors"], seen["handoffs"], seen["said"]) == ([], [["Anna", "Ben"]], ["I am Ben."])
    assert seen["tools"] == ["weather"]


def test_agents_js_whose_user_speaks_meanwhile(node, server: str) -> None:
    """Is answered, and then told what the function gave."""
    seen = node("agents_tools.mjs", server, "busy")
    assert (seen["errors"], seen["ran"], seen["said"]) == ([], ["Paris"], ["Nice to meet you.", RESULT])


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        ("call", ['The result is "21 degrees in Paris"']),
        ("meanwhile", [ONE_MOMENT, 'The result is "21 degrees in Paris"']),
        ("fails", ["It did not work: no weather today."]),
        ("busy", ["Nice to meet you.", 'The result is "21 degrees in Paris"']),
    ],
)
def test_the_beta_reference_client_runs_its_functions(node, server: str, scene: str, said: list[str]) -> None:
    """By itself, and asks for an answer at once, whatever is being said: it knows nothing of a turn."""
    seen = node("beta_tools.mjs", server, scene)
    assert (seen["errors"], seen["ran"]) == ([], ["Paris"])
    assert seen["said"][-len(said) :] == said
    assert (seen["call"]["name"], json.loads(seen["call"]["arguments"])) == ("weather", {"city": "Paris"})
    assert ["function_call", "completed"] in seen["items"]
    assert ["function_call_output", "completed"] in seen["items"]


def test_the_beta_reference_client_has_much_to_do(node, server: str) -> None:
    """It asks for an answer after each of two outputs: the second one has both."""
    seen = node("beta_tools.mjs", server, "two")
    assert (seen["errors"], seen["ran"]) == ([], ["Paris", "Rome"])
    assert seen["said"][-1] == 'The result is "21 degrees in Paris", "21 degrees in Rome"'


# ---- with functions of the pipeline's own ---------------------------------------------------------------------------


async def test_functions_of_the_pipeline_are_its_own_affair(concierge: str) -> None:
    """The client hears the filler and the answer, and knows of no call."""
    async with connected(concierge, tools=[TOOL]) as connection:
        await say(connection, "Is there a table for two?")
        events = await until(connection, "response.done")
    done = events[-1].response
    assert [item.type for item in done.output] == ["message"]
    assert done.output[0].content[0].transcript == 'Let me see. The result is ["18:30","20:15"]'
    assert not [event for event in events if "function" in event.type]


async def test_functions_of_both_in_one_answer(concierge: str) -> None:
    """Ours is run here, theirs there; the answer that they ask for knows of both."""
    async with connected(concierge, tools=[TOOL]) as connection:
        await say(connection, "Is there a table, and is it warm?")
        events = await until(connection, "response.done")
        calls = [item for item in events[-1].response.output if item.type == "function_call"]
        assert [call.name for call in calls] == ["weather"]
        await connection.conversation.item.create(item=output(calls[0].call_id))
        await connection.response.create()
        done = (await until(connection, "response.done"))[-1].response
    assert done.output[0].content[0].transcript == 'The result is ["18:30","20:15"], 21 degrees'
