"""A WebSocket that holds little, says why it closes, and can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass

from aiohttp import WSCloseCode, WSMessage, WSMsgType, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest
from multidict import CIMultiDict

from voicepipe.server.http.runner import HttpConnection
from voicepipe.server.settings import ServerSettings

__all__ = ["Fault", "Socket"]

_PROTOCOL = "realtime"
# What a close frame has room for.
_REASON_BYTES = 123
# Until what came while this process did not run has been read.
_STALL_S = 0.5


@dataclass(frozen=True, slots=True)
class Fault:
    """A client's violation of the protocol: the close code, a code for programs, and the reason."""

    close_code: WSCloseCode
    code: str
    reason: str


class Socket(web.WebSocketResponse):
    """Speaks the subprotocol `realtime` when it is offered, and never compresses: that costs milliseconds."""

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__(
            protocols=(_PROTOCOL,),
            compress=False,
            autoping=False,  # pings count among the messages, too
            heartbeat=settings.heartbeat_s,
            max_msg_size=settings.max_message_bytes,
            timeout=settings.close_timeout_s,
            writer_limit=0,  # wait whenever the transport is full
        )
        self._settings = settings
        self._client: asyncio.Transport | None = None
        self._broken = False
        too_long = f"a message is longer than {settings.max_message_bytes} bytes"
        self._faults = {
            WSCloseCode.MESSAGE_TOO_BIG: Fault(WSCloseCode.MESSAGE_TOO_BIG, "message_too_long", too_long),
            WSCloseCode.INVALID_TEXT: Fault(WSCloseCode.INVALID_TEXT, "invalid_text", "a text message is not UTF-8"),
            WSCloseCode.PROTOCOL_ERROR: Fault(
                WSCloseCode.PROTOCOL_ERROR, "invalid_frame", "that was no WebSocket frame"
            ),
        }

    @property
    def outlives_loss(self) -> bool:
        """Return False: a client that is lost does not come back to this socket."""
        return False

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter:
        """Upgrade, with small buffers: sound that waits in the kernel can neither be flushed nor counted."""
        if self.prepared:
            return await super().prepare(request)
        writer = await super().prepare(_without_offers(request))
        if isinstance(request.protocol, HttpConnection):
            request.protocol.has_session()
        if request.transport is not None:
            self._client = request.transport
            size = self._settings.send_buffer_bytes
            self._client.set_write_buffer_limits(high=size)
            kernel = self._client.get_extra_info("socket")
            kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
            kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._settings.receive_buffer_bytes)
        return writer

    def fault(self, error: object) -> Fault | None:
        """Why what the client sends cannot be read any further; None: the line is dead."""
        return self._faults.get(getattr(error, "code", WSCloseCode.ABNORMAL_CLOSURE))

    def play(self, event: object) -> None:
        """Do nothing: sound travels in messages."""

    def heard(self) -> None:
        """The client lives. aiohttp notes that of what it reads; but what is held back is read later, and then it says
        nothing to our pings for as long.
        """
        if not self.closed and self.close_code is None:
            self._reset_heartbeat()

    async def receive(self, timeout: float | None = None) -> WSMessage:  # noqa: ASYNC109 — aiohttp's signature
        """Return the next frame. A whole message, a ping or a pong is a sign of life."""
        frame = await super().receive(timeout)
        self.heard()
        return frame

    def _on_data_received(self) -> None:
        """Ignore bytes. aiohttp takes each for a sign of life, and a client that sends one a second would keep its slot
        forever; whole messages and pongs are noted when they are received."""

    def _pong_not_received(self) -> None:
        """Wait a moment longer, unless something is heard. A process that was stopped finds its timers due before it
        has read what came meanwhile."""
        assert self._loop is not None
        self._pong_response_cb = self._loop.call_later(_STALL_S, super()._pong_not_received)

    def abort(self) -> None:
        """Cut the connection; what has not been sent is lost."""
        if self._client is not None:
            self._client.abort()

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """As in aiohttp, but where it closes by itself and gives no reason: that is left to `close_with_reason`."""
        if code in self._faults and not message:
            self._broken = True
            return False
        return await super().close(code=code, message=message, drain=drain)

    async def close_with_reason(self, code: int, reason: str) -> None:
        """Close with a reason. A client that neither reads nor answers is cut off after the close time-out."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self._settings.close_timeout_s):
                if self._broken:
                    await self._see_off(code, reason)
                await self.close(code=code, message=_fitting(reason))
        if self.close_code == WSCloseCode.ABNORMAL_CLOSURE:
            self.abort()

    async def _see_off(self, code: int, reason: str) -> None:
        """Close, and throw away what the client is still sending until it is quiet, or has left: closed with bytes
        unread, the connection would be reset, and the reason lost on the way.
        """
        await self.send_frame(struct.pack("!H", code) + _fitting(reason), WSMsgType.CLOSE)
        if self._client is not None and not self._client.is_closing():
            deaf = _DrainProtocol(self._client.get_protocol(), quiet_s=self._settings.close_timeout_s / 10)
            self._client.set_protocol(deaf)
            self._client.resume_reading()
            await deaf.over
            self._client.close()


class _DrainProtocol(asyncio.Protocol):
    """In the place of a protocol that is done; hears nothing. `over`: for `quiet_s` nothing has come, or never will."""

    def __init__(self, former: asyncio.BaseProtocol, *, quiet_s: float) -> None:
        self._former, self._quiet_s = former, quiet_s
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(quiet_s, self._end)
        self.over: asyncio.Future[None] = self._loop.create_future()

    def data_received(self, data: bytes) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(self._quiet_s, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self._former.connection_lost(exc)

    def pause_writing(self) -> None:
        self._former.pause_writing()

    def resume_writing(self) -> None:
        self._former.resume_writing()

    def _end(self) -> None:
        self._timer.cancel()
        if not self.over.done():
            self.over.set_result(None)


def _without_offers(request: BaseRequest) -> BaseRequest:
    """The same handshake, with no other subprotocol than ours: aiohttp logs those that it does not know, and the key of
    a browser is one of them.
    """
    offered = [name.strip() for name in ",".join(request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, [])).split(",")]
    headers = CIMultiDict((name, value.encode(errors="replace").decode()) for name, value in request.headers.items())
    headers.popall(hdrs.SEC_WEBSOCKET_PROTOCOL, None)
    if _PROTOCOL in offered:
        headers[hdrs.SEC_WEBSOCKET_PROTOCOL] = _PROTOCOL
    return request.clone(headers=headers)


def _fitting(reason: str) -> bytes:
    return reason.encode()[:_REASON_BYTES].decode(errors="ignore").encode()
