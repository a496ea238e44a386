"""Keep a model loaded: a local server unloads a model that is not used, and takes up to half a minute to load it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import structlog

from voicepipe.conversation import GREETING, Conversation
from voicepipe.events import Generation
from voicepipe.llm.errors import LlmError, LlmSaidNothing
from voicepipe.llm.openai.client import OpenAiLlm

__all__ = ["KeepWarm"]

log = structlog.get_logger()

_ONE_TOKEN = replace(Conversation().user_said(GREETING), generation=Generation(max_tokens=1))


class KeepWarm:
    """Requests one token of a model at the start, and when a session opens after a while without an answer.

    The request also opens the connection. It is the only one at a time, never awaited by a session, and not dropped
    before it is answered: a server that is loading its model for a request forgets it when the request is dropped.

    Args:
        llm: The model.
        after_s: The time without an answer after which a session's opening requests a token.
    """

    def __init__(self, llm: OpenAiLlm, *, after_s: float) -> None:
        self._llm, self._after_s = llm, after_s
        self._started = False
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Warm the model, and do so from now on. On the running loop."""
        self._started = True
        self.session_opens()

    def session_opens(self) -> None:
        """Warm the model, unless it was used lately."""
        if not self._started or self._running is not None or self._is_warm():
            return
        self._running = asyncio.get_running_loop().create_task(self._warm(), name="LLM: warm")
        self._running.add_done_callback(self._done)

    async def close(self) -> None:
        """Stop the request that is under way."""
        self._started, running = False, self._running
        if running is not None:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    def _is_warm(self) -> bool:
        answered_s = self._llm.answered_s
        return answered_s is not None and asyncio.get_running_loop().time() - answered_s < self._after_s

    async def _warm(self) -> None:
        clock: Callable[[], float] = asyncio.get_running_loop().time
        began_s = clock()
        try:
            await self._llm.request(_ONE_TOKEN)
        except LlmSaidNothing:
            pass  # one token of a model that reasons is no word
        except LlmError as error:
            log.warning("llm.not_warm", reason=str(error))
            return
        log.info("llm.warm", after_s=round(clock() - began_s, 2))

    def _done(self, _: asyncio.Task[None]) -> None:
        self._running = None
