"""Settings on their way into a session, each with the news that its prompt asks for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from voicepipe.characters.news import Headlines, asks_for_news
from voicepipe.events import AudioReceived, ClientMessage, SettingsChanged

__all__ = ["PromptPreparation"]


class PromptPreparation:
    """Gives what a client sends to `deliver`: at once, but for settings that need news, which go when it is there.

    What comes after such settings waits for them, except for sound: the user is heard meanwhile. How long that takes is
    bounded by the newsroom, how much may wait by the limit on messages.
    """

    def __init__(self, headline_news: Headlines, deliver: Callable[[ClientMessage], None]) -> None:
        self._headline_news, self._deliver = headline_news, deliver
        self._waiting: deque[ClientMessage] = deque()
        self._writing: asyncio.Task[None] | None = None

    def put(self, message: ClientMessage) -> None:
        if isinstance(message, AudioReceived) or (self._writing is None and not _needs_news(message)):
            return self._deliver(message)
        self._waiting.append(message)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="briefing")
        return None

    async def close(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])

    async def _write(self) -> None:
        try:
            while self._waiting:
                message = self._waiting[0]
                if isinstance(message, SettingsChanged) and message.system_prompt is not None:
                    message = replace(message, system_prompt=await self._headline_news.render(message.system_prompt))
                self._waiting.popleft()
                self._deliver(message)
        finally:
            self._writing = None


def _needs_news(message: ClientMessage) -> bool:
    return isinstance(message, SettingsChanged) and asks_for_news(message.system_prompt)
