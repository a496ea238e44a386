"""A client that sends faster than it may: nothing is lost, it is told so once, and it goes if it does not stop."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import reactivex
from aiohttp import WSMessage, WSMsgType
from served import UPDATE

from voicepipe.server import ServerSettings
from voicepipe.server.session.rate_limit import MessageRate

LIMITS: dict[str, Any] = {"max_messages_per_s": 10, "message_burst": 20, "message_overrun_s": 5}


def silent(_):
    return reactivex.never()


def numbered(*numbers: int, **more: Any) -> list[str]:
    """Messages that are answered by an error which repeats the number."""
    return [json.dumps({"type": "count", "event_id": str(number), **more}) for number in numbers]


async def answers(client, most: int) -> tuple[list[int], list[dict[str, Any]]]:
    """The numbers of messages that were heard, in order, until as many have been; and what was told beside."""
    heard: list[int] = []
    told: list[dict[str, Any]] = []
    while len(heard) < most:
        error = await client.error()
        if error["code"] == "rate_limit_exceeded":
            told.append(error)
        else:
            heard.append(int(error["event_id"]))
    return heard, told


async def test_a_burst_is_heard_at_once(serve, virtual_loop):
    """And not remarked upon."""
    async with serve(silent, **LIMITS) as served, served.connect() as client:
        began = virtual_loop.time()
        await client.send(*numbered(*range(20)))
        assert await answers(client, 20) == (list(range(20)), [])
        assert virtual_loop.time() - began < 0.1


async def test_what_comes_too_fast_is_heard_later_and_told_once(serve, virtual_loop):
    """Nothing is lost; the first message that had to wait is named."""
    async with serve(silent, **LIMITS) as served, served.connect() as client:
        began = virtual_loop.time()
        await client.send(*numbered(*range(50)))
        heard, (told,) = await answers(client, 50)
        assert heard == list(range(50))
        assert virtual_loop.time() - began == pytest.approx(3, abs=0.1)
        assert (told["type"], told["event_id"]) == ("invalid_request_error", "20")
        assert "More than 10 messages a second" in told["message"]
        assert "5 s" in told["message"]
        await client.send(UPDATE)
        await client.event("session.updated")


async def test_a_client_that_has_been_quiet_is_told_again(serve):
    """Not who goes on at the limit: that is still the same overrun."""
    async with serve(silent, **LIMITS) as served, served.connect() as client:
        await client.send(*numbered(*range(25)))
        _, first = await answers(client, 25)
        await client.send(*numbered(*range(5)))
        _, second = await answers(client, 5)
        await asyncio.sleep(3)
        await client.send(*numbered(*range(25)))
        _, third = await answers(client, 25)
        assert [len(first), len(second), len(third)] == [1, 0, 1]


async def test_a_client_that_does_not_stop_is_disconnected(serve, virtual_loop, logs):
    """1008 with a reason, after the patience that the error spoke of."""
    async with serve(silent, **LIMITS) as served, served.connect() as client:
        began = virtual_loop.time()
        await client.send(*numbered(*range(1_000)))
        assert await client.end() == (1008, "more than 10 messages a second for longer than 5 s")
        assert virtual_loop.time() - began == pytest.approx(5, abs=0.3)
    (ended,) = [line for line in logs if line["event"] == "session.ended"]
    assert ended["code"] == 1008


async def test_a_clock_that_is_coarse_is_no_pause(serve, monkeypatch, virtual_loop):
    """A real loop sleeps a little longer than it was asked to; meanwhile a message or two may come in at once."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(math.ceil(seconds / 0.25) * 0.25)

    monkeypatch.setattr("voicepipe.server.session.rate_limit.asyncio", SimpleNamespace(sleep=sleep))
    async with serve(silent, **LIMITS) as served, served.connect() as client:
        await client.send(*numbered(*range(1_000)))
        assert (await client.end())[0] == 1008
        assert virtual_loop.time() == pytest.approx(5, abs=0.6)


async def test_long_messages_count_for_more(serve):
    """Three of 10 kB are too many for 20 units of 1 kB."""
    async with serve(silent, **LIMITS, message_unit_bytes=1_000) as served, served.connect() as client:
        await client.send(*numbered(0, 1, 2, junk="x" * 10_000))
        heard, told = await answers(client, 3)
        assert (heard, [error["event_id"] for error in told]) == ([0, 1, 2], ["1"])


async def test_pings_count_as_well(serve):
    """They are answered, and cost something."""
    async with serve(silent, **LIMITS) as served, served.connect(autoping=False) as client:
        for number in range(25):
            await client.socket.ping(str(number).encode())
        pongs: list[bytes] = []
        told: list[str] = []
        while len(pongs) < 25:
            message = await client.socket.receive()
            if message.type is WSMsgType.PONG:
                pongs.append(message.data)
            else:
                told.append(json.loads(message.data)["error"]["code"])
        assert pongs == [str(number).encode() for number in range(25)]
        assert told == ["rate_limit_exceeded"]


async def test_honest_clients_are_never_told(serve):
    """By default: sound in pieces of 10 ms for a minute, and a thousand messages at once now and then."""
    page = {"type": "input_audio_buffer.append", "audio": base64.b64encode(b"OggS in mid-stream").decode()}
    async with serve(silent) as served, served.connect() as client:
        for _ in range(6):
            await client.send(*[page] * 1_000)
            for _ in range(100):
                await client.send(*[page] * 10)
                await asyncio.sleep(0.1)
        await client.send(*numbered(1))
        assert await answers(client, 1) == ([1], [])


def test_a_burst_lets_others_have_their_turn(virtual_loop):
    """A few milliseconds at a time; long messages are fewer."""

    async def main() -> list[int]:
        rate = MessageRate(ServerSettings(), virtual_loop.time)
        turns: list[int] = []
        over = False

        async def other() -> None:
            while not over:
                turns.append(heard)
                await asyncio.sleep(0)

        heard = 0
        task = asyncio.create_task(other())
        for _ in range(640):
            assert await rate.admit(WSMessage(WSMsgType.TEXT, "x", None)) == []
            heard += 1
        for _ in range(2):
            assert await rate.admit(WSMessage(WSMsgType.TEXT, "x" * 1_000_000, None)) == []
            heard += 1
        over = True
        await task
        return turns

    turns = virtual_loop.run(main())
    assert turns[-1] == 641
    assert max(after - before for before, after in pairwise([0, *turns])) == 64
