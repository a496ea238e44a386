"""The language model for tests, where it calls functions: what it streams, and what it refuses as OpenAI does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from voicepipe.events import FunctionCall
from voicepipe.testing import VirtualLoop
from voicepipe.testing.servers import Fails, LlmServer
from voicepipe.testing.servers.chat_rules import BadRequest, check

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
TIME = {"type": "function", "function": {"name": "time"}}
HI = {"role": "user", "content": "hi"}
CALL = FunctionCall("c1", "weather", '{"city": "Paris"}')


def called(call_id: str = "c1") -> dict[str, Any]:
    function = {"name": "weather", "arguments": '{"city": "Paris"}'}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
    }


def returned(content: Any = "21 °C", call_id: str = "c1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def request(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": "fake", "messages": list(messages), **more}


async def ask(server: LlmServer, body: Any) -> tuple[int, Any]:
    """Its status, and the answer: the events of a stream, or the whole."""
    data = body if isinstance(body, str) else json.dumps(body)
    url = f"{server.url}/v1/chat/completions"
    async with aiohttp.ClientSession() as http, http.post(url, data=data) as response:
        if response.content_type != "text/event-stream":
            return response.status, await response.json()
        lines = (await response.text()).splitlines()
        return response.status, [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def choices(events: list[Any]) -> list[Any]:
    """Return the choices with text."""
    all_choices = [event["choices"][0] for event in events if event["choices"]]
    return [
        one
        for one in all_choices
        if one["finish_reason"] or any(one["delta"].get(k) for k in ("content", "tool_calls"))
    ]


@pytest.fixture
def asked(virtual_loop: VirtualLoop) -> Callable[..., Any]:
    """`asked(answers, body, …)`: what comes of each."""

    def run(answers: Any, *bodies: Any, **options: Any) -> list[Any]:
        async def main() -> list[Any]:
            async with LlmServer(answers, **options) as server:
                return [await ask(server, body) for body in bodies]

        return virtual_loop.run(main())

    return run


# ---- what it answers -------------------------------------------------------------------------------------------------


def test_a_call_comes_in_pieces(asked: Callable[..., Any]) -> None:
    """Its name and its id first, then its arguments, each piece with the call's index; and the reason at the end."""
    ((status, events),) = asked({"hi": CALL}, request(HI, tools=[WEATHER], stream=True))
    *pieces, end = choices(events)
    calls = [piece["delta"]["tool_calls"][0] for piece in pieces]
    assert status == 200
    assert calls[0] == {"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    assert all(set(call) == {"index", "function"} and set(call["function"]) == {"arguments"} for call in calls[1:])
    assert "".join(call["function"]["arguments"] for call in calls) == CALL.arguments
    assert len(calls) > 3
    assert end == {"index": 0, "delta": {}, "finish_reason": "tool_calls"}


def test_text_and_then_several_calls(asked: Callable[..., Any]) -> None:
    """Each has its index; one without an id is given one, another one each time."""
    answer = ["One moment.", FunctionCall("", "weather"), FunctionCall("", "time")]
    body = request(HI, tools=[WEATHER, TIME], stream=True)
    (_, first), (_, second) = asked({"hi": answer}, body, body)
    said, calls = choices(first)[:2], [one["delta"]["tool_calls"][0] for one in choices(first)[2:-1]]
    assert [one["delta"]["content"] for one in said] == ["One", " moment."]
    assert [(call["index"], call["function"].get("name")) for call in calls] == [
        (0, "weather"), (0, None), (1, "time"), (1, None)
    ]  # fmt: skip
    ids = [
        call["id"]
        for events in (first, second)
        for one in choices(events)
        for call in one["delta"].get("tool_calls", [])
        if "id" in call
    ]
    assert len(set(ids)) == 4


def test_a_call_in_one_piece(asked: Callable[..., Any]) -> None:
    """Not streamed: the content is null where nothing was said."""
    answers = {"hi": ["Well,", CALL], "so": CALL}
    so = request({"role": "user", "content": "so"}, tools=[WEATHER])
    (_, first), (_, second) = asked(answers, request(HI, tools=[WEATHER]), so)
    assert first["choices"][0]["message"] == {**called(), "content": "Well,"}
    assert second["choices"][0] == {"index": 0, "message": called(), "finish_reason": "tool_calls"}


def test_it_reads_what_the_functions_gave(asked: Callable[..., Any]) -> None:
    """Which is what was said last, of several calls with a comma, or it is repeated."""
    two = {**called(), "tool_calls": [*called()["tool_calls"], *called("c2")["tool_calls"]]}
    given = [HI, two, returned("21 °C"), returned("rain", "c2")]
    answers = {"21 °C, rain": "Take a coat."}
    (_, known), (_, unknown) = asked(answers, request(*given), request(HI, called(), returned("snow")))
    assert known["choices"][0]["message"]["content"] == "Take a coat."
    assert unknown["choices"][0]["message"]["content"] == "The result is snow"


def test_it_calls_only_what_it_is_offered(asked: Callable[..., Any]) -> None:
    """And nothing where it must not; who calls nothing has something to say."""
    bodies = [
        request(HI),
        request(HI, tools=[TIME]),
        request(HI, tools=[WEATHER], tool_choice="none"),
        request(HI, tools=[WEATHER, TIME], tool_choice={"type": "function", "function": {"name": "time"}}),
    ]
    *without, (_, named) = asked({"hi": [CALL, FunctionCall("c2", "time")]}, *bodies)
    said = [answer["choices"][0]["message"] for _, answer in without]
    assert said[0] == said[2] == {"role": "assistant", "content": "You said: hi"}
    assert [call["id"] for call in said[1]["tool_calls"]] == ["c2"]
    assert [call["id"] for call in named["choices"][0]["message"]["tool_calls"]] == ["c2"]
    assert named["choices"][0]["finish_reason"] == "stop"  # it had to, so that this is no reason


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_call_that_must_be_is_missed(asked: Callable[..., Any], choice: Any) -> None:
    """The script is at fault, and is told so: a model would have called something."""
    ((status, body),) = asked({"hi": "Hello!"}, request(HI, tools=[WEATHER], tool_choice=choice))
    assert status == 400
    assert body["error"]["message"] == "The script has no call of weather as an answer to 'hi'."
    ((status, _),) = asked({"hi": CALL}, request(HI, tools=[WEATHER], tool_choice=choice))
    assert status == 200


@pytest.mark.parametrize("key", ["max_tokens", "max_completion_tokens"])
def test_it_stops_where_it_must(asked: Callable[..., Any], key: str) -> None:
    """In mid-call, too, and says why; who is done at that very word has come to the end."""
    body = request(HI, tools=[WEATHER], stream=True, stream_options={"include_usage": True}, **{key: 3})
    longer = {**body, "messages": [{"role": "user", "content": "a b c"}]}
    (_, fits), (_, cut) = asked(None, body, longer)
    assert [choices(events)[-1]["finish_reason"] for events in (fits, cut)] == ["stop", "length"]
    assert [events[-1]["usage"]["completion_tokens"] for events in (fits, cut)] == [3, 3]
    ((_, events),) = asked({"hi": CALL}, body)
    *pieces, end = choices(events)
    assert [one["delta"]["tool_calls"][0]["function"]["arguments"] for one in pieces] == ["", '{"ci', 'ty":']
    assert end["finish_reason"] == "length"


def test_a_call_that_never_ends(virtual_loop: VirtualLoop) -> None:
    """Its arguments go on and on, whatever the limit."""

    async def main() -> list[Any]:
        async with LlmServer({"hi": ["Well,", CALL]}, token_s=0.05) as server:
            await server.fail(Fails.ENDLESS)
            body = request(HI, tools=[WEATHER], stream=True, max_tokens=1)
            url = f"{server.url}/v1/chat/completions"
            async with aiohttp.ClientSession() as http, http.post(url, json=body) as response:
                lines = [await response.content.readline() for _ in range(80)]
            return [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]

    pieces = [one["delta"]["tool_calls"][0] for one in choices(virtual_loop.run(main()))[1:]]
    assert {piece["index"] for piece in pieces} == {0}
    assert "".join(piece["function"]["arguments"] for piece in pieces).startswith(CALL.arguments * 3)


# ---- what it refuses -------------------------------------------------------------------------------------------------


def test_a_conversation_with_calls_is_right() -> None:
    """Each with its result, in any order, behind it; text beside a call; a wish for each thing."""
    two = {**called(), "content": "So:", "tool_calls": [*called()["tool_calls"], *called("c2")["tool_calls"]]}
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"$ref": "#/$defs/A"}},
            "b": {"anyOf": [{"type": "null"}, True]},
        },
        "required": ["a"],
        "$defs": {"A": {"type": ["string", "null"]}},
        "additionalProperties": False,
    }
    tool = {"type": "function", "function": {"name": "t-1", "description": "", "parameters": schema}}
    system = {"role": "system", "content": ""}
    said = [system, HI, two, returned("b", "c2"), returned("a"), {"role": "assistant", "content": "Fine."}, HI]
    check(request(*said, tools=[tool], tool_choice="auto", max_tokens=1, temperature=2, stream=True, stream_options={}))
    check(request(HI, max_tokens=None, chat_template_kwargs={}))


