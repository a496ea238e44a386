"""A WebSocket client of Unmute's dialect."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias, cast

import aiohttp
from yarl import URL

from voicepipe.audio import OggOpus
from voicepipe.events import Audio, Samples

__all__ = [
    "CHARACTERS",
    "PATH",
    "CannotConnect",
    "ClientConnection",
    "Message",
    "authorization",
    "connect",
    "settings",
    "websocket_url",
]

Message: TypeAlias = dict[str, Any]
"""An event of the wire as JSON; `type` names its kind."""

CHARACTERS = ("smalltalk", "guess_animal", "quiz_show", "news", "unmute_explanation")
"""Characters for which the server writes the instructions."""

PATH = "/v1/realtime"
"""The path of a server's conversations."""
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_CLOSING = {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
_CODEC = OggOpus()


class CannotConnect(Exception):
    """No conversation was opened; the message is one sentence for the user.

    `status` is HTTP's, if any; `unreachable`: no server listens at that address.
    """

    def __init__(self, message: str, status: int | None = None, *, unreachable: bool = False) -> None:
        super().__init__(message)
        self.status, self.unreachable = status, unreachable


class ClientConnection:
    """An open conversation: iterate over the server's messages until either side closes."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._encode = _CODEC.encoder()
        self._decode = _CODEC.decoder()
        # The reason that the server gave when it closed.
        self.close_reason = ""

    async def send(self, message: Message) -> None:
        """Send a message. Raises ConnectionResetError when the connection is closed."""
        await self._socket.send_str(json.dumps(message))

    async def send_audio(self, samples: Samples) -> None:
        """Send the user's next sound, 24 kHz. Every second frame of 20 ms sends a page."""
        if page := self._encode(Audio(samples, _CODEC.rate_hz)):
            audio = base64.b64encode(page).decode()
            await self.send({"type": "input_audio_buffer.append", "audio": audio})

    def sound(self, delta: str) -> Samples:
        """Return the sound of a `response.audio.delta`, 24 kHz; empty for the pages that begin a stream.

        Raises ValueError if it is not sound.
        """
        return self._decode(base64.b64decode(delta))

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            message = await self._socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                yield _parsed(message.data)
            elif message.type in _CLOSING:
                self.close_reason = message.extra or ""
                return

    @property
    def close_code(self) -> int | None:
        """The close code: 1000 in order, 1006 lost, 1013 full; None while it is open."""
        return self._socket.close_code

    async def close(self) -> None:
        await self._socket.close()


@asynccontextmanager
async def connect(
    url: str,
    *,
    instructions: str | None = "smalltalk",
    voice: str | None = None,
    api_key: str | None = None,
    open_timeout_s: float = 10.0,
) -> AsyncGenerator[ClientConnection]:
    """Open a conversation and send its settings, so that the bot opens; `instructions` as in `settings`. `api_key` is
    for a server that requires one.

    Raises CannotConnect when no server listens, or it is full, refuses, or speaks another protocol.
    """
    address = websocket_url(url)
    async with aiohttp.ClientSession(headers=authorization(api_key)) as http:
        socket = await _open(http, address, open_timeout_s)
        try:
            connection = ClientConnection(socket)
            with suppress(ConnectionResetError):  # closed at once: the reader gets the reason
                await connection.send(settings(instructions, voice))
            yield connection
        finally:
            await socket.close()


def settings(instructions: str | None, voice: str | None) -> Message:
    """Return a `session.update`. Instructions: one of `CHARACTERS`, or a text; None or "" leaves the bot silent."""
    wanted: Message | None = None
    if instructions in CHARACTERS:
        wanted = {"type": instructions, "language": "en"}
    elif instructions:
        wanted = {"type": "constant", "text": instructions, "language": "en"}
    session: Message = {"voice": voice, "allow_recording": False}
    if wanted is not None:  # null would mean: the default character
        session["instructions"] = wanted
    return {"type": "session.update", "session": session}


def websocket_url(url: str) -> str:
    """Return `url` with the scheme and the path that a conversation needs.

    >>> websocket_url("http://localhost:8000")
    'ws://localhost:8000/v1/realtime'
    >>> websocket_url("example.com/voice/v1/realtime")
    'ws://example.com/voice/v1/realtime'
    """
    try:
        address = URL(url if "://" in url else f"ws://{url}")
    except ValueError:
        address = URL()
    scheme = _SCHEMES.get(address.scheme)
    if scheme is None or not address.host:
        raise CannotConnect(f"{url!r} is no address of a server; one looks like ws://127.0.0.1:8000")
    path = PATH if address.path in ("", "/") else address.path
    return str(address.with_scheme(scheme).with_path(path).with_query(address.query))


def authorization(api_key: str | None) -> dict[str, str]:
    """Return the header of an API key, if there is one."""
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}


def _parsed(text: str) -> Message:
    try:
        message: Any = json.loads(text)
    except ValueError:
        message = None
    if isinstance(message, dict):
        return cast("Message", message)
    return {"type": "error", "error": {"type": "warning", "message": f"the server sent no event: {text[:80]!r}"}}


async def _open(http: aiohttp.ClientSession, address: str, timeout_s: float) -> aiohttp.ClientWebSocketResponse:
    try:
        async with asyncio.timeout(timeout_s):
            return await http.ws_connect(address, protocols=("realtime",), heartbeat=20.0)
    except aiohttp.WSServerHandshakeError as error:
        raise CannotConnect(await _refusal(http, address, error), error.status) from None
    except aiohttp.ClientConnectorError as error:
        number = error.os_error.errno  # asyncio's own text repeats the address
        why = os.strerror(number) if number is not None and number > 0 else str(error.os_error)
        raise CannotConnect(f"no server answers at {address} ({why})", unreachable=True) from None
    except TimeoutError:
        raise CannotConnect(f"the server at {address} did not answer within {timeout_s:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise CannotConnect(f"no conversation at {address}: {error or type(error).__name__}") from None


async def _refusal(http: aiohttp.ClientSession, address: str, error: aiohttp.WSServerHandshakeError) -> str:
    if error.status == 404:
        return f"the server at {address} has no conversations at that path; try its bare address"
    retry_s = (error.headers or {}).get("Retry-After")
    later = f"; try again in {retry_s} s" if retry_s else ""
    if reason := await _reason(http, address, error.status):
        return f"the server at {address} refuses: {reason}"
    if error.status == 503:
        return f"the server at {address} has no room for another conversation now{later}"
    return f"the server at {address} refuses the conversation (HTTP {error.status}){later}"


async def _reason(http: aiohttp.ClientSession, address: str, status: int) -> str | None:
    """Return a refusal's body by another request: a WebSocket client does not get that of a refused upgrade."""
    question = URL(address).with_scheme("https" if address.startswith("wss") else "http")
    with suppress(aiohttp.ClientError, TimeoutError, ValueError, AttributeError):
        headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
        async with http.get(question, headers=headers, timeout=aiohttp.ClientTimeout(total=2)) as response:
            body: Any = await response.json()
            if response.status == status and isinstance(detail := body.get("detail"), str):
                return detail
    return None
