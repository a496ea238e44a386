"""Addresses at which clients of other services look for this one."""

from __future__ import annotations

import pytest
from openai_python import client, openai

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e realtime")]


async def test_models_are_listed(server: str) -> None:
    """For clients that look before they connect."""
    models = [model async for model in client(server).models.list()]
    assert [(model.id, model.object) for model in models] == [("voicepipe", "model")]


async def test_azure_ga(server: str) -> None:
    """As Azure documents it: OpenAI's client, with another base."""
    url = f"{server}/openai/v1"
    azure = openai.AsyncOpenAI(api_key="k", base_url=url, websocket_base_url=url.replace("http", "ws"))
    async with azure.realtime.connect(model="gpt-realtime-deployment") as connection:
        created = await connection.recv()
    assert (created.type, created.session.model) == ("session.created", "gpt-realtime-deployment")


# openai-python leaves its HTTP session to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_azure_preview(locked_server: str) -> None:
    """Azure's client in the beta form, with its key in its own header."""
    url = locked_server
    azure = openai.AsyncAzureOpenAI(
        api_key="sk-right",
        azure_endpoint=url,
        websocket_base_url=f"{url}/openai".replace("http", "ws"),
        api_version="2025-04-01-preview",
    )
    async with azure.beta.realtime.connect(model="gpt-4o-realtime-preview") as connection:
        first, second = await connection.recv(), await connection.recv()
    assert (first.type, second.type) == ("session.created", "conversation.created")
    assert first.session.modalities == ["audio", "text"]