@pytest.mark.parametrize(
    ("messages", "says", "param"),
    [
        ([], "Invalid 'messages': empty array", "messages"),
        ("hi", "Invalid type, expected an array", "messages"),
        (None, "Missing required parameter", "messages"),
        ([7], "Invalid value: None", "messages.[0].role"),
        ([{"role": "bot", "content": ""}], "Invalid value: 'bot'", "messages.[0].role"),
        ([{"role": "user"}], "expected a string, got null", "messages.[0].content"),
        ([{"role": "user", "content": 7}], "expected a string, got int", "messages.[0].content"),
        ([HI, {"role": "assistant", "content": None}], "expected a string, got null", "messages.[1].content"),
        ([HI, called()], "did not have response messages: c1", "messages.[1].role"),
        ([HI, called(), HI], "did not have response messages: c1", "messages.[2].role"),
        ([HI, called(), called("c2"), returned()], "did not have response messages: c1", "messages.[2].role"),
        ([HI, called(), HI, returned()], "did not have response messages: c1", "messages.[2].role"),
        ([HI, returned()], "must be a response to a preceeding message", "messages.[1].role"),
        ([HI, called(), returned(), HI, returned()], "must be a response", "messages.[4].role"),
        ([HI, called(), returned(), returned()], "of 'c1' not found in 'tool_calls'", "messages.[3].tool_call_id"),
        ([HI, called(), returned(call_id="x")], "of 'x' not found in 'tool_calls'", "messages.[2].tool_call_id"),
        ([HI, called(), {"role": "tool", "content": ""}], "Missing parameter", "messages.[2].tool_call_id"),
        ([HI, called(), returned(None)], "expected a string, got null", "messages.[2].content"),
        ([HI, {**called(), "tool_calls": []}], "empty array", "messages.[1].tool_calls"),
        ([HI, called("")], "Duplicate value for 'tool_call_id' of ''", "messages.[1].tool_calls[0].id"),
        ([HI, {**called(), "tool_calls": called()["tool_calls"] * 2}], "Duplicate value",
         "messages.[1].tool_calls[1].id"),
        ([HI, {**called(), "tool_calls": [{"id": "c", "type": "function"}]}], "a tool call has",
         "messages.[1].tool_calls[0]"),
    ],
)  # fmt: skip
def test_messages_that_openai_refuses(messages: Any, says: str, param: str) -> None:
    """With the reason and the place."""
    with pytest.raises(BadRequest) as refused:
        check({"model": "fake", "messages": messages})
    assert says in refused.value.message
    assert refused.value.param == param


