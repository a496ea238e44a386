"""A server and its clients for tests: real sockets, scripted pipelines, stages of nothing."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from published import check_published

from voicepipe.engine.health_checks import KINDS, ServiceKind
from voicepipe.session import Stages

UPDATE = {"type": "session.update", "session": {"instructions": {"type": "smalltalk"}, "allow_recording": False}}


class Engine:
    """Makes stages of nothing, and counts them."""

    def __init__(self, max_sessions: int = 4) -> None:
        self.max_sessions = max_sessions
        self.kinds: Sequence[ServiceKind] = KINDS
        self.calls_functions, self.gives_logprobs, self.loading = True, False, False
        self.up = {"stt_up": True, "tts_up": True, "llm_up": True, "voice_cloning_up": False}
        self.broken: Exception | None = None
        self.made = 0
        self.closed = 0
        self.idle = asyncio.Event()

    def stages(self) -> Any:
        if self.broken is not None:
            raise self.broken
        self.made += 1
        self.idle.clear()
        nothing: dict[str, Any] = dict.fromkeys(("vad", "end_of_turn", "stt", "llm", "tts"))
        return Stages(**nothing, on_close=(self._stage_closed,))

    def _stage_closed(self) -> None:
        self.closed += 1
        if self.closed == self.made:
            self.idle.set()

    async def health(self) -> dict[str, bool]:
        return self.up

    def close(self) -> None:
        raise AssertionError("the engine is its owner's to close")


class Client:
    """One WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._dialect = ""

    async def send(self, *messages: dict[str, Any] | str | bytes) -> None:
        for message in messages:
            match message:
                case bytes():
                    await self.socket.send_bytes(message)
                case str():
                    await self.socket.send_str(message)
                case _:
                    await self.socket.send_str(json.dumps(message))

    async def speak(self, *packets: bytes) -> None:
        for number, packet in enumerate(packets):
            audio = base64.b64encode(packet).decode()
            await self.send({"type": "input_audio_buffer.append", "event_id": f"a{number}", "audio": audio})

    async def event(self, kind: str) -> dict[str, Any]:
        """The next one of this type; those before it are skipped."""
        async for event in self.events():
            if event["type"] == kind:
                return event
        raise AssertionError(f"closed with {self.socket.close_code} before any {kind}")

    async def error(self) -> dict[str, Any]:
        return (await self.event("error"))["error"]

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        while (message := await self.socket.receive()).type is aiohttp.WSMsgType.TEXT:
            event = json.loads(message.data)
            if event["type"] == "session.created":
                self._dialect = "beta" if "modalities" in event["session"] else "ga"
            elif event["type"] == "session.updated" and "allow_recording" in event["session"]:
                self._dialect = ""  # it is Unmute's
            check_published(self._dialect, event)
            yield event
        self.last = message

    async def end(self) -> tuple[int, str]:
        """The close code and the reason, after everything that came before."""
        async for _ in self.events():
            pass
        return self.last.data, self.last.extra

    def vanish(self) -> None:
        """Cut the connection, as a dying network does."""
        connection = self.socket._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.abort()


def refused(status: int, body: Any) -> str:
    """Check the shape of a refusal, which all share, and return its message."""
    assert set(body) >= {"detail", "error"}
    error = body["error"]
    assert set(error) == {"type", "code", "message", "param"}
    assert error["type"] == ("invalid_request_error" if status < 500 else "server_error")
    assert error["message"] == body["detail"]
    assert error["code"]
    return body["detail"]


class Served:
    """A running server."""

    def __init__(self, http: aiohttp.ClientSession, runner: web.AppRunner, engine: Engine) -> None:
        self.http, self.runner, self.engine = http, runner, engine
        self.host, self.port = runner.addresses[0][:2]
        self.url = f"http://{self.host}:{self.port}"

    @asynccontextmanager
    async def connect(self, **options: Any) -> AsyncIterator[Client]:
        async with self.http.ws_connect(f"{self.url}/v1/realtime", **{"protocols": ("realtime",), **options}) as socket:
            yield Client(socket)

    async def empty(self) -> None:
        """Wait until the last session has cleaned up and its slot is free."""
        async with asyncio.timeout(60):
            await self.engine.idle.wait()
        await asyncio.sleep(0.001)  # virtual: whatever needs no time happens before
