"""Functions that the client runs: a client of OpenAI's protocol, the default pipeline, and a model behind OpenAI's API
that refuses what OpenAI refuses, in virtual time."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fake_llm import options_for
from scripted_stages import HEARD, RATE_HZ, WORD_S, scripted_stages
from served import Engine

from voicepipe.conversation.chat_prompt import NO_RESULT, NOTED
from voicepipe.engine.http import Http
from voicepipe.events import FunctionCall
from voicepipe.llm.openai.client import OpenAiLlm
from voicepipe.loader import load_pipeline
from voicepipe.testing.servers import Fails, LlmServer

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "name": "weather", "description": "How warm it is.", "parameters": CITY}
PARIS = FunctionCall("c1", "weather", '{"city": "Paris"}')
PREAMBLE = "One moment please, I am looking at the sky now."
WARM, LOOK = "Is it warm?", "Look, and tell me meanwhile."
ANSWERS: dict[str, Any] = {WARM: PARIS, LOOK: [PREAMBLE, PARIS], HEARD: "Nice to meet you."}
ASK = {"type": "response.create"}


class Calling(Engine):
    """Stages of this model."""

    def __init__(self, llm: OpenAiLlm) -> None:
        super().__init__()
        self._llm = llm

    def stages(self) -> Any:
        return replace(scripted_stages(lambda _: "", super().stages().close), llm=self._llm)


class RealtimeClient:
    """A client that has functions, and hears everything in a task of its own, with its time."""

    def __init__(self, client: Any, model: LlmServer) -> None:
        self.client, self.model = client, model
        self.heard: list[tuple[float, dict[str, Any]]] = []
        self._news = asyncio.Event()
        self._hearing = asyncio.create_task(self._hear())

    async def send(self, *messages: dict[str, Any]) -> None:
        await self.client.send(*messages)

    async def say(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self.send({"type": "conversation.item.create", "item": item}, ASK)

    async def give(self, output: str = "21 degrees", call_id: str = "c1") -> None:
        """Send a function's result, and a request for an answer."""
        item = {"type": "function_call_output", "call_id": call_id, "output": output}
        await self.send({"type": "conversation.item.create", "item": item}, ASK)

    async def until(self, kind: str, times: int = 1) -> dict[str, Any]:
        """That event, the number `times` of this type."""
        async with asyncio.timeout(60):
            while len(found := self.of(kind)) < times:
                self._news.clear()
                await self._news.wait()
        return found[times - 1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for _, event in self.heard if event["type"] == kind]

    def times(self, kind: str) -> list[float]:
        return [at_s for at_s, event in self.heard if event["type"] == kind]

    async def speak(self, *, speech_s: float, silence_s: float) -> None:
        loud = (np.sin(np.arange(480) * 0.1) * 16_000).astype("<i2").tobytes()
        for number in range(round((speech_s + silence_s) * RATE_HZ / 480)):
            sound = loud if number * 480 / RATE_HZ < speech_s else bytes(960)
            await self.send({"type": "input_audio_buffer.append", "audio": base64.b64encode(sound).decode()})
            await asyncio.sleep(480 / RATE_HZ)

    @property
    def answers(self) -> list[tuple[str, str]]:
        """Of each response that is over, its status and what was said."""
        responses = [event["response"] for event in self.of("response.done")]
        return [(response["status"], _said(response)) for response in responses]

    async def _hear(self) -> None:
        loop = asyncio.get_running_loop()
        async for event in self.client.events():
            self.heard.append((loop.time(), event))
            self._news.set()


def _said(response: dict[str, Any]) -> str:
    parts = [part for item in response["output"] for part in item.get("content", [])]
    return " ".join(part.get("transcript") or part.get("text") or "" for part in parts)


Talking = Any


@pytest.fixture
def talking(serve) -> Talking:
    """`async with talking() as realtime`: a client that has offered its function."""

    @asynccontextmanager
    async def begin(**session: Any) -> AsyncIterator[RealtimeClient]:
        http = Http(keep_alive_s=60, resolve_every_s=60)
        async with LlmServer(ANSWERS, first_token_s=0.1, token_s=0.01) as model:
            options = options_for(model.url, max_tokens=100, first_text_s=3, next_text_s=1, times=0, longest_wait_s=0)
            engine = Calling(OpenAiLlm(options, http.session))
            async with serve(load_pipeline(None), engine) as served, served.connect(protocols=()) as client:
                realtime = RealtimeClient(client, model)
                settings = {"type": "realtime", "instructions": "Be brief.", "tools": [TOOL], **session}
                await realtime.send({"type": "session.update", "session": settings})
                await realtime.until("session.updated")
                yield realtime
            await http.close()

    return begin


async def test_a_call_and_its_answer(talking: Talking) -> None:
    """The model is offered what the client has, and reads what it gave behind its call."""
    async with talking() as realtime:
        await realtime.say(WARM)
        await realtime.until("response.done")
        await realtime.give()
        await realtime.until("response.done", 2)
        assert realtime.answers == [("completed", ""), ("completed", "The result is 21 degrees")]
        first, second = realtime.model.requests
    function = {key: value for key, value in TOOL.items() if key != "type"}
    assert first["tools"] == second["tools"] == [{"type": "function", "function": function}]
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "tool"]
    assert second["messages"][-1] == {"role": "tool", "tool_call_id": "c1", "content": "21 degrees"}


async def test_a_call_is_told_while_it_is_written(talking: Talking) -> None:
    """Each piece in its moment; the client may run it long before the words before it have been heard."""
    async with talking() as realtime:
        await realtime.say(LOOK)
        await realtime.until("response.done")
        called, over = realtime.times("response.function_call_arguments.done")[0], realtime.times("response.done")[0]
        assert over - called > len(PREAMBLE.split()) * WORD_S - 0.5
        deltas = realtime.times("response.function_call_arguments.delta")
        assert deltas == sorted(set(deltas))


