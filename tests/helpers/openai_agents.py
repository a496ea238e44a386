"""openai-agents (Python) as its users use it. A module that imports this is skipped without it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

agents = pytest.importorskip("agents", reason="needs openai-agents")
realtime = pytest.importorskip("agents.realtime", reason="needs openai-agents")


@asynccontextmanager
async def session(url: str, **settings: Any) -> AsyncIterator[Any]:
    """A session of an agent that never knows that it talks to somebody else."""
    runner = realtime.RealtimeRunner(realtime.RealtimeAgent(name="Anna", instructions="Be brief."))
    model_config = {
        "url": f"{url}/v1/realtime?model=gpt-realtime".replace("http", "ws"),
        "api_key": "sk-any",
        "initial_model_settings": settings,
    }
    async with await runner.run(model_config=model_config) as running:
        yield running


async def until(running: Any, wanted: Any) -> list[Any]:
    """The session's events, up to the first that is `wanted`; errors fail."""
    events: list[Any] = []
    async for event in running:
        assert event.type != "error", event
        events.append(event)
        if wanted(event):
            return events
    raise AssertionError("the session has ended")


def raw(events: list[Any], kind: str) -> list[dict[str, Any]]:
    """The server's raw messages of one type."""
    messages = (
        event.data.data for event in events if event.type == "raw_model_event" and event.data.type == "raw_server_event"
    )
    return [message for message in messages if message["type"] == kind]


def is_raw(kind: str) -> Any:
    return lambda event: bool(raw([event], kind))


def transcripts(running: Any) -> list[str | None]:
    return [
        getattr(item.content[-1], "transcript", None) or getattr(item.content[-1], "text", None)
        for item in running._history
        if getattr(item, "content", None)
    ]
