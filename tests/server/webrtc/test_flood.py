"""A client that fills the data channel."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import WSCloseCode, WSMsgType
from aiortc.rtcsctptransport import SCTP_DATA_FIRST_FRAG, SCTP_DATA_LAST_FRAG, DataChunk

from tests.server.webrtc.test_offer import an_offer
from voicepipe.server import ServerSettings
from voicepipe.server.webrtc.peer import PeerTransport


async def test_empty_messages_count_too() -> None:
    """Otherwise millions of them could wait for a session that is slow."""
    transport: Any = PeerTransport(ServerSettings(ingress_waits_bytes=100_000))
    for _ in range(1_000):
        transport._message_came("")
    assert transport.close_code == WSCloseCode.POLICY_VIOLATION
    assert transport._frames.qsize() <= 501
    await transport.close_with_reason(1008, "")


async def test_what_was_received_makes_room() -> None:
    transport: Any = PeerTransport(ServerSettings(ingress_waits_bytes=1_000))
    for _ in range(50):
        transport._message_came("x" * 100)
        assert (await transport.receive()).type is WSMsgType.TEXT
    assert (transport.close_code, transport._waiting_bytes) == (None, 0)
    await transport.close_with_reason(1000, "")


@pytest.mark.parametrize(
    ("size", "flags", "channels"),
    [
        (1, 0, 1),
        (60_000, SCTP_DATA_FIRST_FRAG, 1),
        (1, SCTP_DATA_FIRST_FRAG | SCTP_DATA_LAST_FRAG, 1_000),
    ],
    ids=["pieces without an end", "more than the window", "in many channels"],
)
async def test_pieces_of_messages_are_not_kept_for_ever(monkeypatch: Any, size: int, flags: int, channels: int) -> None:
    """The call ends, long before the event loop is busy with searching them."""

    async def no_sockets(*_: Any) -> None: ...

    transport: Any = PeerTransport(ServerSettings())
    monkeypatch.setattr(transport, "_gather", no_sockets)
    monkeypatch.setattr(type(transport._peer), "localDescription", property(lambda _: _Sdp))
    await transport.answer(await an_offer())
    sctp = transport._peer.sctp
    sctp._last_received_tsn = 0
    for number in range(1, 10_000):
        chunk = DataChunk(flags=flags)
        chunk.tsn, chunk.stream_id, chunk.stream_seq = number, number % channels, 0
        chunk.protocol, chunk.user_data = 51, bytes(size)
        await sctp._receive_data_chunk(chunk)
        if transport.close_code is not None:
            break
    assert transport.close_code == WSCloseCode.POLICY_VIOLATION
    assert number < 4_100
    await transport.close_with_reason(1008, "")


class _Sdp:
    sdp = ""
