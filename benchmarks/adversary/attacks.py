"""Attacks of a hostile client, each in a process of its own, so that its work does not slow down the others.

    python -m benchmarks.adversary.attacks NAME URL SECONDS

It says when it begins, and at the end how much it has sent. A client that the server cuts off comes again: that is what
it would do.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import math
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from yarl import URL

__all__ = ["ATTACKS", "SCRAPERS", "SOCKETS", "main"]

SCRAPERS, SOCKETS = 20, 300

_MESSAGE = '{"type":"conversation.item.create","item":{"type":"message","role":"user","content":['
_SESSION = '{"type":"session.update","session":{"type":"realtime",'
_LONG, _LONGEST = 190_000, 990_000


class Attacker:
    """A WebSocket, and as many messages as it takes."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http, self.url = http, url
        self.sent = self.cut_off = 0

    async def flood(
        self,
        make: Callable[[int], str],
        *,
        reads: bool = True,
        per_s: float = math.inf,
        protocols: tuple[str, ...] = (),
    ) -> None:
        """Send what `make` makes of 0, 1, 2, …, until the connection ends."""
        async with self.http.ws_connect(f"{self.url}/v1/realtime", max_msg_size=0, protocols=protocols) as talk:
            reading, numbers = asyncio.create_task(_read(talk)) if reads else None, itertools.count()
            try:
                while not talk.closed:
                    await talk.send_str(make(next(numbers)))
                    self.sent += 1
                    await asyncio.sleep(0 if per_s == math.inf else 1 / per_s)
            finally:
                if reading is not None:
                    reading.cancel()


async def _read(talk: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in talk:
        pass


def _filled(head: str, unit: str, tail: str, size: int = _LONG) -> str:
    count = (size - len(head) - len(tail)) // (len(unit) + 1)
    return head + ",".join([unit] * count) + tail


def _item(text: str, **more: Any) -> str:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    return json.dumps({"type": "conversation.item.create", "item": item, **more})


def _update(**session: Any) -> str:
    return json.dumps({"type": "session.update", "session": {"type": "realtime", **session}})


_TOOLS = [
    {"type": "function", "name": f"f{number}", "description": "d" * 40, "parameters": {}} for number in range(100)
]
_SHAPES = [
    _filled(_MESSAGE, "1", "]}}"),
    _filled(_MESSAGE, "1", "]}}", _LONGEST),
    _filled(_MESSAGE, '{"type":"input_text","text":"a"}', "]}}"),
    _filled(_SESSION + '"output_modalities":[', "1", "]}}"),
    _filled('{"type":"response.create","response":{"conversation":"none","input":[', "1", "]}}"),
    _SESSION + ",".join(f'"k{number}":{{}}' for number in range(15_000)) + "}}",
    _filled('{"type":"x","a":[', "0.1234567890123456789", "]}"),
    "[" * _LONG,
    _item("x" * (_LONG - 1_000)),
    _update(tools=_TOOLS),
]
_SOUND = json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(960)).decode()})


async def shapes(attacker: Attacker) -> None:
    """Messages up to the limits whose shape is costly: long lists, many keys, deep nesting, floats."""
    await attacker.flood(lambda number: _SHAPES[number % len(_SHAPES)])


async def unknown_keys(attacker: Attacker) -> None:
    """Each update has another key, and all are repeated in the answers."""
    await attacker.flood(lambda number: _update(**{f"u{number}": "y" * 900}))


async def unread_answers(attacker: Attacker) -> None:
    """Long settings, and nobody reads what is said to them."""
    await attacker.flood(lambda _: _update(instructions="x " * 5_000), reads=False, per_s=50)


async def items_in_front(attacker: Attacker) -> None:
    """Each item comes before all others."""
    await attacker.flood(lambda _: _item("some words", previous_item_id="root"))


