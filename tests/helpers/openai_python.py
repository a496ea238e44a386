"""openai-python as its users use it, in its GA form and in its beta form. A module that imports this is skipped without
it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from microphone import speak

openai = pytest.importorskip("openai", reason="needs openai")
websockets = pytest.importorskip("websockets", reason="needs openai[realtime]")


def client(url: str, key: str = "sk-any") -> Any:
    return openai.AsyncOpenAI(
        api_key=key, base_url=f"{url}/v1", websocket_base_url=f"{url}/v1".replace("http", "ws"), max_retries=0
    )


@asynccontextmanager
async def connected(url: str, **session: Any) -> AsyncIterator[Any]:
    """A GA connection that has been greeted, and whose settings have been accepted."""
    async with client(url).realtime.connect(model="gpt-realtime") as connection:
        assert (await connection.recv()).type == "session.created"
        await connection.session.update(session={"type": "realtime", **session})
        assert (await connection.recv()).type == "session.updated"
        yield connection


@asynccontextmanager
async def beta_connected(url: str, **session: Any) -> AsyncIterator[Any]:
    """The same in the beta form, whose session is flat."""
    async with client(url).beta.realtime.connect(model="gpt-4o-realtime-preview") as connection:
        assert (await connection.recv()).type == "session.created"
        assert (await connection.recv()).type == "conversation.created"
        await connection.session.update(session=session)
        assert (await connection.recv()).type == "session.updated"
        yield connection


async def until(connection: Any, kind: str) -> list[Any]:
    """All events up to the first of this type. What cannot be parsed has no type of its own, and fails."""
    events: list[Any] = []
    async for event in connection:
        assert event.type != "error" or kind == "error", event
        assert type(event).__module__.startswith("openai.types"), event
        events.append(event)
        if event.type == kind:
            return events
    raise AssertionError(f"closed before any {kind}")


def kinds(events: list[Any]) -> list[str]:
    """Types, repetitions left out."""
    types = [event.type for event in events]
    return [kind for before, kind in zip(["", *types], types, strict=False) if kind != before]


def sound(events: list[Any]) -> bytes:
    return b"".join(base64.b64decode(event.delta) for event in events if event.type.endswith("audio.delta"))


def appending(connection: Any) -> Callable[[bytes], Awaitable[None]]:
    """For a microphone."""

    async def send(frame: bytes) -> None:
        await connection.input_audio_buffer.append(audio=base64.b64encode(frame).decode())

    return send


def talking(connection: Any, **times: float) -> asyncio.Task[None]:
    return asyncio.create_task(speak(appending(connection), **times))


def text(said: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": said}]}
