"""Decode a client's frames: from text to the messages of the pipeline, sound in pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from voicepipe.audio import codec_of
from voicepipe.events import AudioReceived, InputRejected
from voicepipe.realtime import DialectNegotiation, Received
from voicepipe.server.session.pacing import PIECE_MS

__all__ = ["FrameDecoder"]


class FrameDecoder:
    """Decode one frame at a time, when its turn comes: what it means depends on the messages before it.

    Args:
        wire: The client's dialect.
        alive: Called for each frame.
        rtp: Binary frames are the client's sound, which came as RTP.
    """

    def __init__(self, wire: DialectNegotiation, alive: Callable[[], None], *, rtp: bool = False) -> None:
        self._wire, self._alive, self._rtp = wire, alive, rtp

    def __call__(self, frame: str | bytes) -> list[Received]:
        """Return the messages of a frame. A binary one is sound, or rejected: all dialects speak JSON text."""
        self._alive()
        if isinstance(frame, bytes) and self._rtp:
            return [*self._pieces(self._wire.sound(frame))]
        if isinstance(frame, bytes):
            what = f"Binary frames are not understood: this dialect ({self._wire.name}) speaks JSON text."
            return [InputRejected("unexpected_binary_frame", what)]
        return [piece for message in self._wire.decode(frame) for piece in self._pieces(message)]

    def _pieces(self, message: Received) -> Sequence[Received]:
        if not isinstance(message, AudioReceived):
            return (message,)
        codec, data = codec_of(message.audio_format) if message.audio_format else self._wire.codec, message.data
        return [message if piece is data else replace(message, data=piece) for piece in codec.pieces(data, PIECE_MS)]
