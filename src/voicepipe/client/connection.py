"""`connect`: a conversation with a server of OpenAI's Realtime API (GA), such as voicepipe or OpenAI's own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from pydantic import BaseModel

from voicepipe.audio import Pcm16
from voicepipe.client import events
from voicepipe.client.history import History
from voicepipe.client.link import ConversationLost, Link, next_event
from voicepipe.client.presets import REALTIME, Realtime
from voicepipe.client.socket import CannotConnect, ClientSocket, Message, appended
from voicepipe.events import Audio, Samples
from voicepipe.services import Backoff

__all__ = ["RealtimeConnection", "connect"]

log = structlog.get_logger()

_RATE_HZ = 24_000
_encode = Pcm16(_RATE_HZ).encoder()

_BROKEN = 1006
_RETURNS = {1001: "the server stops", _BROKEN: "the connection broke", 1012: "the server restarts", 1013: "full"}
"""Close codes after which the conversation can go on."""
_ENDINGS = {
    1008: "the server ended the conversation; its last error event says which limit was reached",
    1009: "the server refused a message that was too long: send sound in pieces of a second at most",
    1011: "the server failed",
}


@asynccontextmanager
async def connect(
    url: str,
    *,
    key: str | None = None,
    model: str = "",
    session: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    resumable: bool = True,
    realtime: Realtime = REALTIME,
) -> AsyncGenerator[RealtimeConnection]:
    """Open a conversation, and close it at the end of the block.

    It is open when the server has greeted. Where the connection breaks it is made again, and goes on: see
    `RealtimeConnection`. Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY`), as for all services.

    Args:
        url: The server's address: `http://127.0.0.1:8000`, `wss://api.openai.com/v1/realtime`. Its parameters are sent,
            too: a pipeline of voicepipe's reads them in `session.client.query`.
        key: The API key, sent as `Authorization: Bearer`, and never logged.
        model: The model, sent as `?model=`. OpenAI requires one, in the address or here.
        session: The settings, as in `session.update`; `type` is added.
        headers: Headers of the program's own; a server of voicepipe's passes those on that its setting `client_headers`
            names.
        resumable: Whether the server is asked to keep the session for a while when the connection breaks, by
            `?resumable=true`. OpenAI's own, which keeps none, is not.
        realtime: The times and the sizes of buffers.

    Yields:
        The conversation.

    Raises:
        CannotConnect: There is no server at this address, or it refuses; the message says why.
    """
    history = History(dict(session or {}), realtime.history_items)
    link = Link(url, key, model, resumable, realtime.open_s, headers or {})
    socket, greeting = await link.begin(list(history.replay()))
    connection = RealtimeConnection(link, history, realtime, socket, greeting)
    try:
        yield connection
    finally:
        await connection.close()


class RealtimeConnection:
    """An open conversation. Iterate over the server's events; send from any task.

    **Reconnection.** When the connection breaks, or the server restarts, `Disconnected` is the next event. A session of
    voicepipe's that is still there goes on (`Reconnected(resumed=True)`). Otherwise a new one is begun, and told the
    settings and the items, with what was said, as text. After `back_within_s` the iteration raises `ConversationLost`.

    **Back-pressure.** `send` and `send_audio` wait while the server does not read. While the connection is away, `send`
    waits for it, and loses nothing that it has not begun to send; of the user's sound the last `waiting_audio_s` are
    kept, and what is dropped is counted in `lost_ms`. Of the server's events `waiting_events` wait for the iteration;
    then the server is not read, and TCP makes it wait.

    **The end.** When the server closes in order (1000), or `close` is called, the iteration ends. It raises
    `ConversationLost` after any other end. Cancelling an iteration or a `send` loses no event.

    `session` is what the server last said of its settings.
    """

    def __init__(
        self, link: Link, history: History, realtime: Realtime, socket: ClientSocket, greeting: events.SessionCreated
    ) -> None:
        self.lost_ms = 0.0
        self.session: dict[str, Any] = {}
        self._link, self._history, self._realtime = link, history, realtime
        self._socket = socket
        self._resume: events.Resume | None = None
        self._last_event_id = self._session_id = ""
        self._expired = self._is_over = self._is_closing = False
        self._error: ConversationLost | None = None
        # Counts the sessions: what a new one has been told is not sent again.
        self._sessions = 1
        self._attached, self._sending = asyncio.Event(), asyncio.Lock()
        self._attached.set()
        self._audio: deque[bytes] = deque()
        self._events: asyncio.Queue[events.ServerEvent | None] = asyncio.Queue(realtime.waiting_events)
        self._reader = asyncio.create_task(self._run(greeting), name="reads a conversation")

    # ---- what comes --------------------------------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[events.ServerEvent]:
        return self

    async def __anext__(self) -> events.ServerEvent:
        if self._is_over and self._events.empty():
            raise self._error or StopAsyncIteration
        event = await self._events.get()
        if event is None:
            raise self._error or StopAsyncIteration
        return event

    # ---- what is sent ------------------------------------------------------------------------------------------------

    async def send(self, event: Message | BaseModel) -> None:
        """Send a client event: a dictionary, or one of `voicepipe.realtime.ga.client_events`.

        Raises:
            ConversationLost: The conversation is over.
        """
        message = event.model_dump(mode="json", exclude_unset=True) if isinstance(event, BaseModel) else event
        self._history.sent(message)
        sessions, is_replayed = self._sessions, message["type"] in ("session.update", "conversation.item.create")
        while True:
            await self._attached.wait()
            if (is_replayed and sessions != self._sessions) or await self._delivered(message):
                return

    async def send_audio(self, samples: Samples | bytes) -> None:
        """Send the user's next sound: float32 samples, or PCM16, at 24 kHz.

        Raises:
            ConversationLost: The conversation is over.
        """
        data = samples if isinstance(samples, bytes) else _encode(Audio(samples, _RATE_HZ))
        if not self._attached.is_set() or not await self._delivered(appended(data)):
            self._keep(data)

    async def update(self, **session: Any) -> None:
        """Change settings: `await conversation.update(instructions="Be brief.")`."""
        await self.send({"type": "session.update", "session": {"type": "realtime", **session}})

    async def say(self, text: str, role: str = "user") -> None:
        """Add a message of text: of the user or, with `role="system"`, of the application. See `respond`."""
        item = {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}
        await self.send({"type": "conversation.item.create", "item": item})

    async def respond(self, **response: Any) -> None:
        """Ask for a response now: `await conversation.respond(instructions="Greet the user.")`."""
        await self.send({"type": "response.create", **({"response": response} if response else {})})

    async def cancel(self) -> None:
        """Stop the response that is under way."""
        await self.send({"type": "response.cancel"})

    async def truncate(self, item_id: str, heard_ms: float, heard_text: str | None = None) -> None:
        """Tell how much of the bot's message was heard. `heard_text` is what a new session is told of it."""
        message = {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0}
        if heard_text is not None:
            self._history.heard(item_id, heard_text)
        await self.send({**message, "audio_end_ms": round(heard_ms)})

    async def return_result(self, call_id: str, output: str) -> None:
        """Give the result of a function call. `respond` has the bot go on with it."""
        item = {"type": "function_call_output", "call_id": call_id, "output": output}
        await self.send({"type": "conversation.item.create", "item": item})

    async def close(self) -> None:
        """Close the conversation in order; the iteration ends. Safe to call twice."""
        self._is_closing = True
        await self._socket.close()  # before the reader is cancelled: aiohttp takes that for the end of the socket
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait((self._reader,))
        await self._socket.close()

    async def _delivered(self, message: Message) -> bool:
        """Return whether a message was sent. Raises ConversationLost."""
        if self._is_over:
            raise self._error or ConversationLost("the conversation is over", 1000)
        socket = self._socket
        try:
            async with self._sending:
                await socket.send(message)
        except ConnectionResetError:
            if socket is self._socket and not self._is_over:
                self._attached.clear()  # the reader connects again
            return False
        return True

    def _keep(self, data: bytes) -> None:
        self._audio.append(data)
        while sum(map(len, self._audio)) > self._realtime.waiting_audio_s * 2 * _RATE_HZ:
            self.lost_ms += len(self._audio.popleft()) / (2 * _RATE_HZ) * 1000

    # ---- the connection ----------------------------------------------------------------------------------------------

    async def _run(self, greeting: events.SessionCreated) -> None:
        """Read one connection after the other, until the conversation is over."""
        try:
            await self._note(greeting)
            while await self._read():
                self._attached.clear()
                await self._socket.close()
                await self._reconnect()
        except ConversationLost as error:
            self._error = error
        finally:
            self._is_over = True
            self._attached.set()
            if self._events.full():
                self._events.get_nowait()  # nothing is left to wait for it but the end
            self._events.put_nowait(None)

    async def _read(self) -> bool:
        """Read until the connection ends; return whether it is made again. Raises ConversationLost."""
        while (event := await next_event(self._socket)) is not None:
            await self._note(event)
        code = self._socket.close_code or _BROKEN
        if self._is_closing or (code == 1000 and not self._expired):
            return False
        if code in _RETURNS or self._expired:
            reason = "the session has lasted as long as it may" if self._expired else _RETURNS[code]
            log.warning("conversation.lost", code=code, reason=reason)
            await self._events.put(events.Disconnected(reason=reason))
            self._resume = self._resume if code == _BROKEN else None
            return True
        details = f": {self._socket.close_reason}" if self._socket.close_reason else ""
        raise ConversationLost(_ENDINGS.get(code, f"the server closed with code {code}") + details, code)

    async def _note(self, event: events.ServerEvent) -> None:
        self._last_event_id = event.event_id or self._last_event_id
        match event:
            case events.SessionCreated(session=session, resume=resume):
                self.session, self._session_id = session, str(session.get("id", ""))
                self._resume, self._expired = resume, False
            case events.SessionUpdated(session=session):
                self.session = session
            case events.ServerError(error=error) if error.code == "session_expired":
                self._expired = True
            case _:
                self._history.received(event)
        await self._events.put(event)

    async def _reconnect(self) -> None:
        """Connect again. Raises ConversationLost when that has taken too long, or is refused."""
        loop = asyncio.get_running_loop()
        until_s, last = loop.time() + self._realtime.back_within_s, ""
        for pause_s in Backoff(self._realtime.pause_s, 2, self._realtime.longest_pause_s):
            if loop.time() + pause_s > until_s:
                break
            await asyncio.sleep(pause_s)
            try:
                return await self._attach()
            except CannotConnect as error:
                last = str(error)
                if error.status is not None and error.status < 500 and error.status not in (408, 429):
                    raise ConversationLost(f"the conversation cannot go on: {last}") from None
        raise ConversationLost(f"no connection for {self._realtime.back_within_s:g} s; the last attempt: {last}")

    async def _attach(self) -> None:
        greeting = None
        if self._resume is None or not await self._taken_up(self._resume):
            greeting = await self._begin_again()
        while self._audio:
            await self._socket.send(appended(self._audio.popleft()))
        self._attached.set()
        log.info("conversation.reconnected", resumed=greeting is None)
        await self._events.put(events.Reconnected(resumed=greeting is None))
        if greeting is not None:
            await self._note(greeting)

    async def _taken_up(self, resume: events.Resume) -> bool:
        """Resume the session; return whether the server still has it. Raises CannotConnect."""
        try:
            self._socket = await self._link.resume(self._session_id, self._last_event_id, resume.token)
        except CannotConnect as error:
            if error.status != 404:
                raise
            self._resume = None
            return False
        return True

    async def _begin_again(self) -> events.SessionCreated:
        """Begin a new session, and tell it what was said. Raises CannotConnect."""
        settings, *items = self._history.replay()
        self._socket, greeting = await self._link.begin([settings])
        self._sessions += 1
        try:
            for item in items:
                await self._socket.send(item)
        except ConnectionResetError:
            raise CannotConnect("the connection broke while the new session was told the conversation") from None
        return greeting