def tool(name: Any = "weather", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def takes(**properties: Any) -> dict[str, Any]:
    return tool(parameters={"type": "object", "properties": properties})


NAMED = {"type": "function", "function": {"name": "else"}}


@pytest.mark.parametrize(
    ("wish", "says", "param"),
    [
        ({"tools": []}, "empty array", "tools"),
        ({"tools": [tool(f"t{number}") for number in range(129)]}, "array too long", "tools"),
        ({"tools": [{"name": "weather"}]}, "a tool has", "tools[0]"),
        ({"tools": [tool("the weather")]}, "does not match pattern", "tools[0].function.name"),
        ({"tools": [tool("w" * 65)]}, "does not match pattern", "tools[0].function.name"),
        ({"tools": [tool(), tool()]}, "'weather' already", "tools[1].function.name"),
        ({"tools": [tool(description=None)]}, "Missing parameter", "tools[0].function.description"),
        ({"tools": [tool(parameters={})]}, "got 'type: \"None\"'", "tools[0].function.parameters"),
        ({"tools": [tool(parameters=None)]}, "got 'type: \"None\"'", "tools[0].function.parameters"),
        ({"tools": [takes(a={"type": "str"})]}, "'str' is not valid", "tools[0].function.parameters"),
        ({"tools": [takes(a={"type": "array"})]}, "('properties', 'a'), array schema missing items",
         "tools[0].function.parameters"),
        ({"tools": [takes(a={"type": "array", "items": [1]})]}, "is not of type", "tools[0].function.parameters"),
        ({"tools": [tool(parameters={"type": "object", "required": ["a"]})]}, "which is no property",
         "tools[0].function.parameters"),
        ({"tool_choice": "auto"}, "only allowed when 'tools' are specified", "tool_choice"),
        ({"parallel_tool_calls": True}, "only allowed when 'tools' are specified", "parallel_tool_calls"),
        ({"tools": [tool()], "tool_choice": "weather"}, "Invalid value: 'weather'", "tool_choice"),
        ({"tools": [tool()], "tool_choice": NAMED}, "Tool choice 'else' not found", "tool_choice"),
        ({"max_tokens": 0}, "expected a value >= 1, but got 0", "max_tokens"),
        ({"max_completion_tokens": "inf"}, "expected an integer", "max_completion_tokens"),
        ({"temperature": 2.1}, "expected a value <= 2", "temperature"),
        ({"temperature": True}, "expected a decimal", "temperature"),
        ({"stream_options": {}}, "only allowed when 'stream' is enabled", "stream_options"),
    ],
)  # fmt: skip
def test_wishes_that_openai_refuses(wish: dict[str, Any], says: str, param: str) -> None:
    """With the reason and the place."""
    with pytest.raises(BadRequest) as refused:
        check(request(HI, **wish))
    assert says in refused.value.message
    assert refused.value.param == param


def test_a_refusal_is_in_openais_form(asked: Callable[..., Any]) -> None:
    """Status 400, streamed or not; what is no JSON, too. It is written down with the others."""
    wrong, no_json, no_object = asked(None, request(HI, called(), stream=True), "{", "[]")
    assert [status for status, _ in (wrong, no_json, no_object)] == [400, 400, 400]
    assert set(wrong[1]["error"]) == {"message", "type", "param", "code"}
    assert wrong[1]["error"]["type"] == "invalid_request_error"
    assert no_json[1]["error"]["message"] == "We could not parse the JSON body of your request."


# ---- as OpenAI's own client reads it ---------------------------------------------------------------------------------


def test_openais_client_understands_it(virtual_loop: VirtualLoop) -> None:
    """Its helper puts the pieces together, and fails at what is not as it should be; so does what is not streamed."""
    openai = pytest.importorskip("openai", reason="needs openai")
    body = request(HI, tools=[WEATHER])

    async def main() -> list[Any]:
        async with (
            LlmServer({"hi": ["One moment.", CALL]}) as server,
            openai.AsyncOpenAI(api_key="sk-any", base_url=f"{server.url}/v1", max_retries=0) as client,
        ):
            async with client.chat.completions.stream(**body) as stream:
                kinds = [event.type async for event in stream]
                streamed = await stream.get_final_completion()
            whole = await client.chat.completions.create(**body)
            with pytest.raises(openai.BadRequestError, match="did not have response messages: c1") as refused:
                await client.chat.completions.create(**request(HI, called()))
            return [kinds, streamed.choices[0], whole.choices[0], refused.value.param]

    kinds, streamed, whole, param = virtual_loop.run(main())
    assert kinds.count("tool_calls.function.arguments.delta") > 3
    assert kinds.count("tool_calls.function.arguments.done") == 1
    for choice in (streamed, whole):
        (call,) = choice.message.tool_calls
        assert (call.id, call.function.name, call.function.arguments) == (CALL.id, CALL.name, CALL.arguments)
        assert (choice.message.content, choice.finish_reason) == ("One moment.", "tool_calls")
    assert param == "messages.[1].role"