async def test_an_answer_follows_the_words_before_the_call(talking: Talking) -> None:
    """It is asked for while they are heard; the model is asked when they have been."""
    async with talking() as realtime:
        await realtime.say(LOOK)
        await realtime.until("response.function_call_arguments.done")
        await realtime.give()
        await realtime.until("response.done", 2)
        assert realtime.answers == [("completed", PREAMBLE), ("completed", "The result is 21 degrees")]
        assert not realtime.of("error")
        (_, begun), (over, _) = realtime.times("response.created"), realtime.times("response.done")
        assert begun == pytest.approx(over, abs=0.001)
        said = realtime.model.requests[-1]["messages"][2]
    assert (said["content"], len(said["tool_calls"])) == (PREAMBLE, 1)


async def test_a_user_who_speaks_while_the_function_runs_is_answered(talking: Talking) -> None:
    """Meanwhile there is no result; and when it comes, it is what the model speaks of."""
    async with talking() as realtime:
        await realtime.say(WARM)
        await realtime.until("response.done")
        await realtime.speak(speech_s=0.6, silence_s=0.6)
        await realtime.until("response.output_audio.delta")
        await realtime.give()
        await realtime.until("response.done", 3)
        assert [said for _, said in realtime.answers] == ["", "Nice to meet you.", "The result is 21 degrees"]
        assert not realtime.of("error")
        _, meanwhile, after = (request["messages"] for request in realtime.model.requests)
    assert [message["content"] for message in meanwhile[-3:]] == [NO_RESULT, NOTED, HEARD]
    assert [message["role"] for message in after[1:]] == ["user", "assistant", "tool"]
    assert after[1]["content"] == f"{WARM} {HEARD}"
    assert (after[2]["content"], after[3]["content"]) == ("Nice to meet you.", "21 degrees")


async def test_the_words_before_a_call_are_interrupted(talking: Talking) -> None:
    """The words that should have followed do not come; the result is known all the same."""
    async with talking() as realtime:
        await realtime.say(LOOK)
        await realtime.until("response.function_call_arguments.done")
        await realtime.give()
        await realtime.speak(speech_s=0.6, silence_s=0.6)
        await realtime.until("response.done", 2)
        (cut, heard), (status, said) = realtime.answers
        assert (cut, status) == ("cancelled", "completed")
        assert PREAMBLE.startswith(heard)
        assert len(heard) < len(PREAMBLE)
        assert said == "Nice to meet you."
        told = realtime.model.requests[-1]["messages"]
        assert [message["role"] for message in told[1:]] == ["user", "assistant", "tool", "assistant", "user"]
        assert (told[2]["content"], told[3]["content"]) == (heard, "21 degrees")
        await realtime.say(WARM)
        await realtime.until("response.done", 3)
        assert not realtime.of("error")


async def test_a_cancelled_reply_is_not_followed(talking: Talking) -> None:
    """The client wants the bot to be silent; it can ask again."""
    async with talking() as realtime:
        await realtime.say(LOOK)
        await realtime.until("response.function_call_arguments.done")
        await realtime.give()
        await realtime.send({"type": "response.cancel"})
        await realtime.until("response.done")
        await asyncio.sleep(5)
        assert [status for status, _ in realtime.answers] == ["cancelled"]
        await realtime.send(ASK)
        await realtime.until("response.done", 2)
        assert realtime.answers[-1] == ("completed", "The result is 21 degrees")


async def test_in_writing(talking: Talking) -> None:
    """Without a sound it is the same."""
    async with talking(output_modalities=["text"]) as realtime:
        await realtime.say(LOOK)
        await realtime.until("response.done")
        await realtime.give()
        await realtime.until("response.done", 2)
        assert realtime.answers == [("completed", PREAMBLE), ("completed", "The result is 21 degrees")]
        assert not realtime.of("response.output_audio.delta")
        (item,) = realtime.of("response.done")[0]["response"]["output"][1:]
        assert (item["type"], json.loads(item["arguments"])) == ("function_call", {"city": "Paris"})


async def test_a_model_that_dies_in_mid_call(talking: Talking) -> None:
    """The response fails, its call is incomplete, and the next one is answered."""
    async with talking() as realtime:
        await realtime.model.fail(Fails.DIES, times=1)
        await realtime.say(WARM)
        response = (await realtime.until("response.done"))["response"]
        assert (response["status"], response["output"][0]["status"]) == ("failed", "incomplete")
        assert not realtime.of("response.function_call_arguments.done")
        await realtime.say("Hello?")
        await realtime.until("response.done", 2)
        assert realtime.answers[-1] == ("completed", "You said: Is it warm? Hello?")


async def test_wishes_reach_the_model(talking: Talking) -> None:
    """Limits, temperature and choice: of the session, and of one response."""
    async with talking(max_output_tokens=50, temperature=0.9) as realtime:
        await realtime.say(WARM)
        await realtime.until("response.done")
        wishes = {"max_output_tokens": 3, "tool_choice": "none", "temperature": 0}
        await realtime.send({**ASK, "response": wishes})
        response = (await realtime.until("response.done", 2))["response"]
        assert (response["status"], response["max_output_tokens"]) == ("incomplete", 3)
        asked = [(one["max_tokens"], one["temperature"], one["tool_choice"]) for one in realtime.model.requests]
    assert asked == [(50, 0.9, "auto"), (3, 0, "none")]
