"""RTP as a conversation needs it, where aiortc has no option: Opus alone, with FEC, and each packet as it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpReceiver, RTCRtpTransceiver
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtpPacket

__all__ = ["only_opus", "take_packets"]

_CLOCK_HZ = 48_000  # of Opus, whatever is in it (RFC 7587, 4.1)
# What the client is asked for (RFC 7587, 6.1): copies of its packets, in those behind them, once some are lost.
_PARAMETERS = {"minptime": 10, "useinbandfec": 1}


def only_opus(transceiver: RTCRtpTransceiver) -> None:
    """Answer an offer with Opus and nothing else. Raises ValueError if it is not offered.

    aiortc takes preferences for its own offers only, and answers without the parameters of Opus.
    """
    private: Any = transceiver
    opus = [codec for codec in private._codecs if codec.mimeType.lower() == "audio/opus"]
    if not opus:
        raise ValueError("it must offer audio in Opus")
    for codec in opus:
        codec.parameters = dict(_PARAMETERS)
    private._codecs = opus


def take_packets(receiver: RTCRtpReceiver, packet_came: Callable[[RtpPacket], object]) -> None:
    """Take a receiver's packets as they come, before its decoder.

    aiortc's own jitter buffer delays each packet by 80 ms, and after a lost one by 320 ms for good. Its reports to the
    client (RTCP) go on: by the loss that they tell the client decides how much FEC it sends.
    """
    private: Any = receiver
    streams: dict[int, StreamStatistics] = private._RTCRtpReceiver__remote_streams

    async def taken(packet: RtpPacket, arrival_time_ms: int) -> None:
        streams.setdefault(packet.ssrc, StreamStatistics(_CLOCK_HZ)).add(packet)
        packet_came(packet)

    private._handle_rtp_packet = taken
