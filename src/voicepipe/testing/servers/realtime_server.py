"""A server of OpenAI's Realtime API (GA) that does what a script says."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from aiohttp import WSMsgType, web

from voicepipe.testing.servers.base import Fails, FakeServer, Visit

__all__ = ["RealtimeServer", "RealtimeSession", "Script"]

RATE_HZ = 24_000
_PIECE_S = 0.1
"""The length of a piece of sound; OpenAI's are about as long."""


class RealtimeSession:
    """One session: what its client has sent, and what a script makes it say.

    `received` has the client's messages without its sound, `heard` the bytes of that. `closed` is the close code of the
    client, when it has closed.
    """

    def __init__(self, visit: Visit, socket: web.WebSocketResponse) -> None:
        self.visit, self._socket = visit, socket
        self.received: list[dict[str, Any]] = []
        self.heard = bytearray()
        self.closed: int | None = None
        self.settings: dict[str, Any] = {}
        self._news = asyncio.Event()
        self._count = self._looked = 0
        self._last: str | None = None

    # ---- what a script may do ----------------------------------------------------------------------------------------

    async def send(self, kind: str, **fields: Any) -> None:
        """Send an event."""
        await self._socket.send_str(json.dumps({"type": kind, "event_id": self._name("event"), **fields}))

    async def expect(self, kind: str) -> dict[str, Any]:
        """Wait for the client's next message of this type, behind the last one that was waited for."""
        while True:
            while self._looked < len(self.received):
                message = self.received[self._looked]
                self._looked += 1
                if message["type"] == kind:
                    return message
            self._news.clear()
            await self._news.wait()

    async def user_starts(self, at_ms: int = 0) -> str:
        """Notice that the user speaks; return the item's id."""
        item = self._name("item")
        await self.send("input_audio_buffer.speech_started", audio_start_ms=at_ms, item_id=item)
        return item

    async def user_stops(self, item: str, at_ms: int = 0) -> None:
        """Notice that the user has finished, and commit what was said."""
        await self.send("input_audio_buffer.speech_stopped", audio_end_ms=at_ms, item_id=item)
        await self.send("input_audio_buffer.committed", item_id=item, previous_item_id=self._last)
        content = [{"type": "input_audio", "transcript": None}]
        await self._add({"id": item, "type": "message", "role": "user", "status": "completed", "content": content})

    async def transcribe(self, item: str, text: str) -> None:
        """Tell what the user has said."""
        kind = "conversation.item.input_audio_transcription.completed"
        await self.send(kind, item_id=item, content_index=0, transcript=text)

    async def reply(self, text: str, seconds: float) -> str:
        """Answer with so much sound, as fast as OpenAI does: all at once, the text in front of it; return its item."""
        response, item = await self.begin()
        where = {"response_id": response, "item_id": item["id"], "output_index": 0, "content_index": 0}
        for number, word in enumerate(text.split()):
            delta = f" {word}" if number else word
            await self.send("response.output_audio_transcript.delta", **where, delta=delta)
        for piece in tone(seconds):
            await self.send("response.output_audio.delta", **where, delta=base64.b64encode(piece).decode())
        content = [{"type": "output_audio", "transcript": text}]
        await self.end(response, {**item, "status": "completed", "content": content})
        return item["id"]

    async def call(self, name: str, arguments: str) -> str:
        """Answer with a function call; return its id."""
        response, call_id = self._name("resp"), self._name("call")
        await self._created(response)
        item = {"id": self._name("item"), "type": "function_call", "name": name, "call_id": call_id}
        item |= {"arguments": arguments, "status": "completed"}
        await self.send("response.output_item.added", response_id=response, output_index=0, item=item)
        await self.end(response, item)
        return call_id

    async def begin(self) -> tuple[str, dict[str, Any]]:
        """Begin to answer; return the response's id, and its message."""
        response = self._name("resp")
        await self._created(response)
        item: dict[str, Any] = {"id": self._name("item"), "type": "message", "role": "assistant", "content": []}
        await self.send("response.output_item.added", response_id=response, output_index=0, item=item)
        await self._add({**item, "status": "in_progress"})
        return response, item

    async def end(self, response: str, item: dict[str, Any], status: str = "completed", **details: Any) -> None:
        """End a response."""
        await self.send("response.output_item.done", response_id=response, output_index=0, item=item)
        done = {"id": response, "status": status, "conversation_id": "conv_1", "status_details": details or None}
        await self.send("response.done", response=done)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection in order."""
        await self._socket.close(code=code, message=reason.encode())

    # ---- inside ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Take the client's messages until it has gone."""
        try:
            async for frame in self._socket:
                if frame.type is WSMsgType.TEXT:
                    await self._take(json.loads(frame.data))
        finally:
            self.closed = self._socket.close_code

    async def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "input_audio_buffer.append":
                self.heard += base64.b64decode(message["audio"])
                return
            case "session.update":
                self.settings = {**self.settings, **message["session"]}
                await self.send("session.updated", session={"id": "sess_1", **self.settings})
            case "conversation.item.create":
                await self._add({"id": self._name("item"), **message["item"]})
            case _:
                pass
        self.received.append(message)
        self._news.set()

    async def _created(self, response: str) -> None:
        begun = {"id": response, "status": "in_progress", "conversation_id": "conv_1"}
        await self.send("response.created", response=begun)

    async def _add(self, item: dict[str, Any]) -> None:
        previous, self._last = self._last, item["id"]
        await self.send("conversation.item.added", previous_item_id=previous, item=item)

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"


def tone(seconds: float) -> Iterator[bytes]:
    """Yield a tone as PCM16 at 24 kHz, in pieces."""
    whole = (8000 * np.sin(np.arange(round(seconds * RATE_HZ)) * 0.08)).astype("<i2").tobytes()
    step = round(_PIECE_S * RATE_HZ) * 2
    return (whole[start : start + step] for start in range(0, len(whole), step))


Script: TypeAlias = Callable[[RealtimeSession], Awaitable[object]]


class RealtimeServer(FakeServer):
    """Runs `script(session)` for each client, once it has greeted it. `sessions` are in order.

    With an `api_key`, a client without it as a bearer token gets 401. A script that ends leaves its session open; an
    exception of one is raised by `stop`.
    """

    def __init__(self, script: Script, *, api_key: str | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host=host, port=port)
        self.script, self.api_key = script, api_key
        self.sessions: list[RealtimeSession] = []
        self._error: BaseException | None = None

    async def stop(self) -> None:
        await super().stop()
        if self._error is not None:
            raise self._error

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v1/realtime", self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        visit = self.visit(request)
        if self.api_key is not None and request.headers.get("Authorization") != f"Bearer {self.api_key}":
            return self.refusal(401)
        if visit.fails is Fails.FULL:
            return self.refusal(503)
        socket = web.WebSocketResponse(protocols=("realtime",))
        await socket.prepare(request)
        session = RealtimeSession(visit, socket)
        self.sessions.append(session)
        await session.send("session.created", session={"id": f"sess_{len(self.sessions)}", "type": "realtime"})
        acting = asyncio.ensure_future(self._act(session, visit, socket))
        try:
            await session.run()
        finally:
            acting.cancel()
            await asyncio.wait([acting])
            if not acting.cancelled() and not isinstance(error := acting.exception(), ConnectionError):
                self._error = self._error or error
        return socket

    async def _act(self, session: RealtimeSession, visit: Visit, socket: web.WebSocketResponse) -> None:
        if not await self.misbehave(self.trouble(visit), visit, socket):
            await self.script(session)
