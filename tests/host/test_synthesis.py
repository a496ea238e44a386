"""A hosted voice with the client of Kyutai's protocol: real sockets, virtual time."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import aiohttp
import numpy as np
import ormsgpack
import pytest
from hosted import KEY, ToneTts, hosting
from kyutai import TTS, Running, running

from voicepipe.events import ReplyAudio, ReplyText, Warned, WordSpoken
from voicepipe.host.synthesis import MOST_TEXT
from voicepipe.services import Address, Backoff, ConnectionLost, Finder, Instance
from voicepipe.testing import VirtualLoop
from voicepipe.tts.kyutai.protocol import KEY_HEADER, PATH, encode_text
from voicepipe.tts.kyutai.stage import DiscoveryOptions, Options, Speaker, TtsOptions, kyutai


def client(*urls: str, retries: int = 1) -> Any:
    """The voice of a gateway that has these hosts behind one name."""

    async def resolve(_: Address) -> list[Instance]:
        return [Instance(address.host, address.port) for address in map(Address.parse, urls)]

    finder = Finder(TTS, Address.parse(urls[0]), resolve=resolve, tries=3, try_s=0.5, random=Random(1))
    discovery = DiscoveryOptions(searches=2, pauses=Backoff(0.05, 1.5, 1.0))
    speaker = Speaker(finder, voice=None, options=Options(), api_key=KEY, discovery=discovery, ahead_s=30)
    return kyutai(speaker, voice="", options=TtsOptions(capacity=100, silent_s=2, retries=retries))


async def say(url: str, *words: str, retries: int = 1) -> Running:
    async with running(client(url, retries=retries)) as spoken:
        for word in words:
            spoken.source.on_next(ReplyText(word))
        spoken.source.on_completed()
        await asyncio.wait_for(spoken.ended.wait(), 10)
        return spoken


def test_sound_and_the_times_of_words_come_over_the_wire(virtual_loop: VirtualLoop) -> None:
    """At 24 kHz, whatever the rate of the voice; the connection is closed in order behind the last sound."""

    async def main() -> Running:
        async with hosting(ToneTts) as host:
            spoken = await say(host.url, "Hello", " there,", " you.")
            await host.slots.emptied()
            return spoken

    spoken = virtual_loop.run(main())
    assert spoken.completed
    assert [(word.word, word.start_s) for word in spoken.events(WordSpoken)] == [
        ("Hello", 0.0),
        ("there,", pytest.approx(0.2)),
        ("you.", pytest.approx(0.4)),
    ]
    sound = np.concatenate([reply.audio.samples for reply in spoken.events(ReplyAudio)])
    assert {reply.audio.rate_hz for reply in spoken.events(ReplyAudio)} == {24_000}
    assert len(sound) == pytest.approx(0.6 * 24_000, abs=20)
    assert np.median(sound) == pytest.approx(0.25, abs=0.01)


def test_a_voice_that_breaks_before_its_first_sound_is_tried_again(virtual_loop: VirtualLoop) -> None:
    """The client is told no more than that the connection broke off; then the turn fails."""

    async def main() -> Running:
        async with hosting(ToneTts) as host:
            return await say(host.url, "break")

    spoken = virtual_loop.run(main())
    assert len(spoken.events(Warned)) == 1
    assert isinstance(spoken.error, ConnectionLost)
    assert "the voice broke" not in str(spoken.error)


def test_a_reply_may_not_have_more_text_than_any_answer(virtual_loop: VirtualLoop) -> None:
    async def main() -> int | None:
        async with (
            hosting(ToneTts) as host,
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{host.url}{PATH}", headers={KEY_HEADER: KEY}) as socket,
        ):
            assert ormsgpack.unpackb(await socket.receive_bytes()) == {"type": "Ready"}
            await socket.send_bytes(encode_text("a" * (MOST_TEXT + 1)))
            await socket.receive()
            return socket.close_code

    assert virtual_loop.run(main()) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
