"""One WebSocket to a server of conversations: its address, its handshake, and why there is none."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeAlias, cast

import aiohttp
from yarl import URL

from voicepipe.installation.proxies import proxy_for
from voicepipe.services.finite_json import FINITE_JSON

__all__ = [
    "PATH",
    "CannotConnect",
    "ClientSocket",
    "Message",
    "appended",
    "authorization",
    "open_socket",
    "parsed",
    "websocket_url",
]

Message: TypeAlias = dict[str, Any]
"""An event of the wire as JSON; `type` names its kind."""

PATH = "/v1/realtime"
"""The path of a server's conversations."""
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
# An answer with its sound in one message has a few megabytes.
_MAX_MESSAGE = 1 << 24
_HEARTBEAT_S = 20.0
_NOT_THERE = f"has no conversations at that path; they are at {PATH}, which an address without a path stands for"
# The timeout for the other side's close frame.
_GOODBYE_S = 1.0


class CannotConnect(Exception):
    """No conversation was opened; the message is one sentence for the user.

    `status` is HTTP's, if any; `unreachable`: no server listens at that address.
    """

    def __init__(self, message: str, status: int | None = None, *, unreachable: bool = False) -> None:
        super().__init__(message)
        self.status, self.unreachable = status, unreachable


class ClientSocket:
    """An open WebSocket. One task may send while another receives."""

    def __init__(self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._http, self._socket = http, socket
        # The reason that the server gave when it closed.
        self.close_reason = ""

    async def send(self, message: Message) -> None:
        """Send a message; wait while the server does not read. Raises ConnectionResetError when it is closed."""
        try:
            await self._socket.send_str(json.dumps(message))
        except aiohttp.ClientError as error:
            raise ConnectionResetError(str(error)) from None

    async def receive(self) -> str | None:
        """Return the next text message; None at the end of the connection."""
        while True:
            message = await self._socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                return message.data
            if message.type is not aiohttp.WSMsgType.BINARY:
                self.close_reason = message.extra or ""
                return None

    @property
    def close_code(self) -> int | None:
        """The close code: 1000 in order, 1006 lost, 1013 full; None while it is open."""
        return self._socket.close_code

    async def close(self) -> None:
        """Close the connection in order, and what belongs to it. Safe to call twice."""
        try:
            await self._socket.close()
        finally:
            await self._http.close()


async def open_socket(
    address: str,
    *,
    key: str | None,
    timeout_s: float,
    protocols: tuple[str, ...] = ("realtime",),
    headers: Mapping[str, str] | None = None,
) -> ClientSocket:
    """Open a WebSocket, through the proxy of the environment if there is one for this address.

    Args:
        address: As `websocket_url` returns it.
        key: The API key, sent as a bearer token.
        timeout_s: How long the handshake may take, in seconds.
        protocols: The subprotocols that are offered. "realtime" alone, without a key, is how Unmute's frontend begins:
            voicepipe's server then tells the dialect by the first message. With none of them the dialect is GA.
        headers: Headers of the client's own.

    Raises:
        CannotConnect: No server listens, or it is full, refuses, or speaks another protocol.
    """
    http = aiohttp.ClientSession(headers={**(headers or {}), **authorization(key)})
    try:
        return ClientSocket(http, await _open(http, address, timeout_s, protocols))
    except BaseException:
        await http.close()
        raise


def appended(data: bytes) -> Message:
    """Return the message that carries the user's next sound, in the format of the session's input."""
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(data).decode()}


def websocket_url(url: str) -> str:
    """Return `url` with the scheme and the path that a conversation needs.

    Args:
        url: The server's address, with a scheme and a path or without.

    Raises:
        CannotConnect: It is no address.

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


def parsed(text: str) -> Message | None:
    """Return a message; None if it is no JSON object with a `type`, or has a number that JSON does not have."""
    with suppress(ValueError, RecursionError):
        message: Any = FINITE_JSON.decode(text)
        if isinstance(message, dict) and isinstance(cast("Message", message).get("type"), str):
            return cast("Message", message)
    return None


def _page(address: str) -> URL:
    """Return the address with HTTP's scheme."""
    return URL(address).with_scheme("https" if address.startswith("wss") else "http")


async def _open(
    http: aiohttp.ClientSession, address: str, timeout_s: float, protocols: tuple[str, ...]
) -> aiohttp.ClientWebSocketResponse:
    try:
        async with asyncio.timeout(timeout_s):
            return await http.ws_connect(
                address,
                protocols=protocols,
                heartbeat=_HEARTBEAT_S,
                max_msg_size=_MAX_MESSAGE,
                proxy=proxy_for(str(_page(address))),
                timeout=aiohttp.ClientWSTimeout(ws_close=_GOODBYE_S),  # pyright: ignore[reportCallIssue] — attrs
            )
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
        reason = await _reason(http, address, error.status)
        return f"the server at {address} {_NOT_THERE if reason is None else f'refuses: {reason}'}"
    retry_s = (error.headers or {}).get("Retry-After")
    later = f"; try again in {retry_s} s" if retry_s else ""
    if reason := await _reason(http, address, error.status):
        return f"the server at {address} refuses: {reason}"
    if error.status == 503:
        return f"the server at {address} has no room for another conversation now{later}"
    return f"the server at {address} refuses the conversation (HTTP {error.status}){later}"


async def _reason(http: aiohttp.ClientSession, address: str, status: int) -> str | None:
    """Return a refusal's body by another request: a WebSocket client does not get that of a refused upgrade."""
    with suppress(aiohttp.ClientError, TimeoutError, ValueError, AttributeError):
        headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
        page, timeout = _page(address), aiohttp.ClientTimeout(total=2)
        async with http.get(page, headers=headers, proxy=proxy_for(str(page)), timeout=timeout) as response:
            body: Any = await response.json()
            if response.status == status:
                return _said(body)
    return None


def _said(body: dict[str, Any]) -> str | None:
    """Return the sentence of a refusal: voicepipe's, or OpenAI's."""
    if isinstance(detail := body.get("detail"), str):
        return detail
    match body:
        case {"error": {"message": str(message)}}:
            return message
        case _:
            return None
