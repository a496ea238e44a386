"""A recogniser that is lost: the user is told soon, and the next turn works as soon as the recogniser does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from kyutai import TONES
from scripted_stages import scripted_stages
from served import Client, Engine

from voicepipe.audio import Pcm16
from voicepipe.engine.kyutai import KyutaiStt
from voicepipe.engine.settings import EngineSettings
from voicepipe.loader import load_pipeline
from voicepipe.services import NULL_OBSERVER
from voicepipe.testing.servers import ByTone, Fails, SttServer

COMPLETED = "conversation.item.input_audio_transcription.completed"
PACKET_S = 0.06

# When the recogniser is lost: before, in and after a turn of 0.6 s of silence and a second of words.
PHASES_S = [1.0]
MORE_PHASES_S = [2.2, *(round(0.05 + 0.6 * number, 2) for number in range(6))]
MODES = [Fails.DOWN, Fails.DIES, Fails.EARLY, Fails.GARBAGE, Fails.MUTE, Fails.SILENT, Fails.FULL]


class Ears(Engine):
    """Sessions on one Kyutai server, with the default settings; the bot has little to say."""

    def __init__(self, server: SttServer) -> None:
        super().__init__()
        self._server = server

    def stages(self) -> Any:
        url = f"ws://{self._server.host}:{self._server.port}"
        stt = KyutaiStt(url, EngineSettings(stt_url=url), lambda: None, NULL_OBSERVER)  # type: ignore[arg-type]
        heard = stt.open().stage
        stages = scripted_stages(lambda _: "La", super().stages().close)
        return replace(stages, vad=None, stt=heard.stt, backlog=heard.backlog)


class RealtimeClient:
    """A client whose microphone is never off."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.heard: list[tuple[float, dict[str, Any]]] = []
        self._words = bytearray()
        self._tasks = [asyncio.create_task(work) for work in (self._listen(), self._speak())]

    def say(self, text: str) -> None:
        self._words += Pcm16().encoder()(TONES.say(text))

    def hush(self, seconds: float) -> None:
        self._words += bytes(round(seconds * 24_000) * 2)

    async def _speak(self) -> None:
        loop, size = asyncio.get_running_loop(), round(PACKET_S * 48_000)
        next_s = loop.time()
        while True:
            packet, self._words = bytes(self._words[:size]), self._words[size:]
            await self._client.speak(packet.ljust(size, b"\0"))
            next_s += PACKET_S
            await asyncio.sleep(next_s - loop.time())

    async def _listen(self) -> None:
        async for event in self._client.events():
            self.heard.append((asyncio.get_running_loop().time(), event))

    def since(self, at_s: float, kind: str) -> list[dict[str, Any]]:
        return [event for time_s, event in self.heard if time_s >= at_s and event["type"] == kind]

    def hang_up(self) -> None:
        for task in self._tasks:
            task.cancel()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("phase_s", [*PHASES_S, *(pytest.param(s, marks=pytest.mark.explored) for s in MORE_PHASES_S)])
async def test_the_user_is_told_and_the_next_turn_is_answered(serve, virtual_loop, mode, phase_s):
    """Within 3 s of the break, at whatever moment it comes; the turn after the outage of 8 s is heard and answered."""
    async with (
        SttServer(ByTone(TONES)) as stt,
        serve(load_pipeline(None), Ears(stt)) as served,
        served.connect(protocols=()) as client,
    ):
        realtime = RealtimeClient(client)
        await asyncio.sleep(1)
        realtime.hush(0.6)
        realtime.say("one two three")
        await asyncio.sleep(phase_s)
        broken_s = virtual_loop.time()
        await stt.fail(mode, for_s=8)
        if mode is Fails.FULL:
            stt.fail_open(Fails.DIES)
        await asyncio.sleep(3)
        told = [event["error"]["code"] for event in realtime.since(broken_s, "error")]
        await asyncio.sleep(6)
        again_s = virtual_loop.time()
        realtime.say("four five")
        await asyncio.sleep(6)
        answers = [event["response"]["status"] for event in realtime.since(again_s, "response.done")]
        heard = " ".join(event["transcript"] for event in realtime.since(broken_s, COMPLETED))
        assert not client.socket.closed
        realtime.hang_up()
    assert told == ["service_lost"]
    assert answers[-1:] == ["completed"]
    assert heard.endswith("four five")


async def test_a_recogniser_that_is_started_again_after_12_s_finds_its_session(serve):
    """The client is told once, and what it said meanwhile is heard."""
    async with (
        SttServer(ByTone(TONES)) as stt,
        serve(load_pipeline(None), Ears(stt)) as served,
        served.connect(protocols=()) as client,
    ):
        realtime = RealtimeClient(client)
        await asyncio.sleep(1)
        await stt.fail(Fails.DOWN, for_s=12)
        await asyncio.sleep(4)
        realtime.say("six seven")
        await asyncio.sleep(14)
        assert [event["transcript"] for event in realtime.since(0, COMPLETED)] == ["six seven"]
        assert [event["error"]["code"] for event in realtime.since(0, "error")] == ["service_lost"]
        realtime.hang_up()
