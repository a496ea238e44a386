"""A bot to talk to: a real aiohttp server on the loopback, in virtual time, that does what a script says."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from aiohttp import WSMsgType, web

from voicepipe.audio import OggOpus
from voicepipe.events import Audio, Samples
from voicepipe.testing import VirtualLoop

RATE_HZ = 24_000
LOUD = 0.05


class Bot:
    """Runs `script(bot)` for each client once its settings have come; writes down what it got and what it said."""

    def __init__(self) -> None:
        self.script: Callable[[Bot], Awaitable[None]] = silent
        self.messages: list[dict[str, Any]] = []
        self.sounds: list[tuple[float, Samples]] = []
        self.heard: list[Samples] = []
        self.protocols: list[str] = []
        self.url = ""
        self.close_code: int | None = None
        self.refuse: Callable[[], web.Response] | None = None
        self._settled, self._loud = asyncio.Event(), asyncio.Event()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/v1/realtime", self._serve)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"ws://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    # ---- what a script may do ---------------------------------------------------------------------------------------

    async def say(self, kind: str, **fields: Any) -> None:
        await self._socket.send_str(json.dumps({"type": kind, **fields}))

    async def sound(self, seconds: float) -> None:
        """A tone, as fast as can be: 40 ms in a message."""
        tone = (0.3 * np.sin(np.arange(round(seconds * RATE_HZ)) * 0.08)).astype(np.float32)
        for start in range(0, len(tone), 960):
            await self.send_audio(tone[start : start + 960])

    async def send_audio(self, samples: Samples) -> None:
        """A packet: 40 ms are 960 samples."""
        page = self._encode(Audio(samples, RATE_HZ))
        self.sounds.append((asyncio.get_running_loop().time(), self._decode(page)))
        await self.say("response.audio.delta", delta=base64.b64encode(page).decode())

    async def reply(self, *words: str, seconds: float, **debug: Any) -> None:
        """A whole reply; its sound is sent at once, and it is over when that has been played."""
        await self.say("response.created", response={})
        await self.sound(seconds)
        for word in words:
            await self.say("response.text.delta", delta=word)
        await asyncio.sleep(seconds)
        await self.say("response.text.done", text=" ".join(words))
        await self.say("response.audio.done")
        await self.say("unmute.additional_outputs", args={"chat_history": [], "debug_dict": debug})

    async def hear(self, quiet_s: float = 0.0) -> None:
        """Until the client has been loud, and then silent for so long."""
        self._loud.clear()
        await self._loud.wait()
        with suppress(TimeoutError):
            while quiet_s:
                self._loud.clear()
                await asyncio.wait_for(self._loud.wait(), quiet_s)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._socket.close(code=code, message=reason.encode())

    # ---- the server -------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Connection", "").lower() != "upgrade":
            return web.Response(text="only WebSockets are served here", status=426)
        if self.refuse is not None:
            return self.refuse()
        self.protocols = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        self._socket = web.WebSocketResponse(protocols=("realtime",))
        self._encode, self._decode, self._listen = OggOpus().encoder(), OggOpus().decoder(), OggOpus().decoder()
        await self._socket.prepare(request)
        script = asyncio.create_task(self._play())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self._take(json.loads(message.data))
        finally:
            self.close_code = self._socket.close_code
            script.cancel()
            await asyncio.wait([script])
        return self._socket

    async def _play(self) -> None:
        await self._settled.wait()
        await self.script(self)

    def _take(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if message["type"] == "session.update":
            self._settled.set()
        else:
            samples = self._listen(base64.b64decode(message["audio"]))
            self.heard.append(samples)
            if len(samples) and np.abs(samples).max() > LOUD:
                self._loud.set()


async def silent(bot: Bot) -> None:
    """Says nothing at all."""
    del bot


@pytest.fixture
def bot(virtual_loop: VirtualLoop) -> Iterator[Bot]:
    """A bot that listens at `bot.url`; give it a `script`."""

    async def make() -> Bot:
        bot = Bot()
        await bot.start()
        return bot

    bot = virtual_loop.run(make())
    yield bot
    virtual_loop.run(bot.stop())
