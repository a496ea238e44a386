"""Admission to `/v1/realtime`, its refusals, and the end of all sessions."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
import reactivex
from reactivex import operators as ops
from served import UPDATE, Engine

from voicepipe.conversation import Conversation
from voicepipe.events import ReplyEnded, ReplyStarted


def silent(_):
    return reactivex.never()


async def test_the_subprotocol_is_selected_when_it_is_offered(serve):
    """Among others."""
    async with serve(silent) as served, served.connect(protocols=("x", "realtime")) as client:
        assert client.socket.protocol == "realtime"


async def test_no_subprotocol_is_selected_when_none_is_offered(serve):
    """openai-python refuses a connection on which one was."""
    async with serve(silent) as served, served.connect(protocols=()) as client:
        assert client.socket.protocol is None


async def test_nothing_is_compressed(serve):
    """Though the client would like to: it costs milliseconds."""
    async with serve(silent) as served, served.connect(compress=15) as client:
        assert client.socket.compress == 0


async def test_a_full_server_tells_a_program_at_once(serve, logs):
    """503, why, and when to come again."""
    async with serve(silent, Engine(max_sessions=1), retry_after_s=7) as served, served.connect():
        headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
        async with served.http.get(f"{served.url}/v1/realtime", headers=headers) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
            assert "The one conversation" in (await answer.json())["detail"]
    assert [line["event"] for line in logs] == ["session.started", "session.refused", "session.ended"]


async def test_a_full_server_tells_a_page_where_it_can_read_it(serve):
    """An error event and close 1013, for scripts see no HTTP status."""
    page = {"Origin": "https://talk.example"}
    async with (
        serve(silent, Engine(max_sessions=1), cors_origins=["https://talk.example"]) as served,
        served.connect(),
        served.connect(headers=page) as refused,
    ):
        error = await refused.error()
        assert error["type"] == "fatal"
        assert "The one conversation" in error["message"]
        code, reason = await refused.end()
        assert code == 1013
        assert reason.startswith("The one conversation")
    assert served.engine.made == 1


async def test_a_slot_is_free_again_after_its_session(serve):
    """As soon as it has cleaned up."""
    async with serve(silent, Engine(max_sessions=1)) as served:
        for _ in range(3):
            async with served.connect() as client:
                await client.send(UPDATE)
                await client.event("session.updated")
            await served.empty()
    assert served.engine.made == 3


async def test_fewer_sessions_than_the_engine_carries(serve):
    """If the settings say so."""
    async with serve(silent, Engine(max_sessions=9), max_sessions=1) as served, served.connect():
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with served.connect():
                pass
        assert refused.value.status == 503


async def test_two_sessions_are_told_apart_in_the_log(serve, logs):
    """Whatever task or timer a line comes from."""
    begun = Conversation("x")

    def pipeline(session):
        reply = reactivex.of(ReplyStarted(begun), ReplyEnded(session.id, begun))
        return reactivex.timer(0.1).pipe(ops.flat_map(reply), ops.concat(reactivex.never()))

    async with serve(pipeline, log_words=True) as served, served.connect() as one, served.connect() as two:
        await one.event("response.text.done")
        await two.event("response.text.done")
    turns = [line for line in logs if line["event"] == "turn"]
    assert len({line["session"] for line in turns}) == 2
    assert all(line["session"] == line["answered"] for line in turns)


# ---- shutdown -------------------------------------------------------------------------------------------------------


async def test_a_stopping_server_says_goodbye(serve, logs):
    """1001 with a reason, and nothing is left."""
    async with serve(silent) as served, served.connect() as client:
        await client.send(UPDATE)
        await client.event("session.updated")
        cleanup = asyncio.create_task(served.runner.cleanup())
        assert await client.end() == (1001, "the server is shutting down")
        await cleanup
    assert (logs[-1]["event"], logs[-1]["code"]) == ("session.ended", 1001)


def replying_for(seconds):
    """A reply that takes so long."""
    talk = Conversation("x")
    end = reactivex.timer(seconds).pipe(ops.map(lambda _: ReplyEnded("So long.", talk)))
    return lambda _: reactivex.concat(reactivex.of(ReplyStarted(talk)), end, reactivex.never())


async def test_a_reply_may_end_before_the_server_does(serve, virtual_loop):
    """The user hears the rest of it."""
    async with serve(replying_for(3), shutdown_grace_s=10) as served, served.connect() as client:
        await client.event("response.created")
        began = virtual_loop.time()
        cleanup = asyncio.create_task(served.runner.cleanup())
        assert (await client.event("response.text.done"))["text"] == "So long."
        assert (await client.end())[0] == 1001
        assert 2.9 < virtual_loop.time() - began < 3.1
        await cleanup


async def test_a_reply_that_goes_on_and_on_is_cut(serve, virtual_loop):
    """When the grace is over."""
    async with serve(replying_for(300), shutdown_grace_s=10) as served, served.connect() as client:
        await client.event("response.created")
        began = virtual_loop.time()
        cleanup = asyncio.create_task(served.runner.cleanup())
        assert (await client.end())[0] == 1001
        assert 9.9 < virtual_loop.time() - began < 10.1
        await cleanup
