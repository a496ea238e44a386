"""The socket itself: reasons that fit, and buffers that hold little. What it does for clients is in test_connection."""

from __future__ import annotations

import socket

import reactivex

from voicepipe.events import ConversationEnded
from voicepipe.server.session.socket import Socket


async def test_a_long_reason_is_cut_between_characters(serve):
    """A close frame has room for 123 bytes, and what is in it must be UTF-8."""
    async with serve(lambda _: reactivex.just(ConversationEnded("é" * 100))) as served, served.connect() as client:
        assert await client.end() == (1000, "é" * 61)


async def test_the_buffers_are_small(serve, monkeypatch):
    """Sound that waits in the kernel or in the transport can neither be flushed nor counted."""
    sockets = []

    class Remembered(Socket):
        async def prepare(self, request):
            sockets.append(self)
            return await super().prepare(request)

    monkeypatch.setattr("voicepipe.server.admission.Socket", Remembered)
    async with serve(lambda _: reactivex.never(), send_buffer_bytes=16_384) as served, served.connect():
        (server_side,) = sockets
        transport = server_side._client
        assert transport.get_write_buffer_limits() == (4_096, 16_384)
        assert transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * 16_384
