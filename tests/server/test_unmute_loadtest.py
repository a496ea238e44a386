"""The messages of Unmute's load-test client, in its order, and the answers that it needs: without one it stops.

Its source is `unmute/loadtest/loadtest_client.py` of https://github.com/kyutai-labs/unmute. Its microphone stays open,
and it sends a recording as soon as a reply has ended. Of each reply it takes the text from the `chat_history` that came
last, and it measures from `response.created` over the first word and the first sound to `response.audio.done`.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import sphn
from ogg_opus import RATE_HZ
from scripted_stages import scripted_stages
from served import Client, Engine
from unmute_frontend import loud

from voicepipe.conversation import Conversation
from voicepipe.loader import load_pipeline
from voicepipe.realtime.ids import new_id

FRAME = 1920
MOST_MESSAGES = 6
INPUT = "conversation.item.input_audio_transcription.delta"
READY = "unmute.response.text.delta.ready"


class _Talker(Engine):
    """Greets, and then says of anything that it is true."""

    def stages(self) -> Any:
        return scripted_stages(_answer, super().stages().close)


def _answer(conversation: Conversation) -> str:
    return "That is true, I think." if conversation.messages else "Hello there!"


class LoadTest:
    """The client: `messages` is what was said, with the times of each reply."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.messages: list[tuple[str, str]] = []
        self.replies: list[dict[str, float]] = []
        self._to_say = np.zeros(0, np.float32)
        self._history: list[dict[str, str]] = []
        self._times: dict[str, float] = {}
        self._sound = sphn.OpusStreamReader(RATE_HZ)

    async def speak(self) -> None:
        """Settings with all fields, then 80 ms of sound at a time: a recording where there is one, else silence."""
        session = {"instructions": {"type": "smalltalk", "language": None}, "voice": "hibari", "allow_recording": False}
        await self._send("session.update", session=session)
        writer = sphn.OpusStreamWriter(RATE_HZ)
        while not self.client.socket.closed:
            now, self._to_say = self._to_say[:FRAME], self._to_say[FRAME:]
            pages = writer.append_pcm(np.concatenate([now, np.zeros(FRAME - len(now), np.float32)]))
            if pages:
                await self._send("input_audio_buffer.append", audio=base64.b64encode(pages).decode())
            await asyncio.sleep(FRAME / RATE_HZ)

    async def listen(self) -> None:
        async for event in self.client.events():
            self._take(event)
            if event["type"] == "response.audio.done" and len(self._history) >= MOST_MESSAGES:
                return

    def _take(self, event: dict[str, Any]) -> None:
        """Its own assertions: no event before those that it needs."""
        match event:
            case {"type": "response.created"}:
                self._times.setdefault("created", self._now())
                if asked := [one["content"] for one in self._history if one["role"] == "user"]:
                    self.messages.append(("user", asked[-1]))
            case {"type": "unmute.response.text.delta.ready"}:
                assert "created" in self._times
                self._times.setdefault("text", self._now())
            case {"type": "response.audio.delta", "delta": delta}:
                self._times.setdefault("sound", self._now())
                self._sound.append_bytes(base64.b64decode(delta))
            case {"type": "unmute.additional_outputs", "args": {"chat_history": history}}:
                self._history = history
            case {"type": "response.audio.done"}:
                self._done()
            case _:
                pass

    def _done(self) -> None:
        assert {"created", "text", "sound"} <= self._times.keys()
        self.messages.append(("assistant", self._history[-1]["content"]))
        self.replies.append({**self._times, "done": self._now()})
        self._times = {}
        self._to_say = loud(0.8)

    async def _send(self, kind: str, **fields: Any) -> None:
        await self.client.socket.send_str(json.dumps({"type": kind, "event_id": new_id("event"), **fields}))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def _talked(served: Any) -> AsyncIterator[LoadTest]:
    """Ask whether the server is well, and for its first voice; talk until six messages are said."""
    async with served.http.get(f"{served.url}/v1/health") as answer:
        assert (await answer.json())["ok"]
    async with served.http.get(f"{served.url}/v1/voices") as answer:
        assert (await answer.json())[0]["source"]["path_on_server"] == "hibari"
    async with served.connect() as client:
        test = LoadTest(client)
        microphone = asyncio.create_task(test.speak())
        await test.listen()
        microphone.cancel()
        yield test


async def test_the_load_test_runs_to_its_end(serve: Any) -> None:
    """Three times in a row: six messages in turn, the times of each reply in order, as it checks them itself."""
    async with serve(load_pipeline(None), _Talker()) as served:
        for _ in range(3):
            async for test in _talked(served):
                said = [role for role, _ in test.messages]
                assert said == ["assistant", "user"] * 3 + ["assistant"]
                assert [text for role, text in test.messages if role == "assistant"][1:] == [
                    "That is true, I think."
                ] * 3
                for reply in test.replies:
                    assert reply["created"] <= reply["text"] <= reply["sound"] < reply["done"]
