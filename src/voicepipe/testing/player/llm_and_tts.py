"""A scripted LLM that holds a real request open, and a scripted TTS that may fail or stall at a word."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from dataclasses import replace

import reactivex
from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.events import FunctionCalled
from voicepipe.rx import from_async
from voicepipe.stage import naming
from voicepipe.testing.marbles.services import Calls, ScriptedTts
from voicepipe.testing.marbles.sources import Scene
from voicepipe.testing.marbles.timeline import ScriptedError
from voicepipe.testing.player.script import ANYTHING, Answer, NotScripted, ServiceScript, last_said
from voicepipe.testing.servers.chat_rules import BadRequest, check_messages

__all__ = ["ScenarioLlm", "ScenarioTts"]


class ScenarioLlm(Calls):
    """An LLM that answers by the last message, as a service does: in a task of its own, closed on disposal.

    `Call.asked` is that message. A prompt that a strict chat template refuses fails with BadRequest. It calls functions
    that it is offered, and none if `choice` forbids it.
    """

    def __init__(self, scene: Scene, cast: ServiceScript) -> None:
        super().__init__(scene)
        self._cast = cast
        self._ids = itertools.count(1)
        self.missed: list[str] = []
        """The requests without a scripted answer, as sentences."""

    def __call__(self, conversation: Conversation) -> Observable[str | FunctionCalled]:
        said = last_said(conversation)
        try:
            check_messages(conversation.prompt(calls=True))
        except BadRequest as refused:
            return reactivex.throw(refused)
        return self.logged(lambda _: self._answer(said, conversation), asked=lambda: said).pipe(naming("LLM"))

    def _answer(self, said: str, asked: Conversation) -> Observable[str | FunctionCalled]:
        return from_async(lambda: self._talk(asked), f"LLM: {said!r}")

    def _scripted(self, asked: Conversation) -> Answer:
        try:
            answer, wanted = self._cast.answer_to(asked), asked.generation
        except NotScripted as error:
            self.missed.append(str(error))
            raise
        if answer.calls and wanted.choice == "none":
            return replace(answer, calls=()) if answer.text else self._cast.anything or ANYTHING
        for call in answer.calls:
            if call.name not in (offered := [function.name for function in wanted.functions]):
                raise LookupError(
                    f"the LLM is scripted to call {call.name}; it is offered {', '.join(offered) or 'none'}"
                )
        return answer

    async def _talk(self, asked: Conversation) -> AsyncGenerator[str | FunctionCalled]:
        answer = self._scripted(asked)
        finished = False
        try:
            await asyncio.sleep(answer.after_s)
            async for delta in _deltas(answer):
                yield delta
            for call in answer.calls:
                yield FunctionCalled(replace(call, id=f"call{next(self._ids)}"))
            finished = True
        finally:
            if not finished and self._cast.hang_up_s:
                await asyncio.sleep(self._cast.hang_up_s)


async def _deltas(answer: Answer) -> AsyncGenerator[str]:
    words = answer.text.split()
    for number, word in enumerate(words):
        await _break_off(answer, number)
        if number and answer.word_s:
            await asyncio.sleep(answer.word_s)
        yield word if number + 1 == len(words) else f"{word} "
    await _break_off(answer, len(words))


async def _break_off(answer: Answer, number: int) -> None:
    if number == answer.fails_after:
        raise ScriptedError("the scripted LLM was told to fail")
    if number == answer.stalls_after:
        await asyncio.get_running_loop().create_future()


class ScenarioTts(ScriptedTts):
    """A TTS that may fail or stall after a number of words of a reply, or at a given word."""

    def __init__(self, scene: Scene, cast: ServiceScript) -> None:
        super().__init__(
            scene,
            delay_ms=cast.tts_delay_s * 1000,
            ms_per_word=cast.tts_word_s * 1000,
            fail_at=cast.tts_fails_after,
            stall_at=cast.tts_stalls_after,
        )
        self._cast = cast

    def fails(self, number: int, word: str) -> bool:
        return super().fails(number, word) or word == self._cast.tts_fails_at

    def stalls(self, number: int, word: str) -> bool:
        return super().stalls(number, word) or word == self._cast.tts_stalls_at
