"""voicepipe's own client and its relay with voicepipe's own server: real sockets, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from served import Engine

from tests.server.test_realtime import Scripted
from voicepipe import operators as ops
from voicepipe.client import connect, events, relay
from voicepipe.loader import load_pipeline

FRAME_S = 0.02


async def until(conversation: Any, kind: type[Any], seen: list[Any]) -> Any:
    async for event in conversation:
        seen.append(event)
        if isinstance(event, kind):
            return event
    raise AssertionError(f"the conversation ended before any {kind.__name__}")


async def speak(conversation: Any, speech_s: float, silence_s: float) -> None:
    """In real time, though virtual."""
    for number in range(round((speech_s + silence_s) / FRAME_S)):
        loud = 0.5 if number * FRAME_S < speech_s else 0.0
        await conversation.send_audio(np.sin(np.arange(480) * 0.1).astype(np.float32) * np.float32(loud))
        await asyncio.sleep(FRAME_S)


def text(seen: list[Any]) -> str:
    return "".join(event.delta for event in seen if isinstance(event, events.TranscriptDelta))


async def test_a_broken_connection_takes_the_session_up_again(serve: Any) -> None:
    """In the middle of a reply: it goes on, each word comes once, and later turns are answered in the same session."""
    async with serve(load_pipeline(None), Scripted(words=30)) as served:
        seen: list[Any] = []
        async with connect(served.url) as conversation:
            created = await until(conversation, events.SessionCreated, seen)
            await conversation.say("Hello.")
            await conversation.respond()
            for _ in range(3):
                await until(conversation, events.TranscriptDelta, seen)
            connection = conversation._socket._socket._response.connection
            assert connection is not None
            assert connection.transport is not None
            connection.transport.abort()  # as a dying network does
            back = await until(conversation, events.Reconnected, seen)
            assert back.resumed
            done = await until(conversation, events.ResponseDone, seen)
            await conversation.say("And now?")
            await conversation.respond()
            await until(conversation, events.ResponseDone, seen)
        await served.empty()
    assert created.resume is not None
    assert created.resume.token not in repr(created)
    assert done.response.status == "completed"
    assert text(seen) == "".join([" ".join(["La"] * 30)] * 2)
    assert served.engine.made == 1


async def test_a_server_that_keeps_no_sessions_is_told_the_conversation(serve: Any) -> None:
    """It has restarted, or keeps none: the model knows what was said."""
    async with serve(load_pipeline(None), Scripted(words=2), session_resume_s=0) as served:
        seen: list[Any] = []
        async with connect(served.url, session={"instructions": "Be brief."}) as conversation:
            await conversation.say("Hello.")
            await conversation.respond()
            await until(conversation, events.ResponseDone, seen)
            connection = conversation._socket._socket._response.connection
            assert connection is not None
            assert connection.transport is not None
            connection.transport.abort()
            assert not (await until(conversation, events.Reconnected, seen)).resumed
            await conversation.say("And now?")
            await conversation.respond()
            await until(conversation, events.ResponseDone, seen)
        await served.empty()
    system, *said = served.engine.asked[-1]
    assert "Be brief." in system["content"]
    assert [(one["role"], one["content"]) for one in said] == [
        ("user", "Hello."),
        ("assistant", "La La"),
        ("user", "And now?"),
    ]


def relaying(url: str) -> Any:
    """A pipeline whose conversation another server leads."""

    def pipeline(session: Any) -> Any:
        return session.received.pipe(ops.decode(session.codec), relay(url), ops.encode(session.codec))

    return pipeline


async def test_a_question_through_a_relay(serve: Any) -> None:
    """Client → relay → default pipeline: the question's transcript, and the answer in sound and words, come back."""
    async with (
        serve(load_pipeline(None), Scripted(words=4)) as server,
        serve(relaying(server.url), Engine()) as relay_server,
    ):
        seen: list[Any] = []
        async with connect(relay_server.url) as conversation:
            speaking = asyncio.create_task(speak(conversation, 1, 6))
            heard = await until(conversation, events.TranscriptionCompleted, seen)
            await until(conversation, events.ResponseDone, seen)
            speaking.cancel()
        await relay_server.empty()
        await server.empty()
    assert heard.transcript
    assert text(seen) == "La La La La"
    assert sum(len(event.data) for event in seen if isinstance(event, events.AudioDelta)) > 0
    kinds = [event.type for event in seen]
    order = ["input_audio_buffer.speech_started", "input_audio_buffer.committed", "response.created", "response.done"]
    assert [kind for kind in kinds if kind in order] == order, kinds


async def test_a_barge_in_through_a_relay(serve: Any) -> None:
    """Both servers end the reply; the inner one knows of it what was heard at the far end."""
    async with (
        serve(load_pipeline(None), Scripted(words=60)) as server,
        serve(relaying(server.url), Engine()) as relay_server,
    ):
        seen: list[Any] = []
        async with connect(relay_server.url) as conversation:
            speaking = asyncio.create_task(speak(conversation, 1, 5))
            await until(conversation, events.ResponseCreated, seen)
            await speaking
            speaking = asyncio.create_task(speak(conversation, 2.5, 3))
            done = await until(conversation, events.ResponseDone, seen)
            await until(conversation, events.ResponseCreated, [])
            speaking.cancel()
        await relay_server.empty()
        await server.empty()
    assert done.response.status == "cancelled"
    heard = text(seen)
    assert 0 < len(heard.split()) < 60
    (answer,) = [one["content"] for one in server.engine.asked[-1] if one["role"] == "assistant"]
    assert len(answer.split()) == pytest.approx(len(heard.split()), abs=2)
