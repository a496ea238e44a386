"""`--voice`: which voice of the server a name means, and what is said where it has none of that name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from voicepipe.client.voices import UnknownVoice, find_voice

VOICES = [
    {"name": "Quizmaster", "good": True, "source": {"source_type": "file", "path_on_server": "prod/quiz.wav"}},
    {"source": {"source_type": "file", "path_on_server": "hibari"}},
]


@asynccontextmanager
async def listing(answer: Any, *, at: str = "/v1/voices", key: str = "") -> AsyncIterator[str]:
    """A server that has these voices; its address."""

    async def voices(request: web.Request) -> web.Response:
        if key and request.headers.get("Authorization") != f"Bearer {key}":
            return web.json_response({}, status=401)
        return web.json_response(answer)

    app = web.Application()
    app.router.add_get(at, voices)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def found(wanted: str, answer: Any = VOICES, *, path: str = "", api_key: str | None = None, **options: str) -> str:
    async def main() -> str:
        async with listing(answer, **options) as url:
            return await find_voice(url + path, wanted, api_key=api_key)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("wanted", "voice"),
    [
        ("hibari", "hibari"),
        ("Hibari", "hibari"),
        ("quizmaster", "prod/quiz.wav"),
        ("prod/quiz.wav", "prod/quiz.wav"),
        ("another/path.wav", "another/path.wav"),
        ("custom:1f0e", "custom:1f0e"),
    ],
)
def test_a_voice_is_found_by_its_title_or_its_name(wanted: str, voice: str) -> None:
    """Paths and cloned voices need not be listed."""
    assert found(wanted) == voice


def test_an_unknown_voice_is_told_with_those_that_there_are() -> None:
    """By the names that the server takes."""
    with pytest.raises(UnknownVoice, match=r"^the server has no voice 'nosuch'; it has prod/quiz\.wav, hibari$"):
        found("nosuch")


def test_a_server_whose_pipeline_has_no_voice_has_none_of_that_name() -> None:
    """It lists none, and names none."""
    with pytest.raises(UnknownVoice, match=r"^the server has no voice 'nosuch': it offers none$"):
        found("nosuch", [])
    assert found("prod/other.wav", []) == "prod/other.wav"


@pytest.mark.parametrize("answer", [{"voices": 1}, None, 7, ["hibari"], [{"source": None}]])
def test_a_server_that_does_not_say_is_asked_for_what_was_named(answer: Any) -> None:
    """It may know more than it lists."""
    assert found("nosuch", answer) == "nosuch"


def test_behind_a_path_and_with_a_key() -> None:
    """As a conversation would be asked for."""
    path = "/bot/v1/realtime"
    assert found("quizmaster", path=path, at="/bot/v1/voices", key="k1", api_key="k1") == "prod/quiz.wav"
    assert found("nosuch", path=path, at="/bot/v1/voices", key="k1") == "nosuch"


def test_without_a_server_the_conversation_tells_what_is_wrong() -> None:
    """Not the look-up of its voices."""
    assert asyncio.run(find_voice("ws://127.0.0.1:9", "nosuch")) == "nosuch"
