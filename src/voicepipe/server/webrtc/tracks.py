"""Opus in RTP: the client's packets to sound, and the reply's sound to packets. Imports PyAV and aiortc."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.audio.codeccontext import AudioCodecContext

from voicepipe.server.webrtc.opus import OpusDecoder
from voicepipe.server.webrtc.packet_order import PacketOrder

__all__ = ["RATE_HZ", "HeardSound", "ReplyTrack"]

RATE_HZ = 24_000
"""Of the sound inside, PCM16 mono."""

_RTP_HZ = 48_000  # Opus counts samples at 48 kHz, whatever is in it (RFC 7587, 4.1)
_FRAME_S = 0.02
_FRAME = int(RATE_HZ * _FRAME_S)
_FRAME_BYTES = 2 * _FRAME
_BIT_RATE = 32_000
# What the client's decoder restores a lost packet from (in-band FEC), and for how much loss it is made, in percent.
_ENCODING = {"application": "voip", "fec": "1", "packet_loss": "10", "frame_duration": "20", "compression_level": "5"}
# So many silent frames are encoded: the decoder has then settled, and gets the last one again.
_SETTLED = 10
_LONGEST_S = 60
_STALL_S = 0.2


class HeardSound:
    """The client's sound. `push` takes its packets as they come, and returns PCM16, 24 kHz, mono.

    Of lost packets, the last one before each that comes is restored from it, where the client sends FEC, and the others
    are concealed.
    """

    def __init__(self) -> None:
        self.order = PacketOrder[bytes]()
        self._decoder = OpusDecoder(RATE_HZ)

    def push(self, number: int, payload: bytes) -> bytes:
        """Return the sound that is next in order; often that of this packet."""
        return b"".join(self._sounds(number, payload))

    def _sounds(self, number: int, payload: bytes) -> Iterator[bytes]:
        for packet in self.order.push(number, payload):
            if packet is None:
                self._decoder.lose()
            else:
                yield self._decoder.decode(packet)


class ReplyTrack(MediaStreamTrack):
    """The reply's sound as an RTP track: a packet of 20 ms at a time, of silence where there is none.

    It holds what the pipeline has released and the client has not been sent: as far as `pace` runs ahead. At most a
    minute, of which the oldest goes; `lost_ms` counts it.
    """

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._sound = bytearray()
        self._codec = _encoder()
        self._silence, self._silent = b"", 0
        self._count = 0
        self._began_s: float | None = None
        self.lost_ms = 0.0

    def push(self, pcm: bytes) -> None:
        """Add sound, PCM16."""
        self._sound += pcm
        if (over := len(self._sound) - _LONGEST_S * RATE_HZ * 2) > 0:
            del self._sound[: over + over % 2]
            self.lost_ms += over / 2 / RATE_HZ * 1000

    def clear(self) -> None:
        """Throw away what has not been sent: the reply was cut."""
        self._sound.clear()

    async def recv(self) -> Any:
        """Return the next packet when it is due."""
        if self.readyState != "live":
            raise MediaStreamError
        clock = asyncio.get_running_loop().time
        if self._began_s is None:
            self._began_s = clock()
        wait_s = self._began_s + self._count * _FRAME_S - clock()
        if wait_s < -_STALL_S:  # the process stood still: what came due is not sent in a burst
            self._count -= round(wait_s / _FRAME_S)
        await asyncio.sleep(max(0.0, wait_s))
        packet: Any = av.Packet(self._next())
        packet.pts, packet.time_base = self._count * _RTP_HZ // 50, Fraction(1, _RTP_HZ)
        self._count += 1
        return packet

    def _next(self) -> bytes:
        frame = bytes(self._sound[:_FRAME_BYTES])
        del self._sound[:_FRAME_BYTES]
        self._silent = 0 if frame else self._silent + 1
        if self._silent > _SETTLED:
            return self._silence
        self._silence = b"".join(self._encoded(frame.ljust(_FRAME_BYTES, b"\0")))
        return self._silence

    def _encoded(self, pcm: bytes) -> Iterator[bytes]:
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2")[None, :], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        yield from (bytes(packet) for packet in self._codec.encode(frame))


def _encoder() -> Any:
    """Return PyAV's encoder; its annotations leave the type of packets open."""
    context: Any = AudioCodecContext.create("libopus", "w")
    context.format, context.layout, context.sample_rate = "s16", "mono", RATE_HZ
    context.bit_rate, context.time_base, context.options = _BIT_RATE, Fraction(1, RATE_HZ), dict(_ENCODING)
    return context
