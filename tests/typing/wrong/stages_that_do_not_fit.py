"""Combinators of stages that do not take the same, and boundaries without their parameters."""

from collections.abc import AsyncIterator

from voicepipe import Conversation, Event, Llm, Overflow, Stage, async_stage
from voicepipe import operators as ops
from voicepipe.events import Audio, ReplyAudio, ReplyText, WordRecognised


async def remote(items: AsyncIterator[Audio]) -> AsyncIterator[WordRecognised]:
    async for _ in items:
        yield WordRecognised("a", 0, 1)


def reply(llm: Llm, tts: Stage[ReplyText, ReplyAudio | Event], words: Stage[Audio, WordRecognised]) -> None:
    said = llm(Conversation())
    said.pipe(ops.by_clause(first_words=1, min_words=1, max_words=2))  # error: reportArgumentType
    said.pipe(ops.split_words(), words)  # error: reportArgumentType
    said.pipe(ops.split_words(), tts)  # error: reportArgumentType
    ops.fallback(tts, tts)  # error: reportArgumentType
    ops.fallback(tts, words, remembers=64)(said)  # error: reportArgumentType
    ops.hedge(llm, llm)  # error: reportCallIssue
    async_stage(remote, boundary="stt", overflow=Overflow.LATEST)  # error: reportCallIssue
    said.pipe(
        async_stage(remote, boundary="stt", capacity=1, overflow=Overflow.LATEST)  # error: reportArgumentType
    )
    ops.detect_turns(pause_above=0.6)  # error: reportCallIssue
