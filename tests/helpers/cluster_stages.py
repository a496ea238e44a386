"""A language model for the replicas of a cluster whose answers last long enough for something to happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.events import Event
from voicepipe.rx import from_async

__all__ = ["BEGINS_S", "PacedLlm"]

BEGINS_S = 1.5


class PacedLlm:
    """Repeats what the user said last. To "seven" it begins after 1.5 s, and to "nine" it says twenty words slowly."""

    name = "paced"

    def llm(self, conversation: Conversation) -> Observable[str | Event]:
        return from_async(lambda: self._answer(conversation.messages[-1].text.split()), "LLM")

    async def _answer(self, words: list[str]) -> AsyncGenerator[str | Event, None]:
        await asyncio.sleep(BEGINS_S if "seven" in words else 0.05)
        for word in ["word"] * 20 if "nine" in words else words:
            yield f"{word} "
            await asyncio.sleep(0.25 if "nine" in words else 0)
