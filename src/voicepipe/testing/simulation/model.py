"""The language model of a simulated user and of a judge: a scripted one, or any OpenAI-compatible service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import aiohttp
from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.events import Event
from voicepipe.llm import Deadlines, OpenAi, OpenAiLlm, Retries, whole
from voicepipe.rx import LoopScheduler

__all__ = ["Ask", "ChatModel", "collected"]

Ask: TypeAlias = Callable[[Conversation], Awaitable[str]]
"""Returns a model's whole answer to a conversation. An exception ends the run with it."""

MAX_TOKENS = 300
"""Enough for two spoken sentences, or a verdict with its reason."""
ANSWER_S = 60.0
"""The time for an answer of a service, in real seconds: a large model in the machine itself takes some."""


async def collected(answer: Observable[str | Event]) -> str:
    """Return the text of an answer when it is complete. Raises what the model raises."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    texts = list[str]()

    def end(error: Exception | None = None) -> None:
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)

    def take(item: str | Event) -> None:
        if isinstance(item, str):
            texts.append(item)

    subscription = answer.subscribe(take, end, end, scheduler=LoopScheduler(loop))
    try:
        await done
    finally:
        subscription.dispose()
    return "".join(texts).strip()


class ChatModel:
    """A model behind an OpenAI-compatible API, asked in a thread with a loop of its own: in virtual time as well.

    There a request takes no virtual time.

    Args:
        url: The service's address, with or without `/v1`.
        model: The model's name; None is the only one that the service has.
        api_key: The key; None where the service wants none.
        temperature: The sampling temperature. 0 repeats itself as far as the service can.
    """

    def __init__(
        self, url: str, model: str | None = None, *, api_key: str | None = None, temperature: float = 0.7
    ) -> None:
        self._options = OpenAi(
            url=url,
            model=model,
            api_key=api_key,
            max_tokens=MAX_TOKENS,
            opening_temperature=temperature,
            temperature=temperature,
            history=whole,
            deadlines=Deadlines(connect_s=5, first_text_s=ANSWER_S, next_text_s=ANSWER_S),
            retries=Retries(times=2, longest_wait_s=5),
        )

    async def __call__(self, conversation: Conversation) -> str:
        return await asyncio.to_thread(lambda: asyncio.run(self._ask(conversation)))

    async def _ask(self, conversation: Conversation) -> str:
        async with aiohttp.ClientSession() as http:
            return await collected(OpenAiLlm(self._options, lambda: http)(conversation))
