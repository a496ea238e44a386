"""Clients of OpenAI's protocol, with Kyutai's recogniser behind the server: it notices pauses itself, and lags."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from kyutai import RECONNECTING, STT_OPTIONS, TONES, finder
from scripted_stages import scripted_stages
from served import Client, Engine

from voicepipe.audio import Pcm16
from voicepipe.events import Audio
from voicepipe.loader import load_pipeline
from voicepipe.stt.kyutai.stage import kyutai
from voicepipe.testing.servers import ByTone, Fails, SttServer
from voicepipe.testing.servers.tones import joined, silence

COMMIT = {"type": "input_audio_buffer.commit"}
CLEAR = {"type": "input_audio_buffer.clear"}
ASK = {"type": "response.create"}
COMPLETED = "conversation.item.input_audio_transcription.completed"


class Ears(Engine):
    """Sessions on one Kyutai server; the bot has little to say."""

    def __init__(self, server: SttServer) -> None:
        super().__init__()
        self._server = server

    def stages(self) -> Any:
        stages = scripted_stages(lambda _: "La", super().stages().close)
        stt = kyutai(
            finder(self._server),
            api_key="public_token",
            options=replace(STT_OPTIONS, delay_s=self._server.delay_s),
            reconnect=RECONNECTING,
            backlog=stages.backlog,
        )
        return replace(stages, vad=None, stt=stt)


class RealtimeClient:
    """A client that speaks in tones."""

    def __init__(self, client: Client, stt: SttServer) -> None:
        self._client, self.stt = client, stt
        self.heard: list[tuple[float, dict[str, Any]]] = []
        self._more = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    async def turns(self, detection: dict[str, Any] | None) -> None:
        audio = {"input": {"turn_detection": detection}}
        await self.send({"type": "session.update", "session": {"type": "realtime", "audio": audio}})

    async def send(self, *messages: dict[str, Any]) -> None:
        await self._client.send(*messages)

    async def say(self, *pieces: Audio | str, message_s: float = 0.02, at_once: bool = False) -> None:
        """Words, and silences between them, in messages of so much sound: each at its time, or as fast as it goes."""
        loop, sound = asyncio.get_running_loop(), joined(TONES.say(p) if isinstance(p, str) else p for p in pieces)
        data, size, began_s = Pcm16().encoder()(sound), round(message_s * 48_000), loop.time()
        for number, start in enumerate(range(0, len(data), size), 1):
            if not at_once:
                await asyncio.sleep(began_s + number * message_s - loop.time())
            audio = base64.b64encode(data[start : start + size]).decode()
            await self.send({"type": "input_audio_buffer.append", "audio": audio})

    async def until(self, kind: str, count: int = 1, *, for_s: float = 90) -> list[dict[str, Any]]:
        """All of this kind, once there are so many."""
        async with asyncio.timeout(for_s):
            while len(found := [event for _, event in self.heard if event["type"] == kind]) < count:
                self._more.clear()
                await self._more.wait()
        return found

    async def transcripts(self, count: int) -> list[str]:
        return [event["transcript"] for event in await self.until(COMPLETED, count)]

    def at_s(self, kind: str) -> float:
        """When the last of this kind came."""
        return [at_s for at_s, event in self.heard if event["type"] == kind][-1]

    async def _listen(self) -> None:
        async for event in self._client.events():
            self.heard.append((asyncio.get_running_loop().time(), event))
            self._more.set()


@pytest.fixture
def calling(serve):
    """`async with calling(**server) as realtime`: a GA session, and a recogniser that hears tones."""

    @asynccontextmanager
    async def call(**server: Any) -> AsyncIterator[RealtimeClient]:
        async with (
            SttServer(ByTone(TONES), **server) as stt,
            serve(load_pipeline(None), Ears(stt)) as served,
            served.connect(protocols=()) as client,
        ):
            yield RealtimeClient(client, stt)

    return call


# ---- a commit -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("delay_s", "hurried_s"), [(0.5, 0.25), (2.5, 0.75)])
@pytest.mark.parametrize("text", ["one", "one two three", "one two three four five six seven eight"])
async def test_a_commit_right_behind_the_last_word_has_all_words(calling, virtual_loop, text, delay_s, hurried_s):
    """Though those are half a second late, or more: the recogniser is hurried through its delay, and waited for."""
    async with calling(delay_s=delay_s) as realtime:
        await realtime.turns(None)
        await realtime.say(text)
        await realtime.send(COMMIT, ASK)
        committed_s = virtual_loop.time()
        assert await realtime.transcripts(1) == [text]
        assert realtime.at_s(COMPLETED) - committed_s < hurried_s
        await realtime.until("response.done")
        kinds = [event["type"] for _, event in realtime.heard]
        assert kinds.index(COMPLETED) < kinds.index("response.created")


async def test_each_commit_has_the_words_before_it(calling):
    """A user who speaks on at once is heard in the next one."""
    async with calling() as realtime:
        await realtime.turns(None)
        for text in ("one", "two three", "four", "five six seven"):
            await realtime.say(text)
            await realtime.send(COMMIT)
        assert await realtime.transcripts(4) == ["one", "two three", "four", "five six seven"]


async def test_what_is_cleared_right_behind_its_last_word_is_gone(calling):
    """The words that come later are not those of the next turn."""
    async with calling() as realtime:
        await realtime.turns(None)
        await realtime.say("one two")
        await realtime.send(CLEAR)
        await realtime.say("three four")
        await realtime.send(COMMIT)
        assert await realtime.transcripts(1) == ["three four"]


async def test_silence_can_be_committed(calling):
    """It has no words, and nothing hangs."""
    async with calling() as realtime:
        await realtime.turns(None)
        await realtime.say(silence(0.5))
        await realtime.send(COMMIT)
        assert await realtime.transcripts(1) == [""]


# ---- a recording ----------------------------------------------------------------------------------------------------

LINES = ["one two three", "four five", "six seven eight nine", "ten", "eleven twelve zero one", "two three four five"]


def recording(times: int) -> list[Audio | str]:
    """A minute for `times` 6: lines with pauses between them."""
    return [silence(1.2), *[piece for line in LINES * times for piece in (line, silence(0.8))]]


@pytest.mark.parametrize(("message_s", "times"), [(0.02, 3), (1.0, 6), (15.0, 3)])
async def test_a_recording_at_once_is_heard_whole(calling, virtual_loop, message_s, times):
    """As fast as the recogniser goes: four times real time. One of a minute, and shorter ones in other messages."""
    async with calling() as realtime:
        await realtime.turns(None)
        began_s = virtual_loop.time()
        await realtime.say(*recording(times), at_once=True, message_s=message_s)
        await realtime.send(COMMIT)
        assert await realtime.transcripts(1) == [" ".join(LINES * times)]
        length_s = 1.2 + TONES.length_s(" ".join(LINES * times)) + 6 * times * 0.8
        assert length_s > 10 * times
        assert length_s / 4 < virtual_loop.time() - began_s < length_s / 2.8
        assert not [event for _, event in realtime.heard if event["type"] == "error"]


async def test_turns_are_found_in_a_recording(calling):
    """The same ones as in real time: no pause is noticed late, or taken back for what comes early."""
    told: list[list[str]] = []
    for at_once in (True, False):
        async with calling() as realtime:
            await realtime.turns({"type": "server_vad", "create_response": False})
            await realtime.say(*recording(3), at_once=at_once, message_s=1.0 if at_once else 0.02)
            told.append(await realtime.transcripts(18))
    assert told[0] == told[1] == LINES * 3


async def test_a_recogniser_that_takes_real_time_is_given_no_more(calling, virtual_loop):
    """Half a minute takes half a minute, and nothing of it is lost."""
    text = " ".join([*LINES, *LINES])
    async with calling(step_s=0.08) as realtime:
        await realtime.turns(None)
        began_s = virtual_loop.time()
        await realtime.say(silence(1.2), text, text, text, at_once=True, message_s=10)
        await realtime.send(COMMIT)
        assert await realtime.transcripts(1) == [" ".join([text] * 3)]
        length_s = 1.2 + 3 * TONES.length_s(text)
        assert length_s > 30
        assert virtual_loop.time() - began_s == pytest.approx(length_s, abs=1.5)
        assert not [event for _, event in realtime.heard if event["type"] == "error"]


async def test_a_recogniser_that_dies_in_mid_recording_costs_no_word(calling, virtual_loop):
    """The recording waits until another one is there, longer than a live microphone could."""
    async with calling() as realtime:
        await realtime.turns(None)
        await realtime.say(*recording(6), at_once=True, message_s=15)
        await realtime.send(COMMIT)
        await asyncio.sleep(5)
        await realtime.stt.fail(Fails.DOWN, for_s=8)
        assert await realtime.transcripts(1) == [" ".join(LINES * 6)]
        assert realtime.at_s(COMPLETED) > 22 + 8