async def growing_session(attacker: Attacker) -> None:
    """Items, and a response to all of them."""
    ask, stop = json.dumps({"type": "response.create"}), json.dumps({"type": "response.cancel"})
    await attacker.flood(lambda number: (ask, stop)[number % 40 // 20] if number % 20 == 0 else _item("w " * 200))


async def out_of_band(attacker: Attacker) -> None:
    """Responses beside the conversation, with as much input as goes in."""
    content = [{"type": "input_text", "text": "w " * 4_000}]
    said = [{"type": "message", "role": "user", "content": content}]
    response = {"conversation": "none", "output_modalities": ["text"], "input": said}
    await attacker.flood(lambda _: json.dumps({"type": "response.create", "response": response}))


async def sound(attacker: Attacker) -> None:
    """Sound as fast as it goes."""
    await attacker.flood(lambda _: _SOUND)


async def scrapes(attacker: Attacker) -> None:
    """Many readers of the metrics, without a pause."""

    async def scrape() -> None:
        while True:
            async with attacker.http.get(f"{attacker.url}/metrics") as answer:
                await answer.read()
            attacker.sent += 1

    await asyncio.gather(*(scrape() for _ in range(SCRAPERS)))


async def idle_sockets(attacker: Attacker) -> None:
    """Connections that send nothing, or half a request."""
    host, port, sockets = URL(attacker.url).host or "", URL(attacker.url).port or 0, list[socket.socket]()
    try:
        for number in range(SOCKETS):
            sockets.append(socket.create_connection((host, port), timeout=5))
            if number % 3 == 1:
                sockets[-1].send(b"GET / HTTP/1.1\r\nHost: x\r\nX-a: ")
            attacker.sent += 1
            await asyncio.sleep(0)
        await asyncio.Event().wait()
    finally:
        for one in sockets:
            one.close()


_UPGRADE = (
    "GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


async def _upgraded(attacker: Attacker) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a WebSocket on which any bytes can be sent."""
    url = URL(attacker.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(_UPGRADE.encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def drips(attacker: Attacker) -> None:
    """A byte of one long message ten times a second, on several connections."""

    async def drip() -> None:
        _, writer = await _upgraded(attacker)
        writer.write(bytes([0x81, 0xFE]) + struct.pack("!H", 60_000) + bytes(4))
        while True:
            writer.write(b"x")
            await writer.drain()
            attacker.sent += 1
            await asyncio.sleep(0.1)

    await asyncio.gather(*(drip() for _ in range(4)))


async def _raw_flood(attacker: Attacker, frames: bytes, count: int) -> None:
    """Send these frames, of so many messages or parts, without a pause; read what comes back."""
    reader, writer = await _upgraded(attacker)

    async def read() -> None:
        while await reader.read(65_536):
            pass

    reading = asyncio.create_task(read())
    try:
        while not reading.done():
            writer.write(frames)
            await writer.drain()
            attacker.sent += count
            await asyncio.sleep(0)
    finally:
        reading.cancel()
        writer.close()


def _frame(first: int, payload: bytes) -> bytes:
    """Return a short masked frame."""
    return bytes([first, 0x80 | len(payload)]) + bytes(4) + payload


async def fragments(attacker: Attacker) -> None:
    """One message in parts of one byte: each is a frame, and none a message."""
    await _raw_flood(attacker, _frame(0x01, b"{") + _frame(0x00, b" ") * 999, 1_000)


async def pings(attacker: Attacker) -> None:
    """Pings, as fast as they go."""
    await _raw_flood(attacker, _frame(0x89, b"x" * 125) * 200, 200)


async def numbers_and_escapes(attacker: Attacker) -> None:
    """Texts that take long to read: integers of many digits, escapes, keys that repeat."""
    head = '{"type":"session.update","session":{"type":"realtime","instructions":'
    shapes = [
        f"{head}{'9' * 4_000}}}}}",
        f"{head}{'9' * _LONG}}}}}",
        head + '"' + "\\u00e9" * 30_000 + '"}}',
        head + '"' + "\\ud83d\\ude00" * 16_000 + '"}}',
        "{" + ",".join(['"type":"x"'] * 15_000) + "}",
        "{" + '"a":{' * 60 + "}" * 61,
        '{"type":"' + "y" * (_LONG - 100) + '"}',
        json.dumps({"type": "response.create", "event_id": "e" * (_LONG - 100), "response": {"tools": 1}}),
    ]
    await attacker.flood(lambda number: shapes[number % len(shapes)])


async def cancels(attacker: Attacker) -> None:
    """A response asked for and cancelled, again and again."""
    pair = [json.dumps({"type": "response.create"}), json.dumps({"type": "response.cancel"})]
    await attacker.flood(lambda number: pair[number % 2])


async def truncations(attacker: Attacker) -> None:
    """A session full of items, of which some are deleted, truncated and made again."""

    def make(number: int) -> str:
        if number < 1_500:
            item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "w " * 100}]}
            return json.dumps({"type": "conversation.item.create", "item": {"id": f"i{number}", **item}})
        item_id = f"i{number // 3 % 1_500}"
        cut = {"type": "conversation.item.truncate", "content_index": 0, "audio_end_ms": 1}
        return (
            json.dumps({**cut, "item_id": item_id}),
            json.dumps({"type": "conversation.item.delete", "item_id": item_id}),
            _item("w " * 100).replace('"item": {', f'"item": {{"id": "{item_id}", ', 1),
        )[number % 3]

    await attacker.flood(make)


async def retrievals(attacker: Attacker) -> None:
    """A short request, and a long answer that nobody reads."""

    def make(number: int) -> str:
        if number == 0:
            return _item("w " * 10_000).replace('"item": {', '"item": {"id": "long", ', 1)
        return json.dumps({"type": "conversation.item.retrieve", "item_id": "long"})

    await attacker.flood(make, reads=False)


async def churn(attacker: Attacker) -> None:
    """Sessions that are opened and left at once."""
    while True:
        async with attacker.http.ws_connect(f"{attacker.url}/v1/realtime") as talk:
            await talk.receive()
        attacker.sent += 1


async def pages(attacker: Attacker) -> None:
    """Everything that is served over HTTP, without a pause."""

    async def get(path: str) -> None:
        while True:
            async with attacker.http.get(attacker.url + path) as answer:
                await answer.read()
            attacker.sent += 1

    paths = ("/", "/v1/pipeline.svg", "/v1/pipeline", "/v1/voices", "/v1/characters", "/v1/health", "/v1/nothing")
    await asyncio.gather(*(get(path) for path in paths * 3))


async def headers(attacker: Attacker) -> None:
    """Requests with as many headers as are read, and with more."""

    async def ask(size: int) -> None:
        while True:
            more = {f"x-{number}": "y" * 50 for number in range(size)}
            async with attacker.http.get(f"{attacker.url}/v1/realtime", headers=more) as answer:
                await answer.read()
            attacker.sent += 1

    await asyncio.gather(*(ask(size) for size in (20, 80, 100, 120, 400)))


async def noise(attacker: Attacker) -> None:
    """Sound that is none: Ogg pages with a broken packet, in the dialect that speaks Opus."""
    data = base64.b64encode(b"OggS" + bytes(range(256)) * 30).decode()
    opening = json.dumps({"type": "session.update", "session": {"instructions": {"type": "smalltalk"}, "voice": "x"}})
    sound = json.dumps({"type": "input_audio_buffer.append", "audio": data})
    await attacker.flood(lambda number: sound if number else opening, protocols=("realtime",))


async def crowd(attacker: Attacker) -> None:
    """Six clients at once, each of which works as hard as it can."""
    each = (shapes, items_in_front, growing_session, out_of_band, truncations, unknown_keys)
    await asyncio.gather(*(_again_and_again(attacker, one.__name__) for one in each))


ATTACKS: dict[str, Callable[[Attacker], Awaitable[None]]] = {
    one.__name__: one
    for one in (
        shapes,
        unknown_keys,
        unread_answers,
        items_in_front,
        growing_session,
        out_of_band,
        sound,
        scrapes,
        idle_sockets,
        drips,
        fragments,
        pings,
        numbers_and_escapes,
        cancels,
        truncations,
        retrievals,
        churn,
        pages,
        headers,
        noise,
        crowd,
    )
}
"""By name."""


def _give_way() -> None:
    """Let the server, the probe and the talker run first: a real attacker takes no time of their machine's."""
    if sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_RR:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
    elif sys.platform != "win32":
        os.nice(10)


async def _again_and_again(attacker: Attacker, name: str) -> None:
    while True:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            await ATTACKS[name](attacker)
        attacker.cut_off += 1
        await asyncio.sleep(0.1)


def main(name: str, url: str, seconds: float) -> None:
    """Attack for so many seconds."""
    _give_way()

    async def attack() -> None:
        async with aiohttp.ClientSession() as http:
            attacker = Attacker(http, url)
            print("begins", flush=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await _again_and_again(attacker, name)
            print(attacker.sent, attacker.cut_off, flush=True)

    asyncio.run(attack())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
