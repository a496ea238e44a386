"""A hosted language model with the client of OpenAI's API: real sockets, virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from hosted import KEY, EchoLlm, hosting
from kyutai import running

from voicepipe.conversation import Conversation
from voicepipe.engine.network import NetworkLlm
from voicepipe.engine.settings import EngineSettings
from voicepipe.events import TokensCounted
from voicepipe.host.chat import BadRequest, conversation_of
from voicepipe.testing import VirtualLoop


async def answer(url: str, said: str) -> tuple[str, list[Any]]:
    """Ask as a gateway does; return the text, and the events behind it."""
    settings = EngineSettings(llm_url=url, llm_api_key=KEY, llm_warm=False, llm_retries=0)
    async with aiohttp.ClientSession() as http:
        llm = NetworkLlm.make(url, settings, lambda: http).llm
        talk = Conversation("Be brief.").user_said(said)
        async with running(lambda _: llm(talk)) as told:
            await asyncio.wait_for(told.ended.wait(), 20)
            if told.error is not None:
                raise told.error
            pieces = [one.event for one in told.told]
    return "".join(piece for piece in pieces if isinstance(piece, str)), pieces


def test_an_answer_is_streamed_with_its_tokens(virtual_loop: VirtualLoop) -> None:
    async def main() -> tuple[str, list[Any]]:
        async with hosting(EchoLlm) as host:
            said = await answer(host.url, "good morning to you")
            await host.slots.emptied()
            return said

    text, pieces = virtual_loop.run(main())
    assert text.strip() == "good morning to you"
    assert TokensCounted(7, 3, 2) in pieces


def test_an_answer_in_one_piece(virtual_loop: VirtualLoop) -> None:
    async def main() -> Any:
        async with hosting(EchoLlm) as host, aiohttp.ClientSession() as http:
            body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]}
            headers = {"Authorization": f"Bearer {KEY}"}
            async with http.post(f"{host.url}/v1/chat/completions", json=body, headers=headers) as response:
                return await response.json()

    whole = virtual_loop.run(main())
    assert whole["choices"][0]["message"]["content"] == "hello "
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole["usage"]["total_tokens"] == 10


def test_a_full_host_refuses_with_503_at_once(virtual_loop: VirtualLoop) -> None:
    async def main() -> tuple[int, str | None]:
        async with hosting(EchoLlm, capacity=1) as host, aiohttp.ClientSession() as http:
            place = host.slots.take()
            headers = {"Authorization": f"Bearer {KEY}"}
            async with http.post(f"{host.url}/v1/chat/completions", json={}, headers=headers) as response:
                place.release()
                return response.status, response.headers.get("Retry-After")

    assert virtual_loop.run(main()) == (503, "1")


def test_a_model_that_fails_is_an_error_without_its_words(virtual_loop: VirtualLoop) -> None:
    async def main() -> None:
        async with hosting(EchoLlm) as host:
            with pytest.raises(Exception, match="LLM") as failed:
                await answer(host.url, "break")
            assert "the model broke" not in str(failed.value)
            await host.slots.emptied()

    virtual_loop.run(main())


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ([], "JSON object"),
        ({}, "`messages`"),
        ({"messages": []}, "`messages`"),
        ({"messages": ["hi"]}, "has to be an object"),
        ({"messages": [{"role": "king", "content": "hi"}]}, "there is no role 'king'"),
        ({"messages": [{"role": "user", "content": 7}]}, "`content`"),
        ({"messages": [{"role": "user", "content": "a"}], "max_tokens": "many"}, "an option"),
        ({"messages": [{"role": "user", "content": "a"}], "tools": [{"type": "function"}]}, "an option"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "without 'function'"),
        ({"messages": [{"role": "user", "content": "a"}] * 1001}, "1000 messages"),
    ],
)
def test_a_request_that_is_wrong_says_how(body: Any, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        conversation_of(body)


def test_a_conversation_with_a_call_and_its_result() -> None:
    asked = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How warm is it?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "warmth", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "20 degrees"},
        ],
        "tools": [{"type": "function", "function": {"name": "warmth", "parameters": {"type": "object"}}}],
        "max_completion_tokens": 50,
    }
    talk = conversation_of(asked)
    assert talk.system_prompt == "Be brief."
    assert [message.role for message in talk.messages] == ["user", "assistant", "tool"]
    assert (talk.messages[1].call and talk.messages[1].call.name) == "warmth"
    assert talk.generation.functions[0].name == "warmth"
    assert talk.generation.max_tokens == 50
