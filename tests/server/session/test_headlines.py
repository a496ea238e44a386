"""Headlines in the prompts of a session."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from reactivex import operators as ops
from served import UPDATE

from voicepipe.conversation import Conversation
from voicepipe.events import AudioReceived, ReplyStarted, SettingsChanged

NEWS = {"type": "session.update", "session": {"instructions": {"type": "news"}, "allow_recording": False}}
VOICE = {"type": "session.update", "session": {"voice": "ann", "allow_recording": False}}


def telling(session):
    """Says of all that it receives when it did, as the chat history of a reply."""

    def tell(message):
        what = message.system_prompt or message.voice if isinstance(message, SettingsChanged) else "sound"
        return ReplyStarted(Conversation().user_said(what))

    received = ops.filter(lambda message: isinstance(message, SettingsChanged | AudioReceived))
    return session.received.pipe(received, ops.map(tell))


async def told(client):
    created = await client.event("response.created")
    return created["response"]["chat_history"][0]["content"]


@pytest.fixture
def paper():
    """A source of news that takes a second; `async with paper() as settings`."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def listening(takes_s=1.0):
        async def headlines(_):
            await asyncio.sleep(takes_s)
            return web.json_response({"articles": [{"title": "It rains"}]})

        app = web.Application()
        app.router.add_get("/", headlines)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield {"newsapi_api_key": "k", "news_url": f"http://127.0.0.1:{runner.addresses[0][1]}/"}
        finally:
            await runner.cleanup()

    return listening


async def test_a_prompt_has_the_headlines_at_once(serve, paper, virtual_loop):
    """They were fetched when the server started."""
    async with paper() as settings, serve(telling, **settings) as served:
        await asyncio.sleep(2)
        began_s = virtual_loop.time()
        async with served.connect() as client:
            await client.send(NEWS, VOICE, UPDATE, NEWS)
            assert "It rains" in await told(client)
            assert await told(client) == "ann"
            assert "Robin" in await told(client)
            assert "It rains" in await told(client)
            assert virtual_loop.time() - began_s < 0.1


async def test_a_source_that_is_late_delays_no_session(serve, paper, virtual_loop):
    """The bot opens all the same, with something else."""
    async with paper(takes_s=4) as settings, serve(telling, **settings) as served, served.connect() as client:
        began_s = virtual_loop.time()
        await client.send(NEWS)
        assert "no news today" in await told(client)
        assert virtual_loop.time() - began_s < 0.1


async def test_headlines_may_be_asked_for_by_ones_own_words(serve, paper):
    """In a character that the client describes."""
    own = {"type": "constant", "text": "You are a pirate. {headlines} Arr."}
    update = {"type": "session.update", "session": {"instructions": own, "allow_recording": False}}
    async with paper() as settings, serve(telling, **settings) as served:
        await asyncio.sleep(2)
        async with served.connect() as client:
            await client.send(update)
            assert "You are a pirate. These are the headlines of today: It rains." in await told(client)


async def test_long_prompts_are_for_large_models(serve):
    """They are used where the language model is a service, or where the settings say so."""
    for settings, long in (({}, False), ({"llm_url": "http://llm"}, True), ({"long_prompts": True}, True)):
        async with serve(telling, **settings) as served, served.connect() as client:
            await client.send(UPDATE)
            assert (len(await told(client)) > 800) == long
