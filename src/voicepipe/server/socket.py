"""A WebSocket that holds little, says why it closes, and can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from aiohttp import WSCloseCode, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from voicepipe.server.settings import ServerSettings

__all__ = ["Socket"]

_REASON_BYTES = 123
"""What a close frame has room for."""


class Socket(web.WebSocketResponse):
    """Speaks the subprotocol `realtime` when it is offered, and never compresses: that costs milliseconds."""

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__(
            protocols=("realtime",),
            compress=False,
            heartbeat=settings.heartbeat_s,
            max_msg_size=settings.max_message_bytes,
            timeout=settings.close_timeout_s,
            writer_limit=0,  # wait whenever the transport is full
        )
        self._settings = settings
        self._client: asyncio.Transport | None = None
        self._own_reasons = {
            WSCloseCode.MESSAGE_TOO_BIG: f"a message is longer than {settings.max_message_bytes} bytes",
            WSCloseCode.INVALID_TEXT: "a text message is not UTF-8",
            WSCloseCode.PROTOCOL_ERROR: "that was no WebSocket frame",
        }

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter:
        """Upgrade, with small buffers: sound that waits in the kernel can neither be flushed nor counted."""
        writer = await super().prepare(request)
        if self._client is None and request.transport is not None:
            self._client = request.transport
            size = self._settings.send_buffer_bytes
            self._client.set_write_buffer_limits(high=size)
            self._client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        return writer

    def abort(self) -> None:
        """Cut the connection; what has not been sent is lost."""
        if self._client is not None:
            self._client.abort()

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """As in aiohttp, which gives no reason when it closes by itself; here it does."""
        reason = message or self._own_reasons.get(WSCloseCode(code), "").encode()
        return await super().close(code=code, message=reason, drain=drain)

    async def hang_up(self, code: int, reason: str) -> None:
        """Close with a reason. A client that neither reads nor answers is cut off after the close time-out."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.close_timeout_s):
                await self.close(code=code, message=_fitting(reason))
        if self.close_code == WSCloseCode.ABNORMAL_CLOSURE:
            self.abort()


def _fitting(reason: str) -> bytes:
    return reason.encode()[:_REASON_BYTES].decode(errors="ignore").encode()
