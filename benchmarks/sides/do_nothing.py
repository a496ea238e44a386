"""A backend that does nothing of its own: the floor of what a server between three services can add.

For each client it forwards decoded sound to the recogniser; on a pause it sends the silence that flushes the
recogniser, then the words to the model, and the model's words to the voice; for each piece of sound it sends the client
a message that was made beforehand. It knows no barge-in, no conversation, no error, and no protocol but Unmute's.

    python benchmarks/sides/do_nothing.py STT TTS LLM     prints its address
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
from contextlib import suppress
from typing import Any

import aiohttp
import numpy as np
import ormsgpack
import sphn
from aiohttp import web

FRAME, FLUSH_FRAMES = 1920, 7
PACK = ormsgpack.OPT_SERIALIZE_NUMPY
SPEECH_BELOW, SILENCE_ABOVE = 0.4, 0.6


class _Session:
    """One client."""

    def __init__(self, http: aiohttp.ClientSession, urls: list[str], client: web.WebSocketResponse) -> None:
        self._http, self._client = http, client
        self._stt_url, self._tts_url, self._llm_url = urls
        self._reader = sphn.OpusStreamReader(24_000)
        self._sound = np.zeros(0, np.float32)
        self._words: list[str] = []
        self._voiced, self._steps_left = False, -1
        self._sent_s = 0.0  # of sound, in all replies: one Ogg stream
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        headers = {"kyutai-api-key": "public_token"}
        async with self._http.ws_connect(f"{self._stt_url}/api/asr-streaming", headers=headers) as stt:
            hearing = asyncio.ensure_future(self._hear(stt))
            async for message in self._client:
                said = json.loads(message.data)
                if said["type"] == "input_audio_buffer.append":
                    await self._forward(stt, base64.b64decode(said["audio"]))
            hearing.cancel()
            for task in self._tasks:
                task.cancel()

    async def _forward(self, stt: aiohttp.ClientWebSocketResponse, data: bytes) -> None:
        samples: Any = self._reader.append_bytes(data)
        self._sound = np.concatenate([self._sound, samples])
        while len(self._sound) >= FRAME:
            frame, self._sound = self._sound[:FRAME], self._sound[FRAME:]
            await stt.send_bytes(ormsgpack.packb({"type": "Audio", "pcm": frame}, option=PACK))

    async def _hear(self, stt: aiohttp.ClientWebSocketResponse) -> None:
        silence = ormsgpack.packb({"type": "Audio", "pcm": np.zeros(FRAME, np.float32)}, option=PACK)
        async for message in stt:
            told = ormsgpack.unpackb(message.data)
            if told["type"] == "Word" and told["text"]:
                self._words.append(told["text"])
            elif told["type"] == "Step":
                score = told["prs"][2]
                if self._voiced and score > SILENCE_ABOVE and self._words:
                    self._voiced, self._steps_left = False, FLUSH_FRAMES
                    for _ in range(FLUSH_FRAMES):
                        await stt.send_bytes(silence)
                elif self._steps_left > 0:
                    self._steps_left -= 1
                    if not self._steps_left:
                        text, self._words = " ".join(self._words), []
                        task = asyncio.ensure_future(self._answer(text))
                        self._tasks.add(task)
                        task.add_done_callback(self._tasks.discard)
                self._voiced = self._voiced or score < SPEECH_BELOW

    async def _answer(self, text: str) -> None:
        body = {"model": "fake", "stream": True, "messages": [{"role": "user", "content": text}]}
        async with self._http.ws_connect(
            f"{self._tts_url}/api/tts_streaming", headers={"kyutai-api-key": "public_token"}
        ) as tts:
            speaking = asyncio.ensure_future(self._speak(tts))
            async with self._http.post(f"{self._llm_url}/v1/chat/completions", json=body) as response:
                waiting = ""
                async for line in response.content:
                    found = re.search(rb'"content": "([^"]*)"', line)
                    waiting += found[1].decode() if found else ""
                    *whole, waiting = waiting.split(" ") if " " in waiting.strip() else [waiting]
                    for word in filter(None, whole):
                        await tts.send_bytes(ormsgpack.packb({"type": "Text", "text": word}))
            await tts.send_bytes(ormsgpack.packb({"type": "Text", "text": waiting}))
            await tts.send_bytes(ormsgpack.packb({"type": "Eos"}))
            await speaking

    async def _speak(self, tts: aiohttp.ClientWebSocketResponse) -> None:
        await self._client.send_str(json.dumps({"type": "response.created"}))
        due_s, clock = None, asyncio.get_running_loop().time
        async for message in tts:
            if b"Audio" not in message.data[:16]:
                continue
            due_s = clock() if due_s is None else due_s
            await asyncio.sleep(max(0.0, due_s - clock()))
            due_s += 0.08
            self._sent_s += 0.08
            await self._client.send_str(_ready_message(self._sent_s))
        await self._client.send_str(json.dumps({"type": "response.audio.done"}))


def _ready_message(ends_s: float) -> str:
    """Return a delta with 80 ms of sound, which ends there in the stream: only the page's count is written anew."""
    page = bytearray(_PAGE)
    at = page.rindex(b"OggS") + 6
    page[at : at + 8] = round(ends_s * 48_000).to_bytes(8, "little", signed=True)
    return _HEAD + base64.b64encode(page).decode() + '"}'


def _made_page() -> bytes:
    writer = sphn.OpusStreamWriter(24_000)
    noise = np.random.default_rng(0).normal(0, 0.05, FRAME).astype(np.float32)
    writer.append_pcm(noise)
    made: Any = writer.append_pcm(noise)
    return bytes(made)


_PAGE = _made_page()
_HEAD = '{"type": "response.audio.delta", "delta": "'


async def _main(urls: list[str]) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def serve(request: web.Request) -> web.StreamResponse:
            client = web.WebSocketResponse(protocols=("realtime",))
            await client.prepare(request)
            with suppress(ConnectionError):
                await _Session(http, urls, client).run()
            return client

        app = web.Application()
        app.router.add_get("/v1/realtime", serve)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(f"ws://127.0.0.1:{runner.addresses[0][1]}/v1/realtime", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_main(sys.argv[1:]))
