"""SCTP, which carries the data channel, where aiortc sets no bound: on messages that never end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiortc import RTCSctpTransport

__all__ = ["bound_fragments"]

# What may wait beyond the window that the client was told (1 MiB); one that keeps to it stays far below.
_MOST_EXCESS = 1 << 20
# Pieces of messages that are not complete, in one channel: aiortc looks through all of them at each new one. A message
# of 1 MB, the longest that is read, has 900.
_MOST_PIECES = 4_000
# Channels that a client has used. One is needed.
_MOST_CHANNELS = 64


def bound_fragments(transport: RTCSctpTransport, flooded: Callable[[], object]) -> None:
    """Call `flooded`, and keep nothing more, when a client sends more pieces of messages than it ends.

    aiortc would keep, and search, each piece.
    """
    private: Any = transport
    receive = private._receive_data_chunk

    async def received(chunk: Any) -> None:
        streams = private._inbound_streams
        known = streams.get(chunk.stream_id)
        pieces = max(len(private._sack_misordered), len(known.reassembly) if known is not None else 0)
        if private._advertised_rwnd < -_MOST_EXCESS or pieces > _MOST_PIECES or len(streams) > _MOST_CHANNELS:
            flooded()
        else:
            await receive(chunk)

    private._receive_data_chunk = received
