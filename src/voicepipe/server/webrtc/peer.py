"""`PeerTransport`: a peer connection of WebRTC as the connection of a session. Imports aiortc."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import structlog
from aiohttp import WSCloseCode, WSMessage, WSMsgType
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.rtp import RtpPacket

from voicepipe.events import ReplyInterrupted, SpeechEncoded
from voicepipe.realtime import new_id
from voicepipe.server.session.socket import Fault
from voicepipe.server.settings import ServerSettings
from voicepipe.server.webrtc.candidates import gather_at
from voicepipe.server.webrtc.offer import bounded
from voicepipe.server.webrtc.rtp import only_opus, take_packets
from voicepipe.server.webrtc.sctp import bound_fragments
from voicepipe.server.webrtc.tracks import HeardSound, ReplyTrack

__all__ = ["BadOffer", "PeerTransport"]

log = structlog.get_logger()

CHANNEL = "oai-events"
"""The data channel that carries events, as OpenAI's clients name it."""

# What may wait in the data channel; then sending waits.
_HIGH_BYTES = 65_536
# What a frame takes beside its content: without that, empty ones could wait without a bound.
_FRAME_BYTES = 200
_GATHERING_S = 10.0
_FLUSHING_S = 1.0
_CLOSING_S = 5.0
_UNREADABLE = "it is no session description that can be read"


class BadOffer(ValueError):
    """The client's offer cannot be answered; the message says why."""


class PeerTransport:
    """A session's `Transport` on a peer connection. Events travel in the data channel; `receive` gives the client's
    sound as binary frames of PCM16, 24 kHz, mono; `play` takes the reply's.

    Args:
        settings: `ice_servers`, and how many bytes may wait to be received.
        tells_end: The last event says why the call ends, as a WebSocket's close frame would.
    """

    def __init__(self, settings: ServerSettings, *, tells_end: bool = False) -> None:
        self._settings, self._tells_end = settings, tells_end
        gather_at(settings.call_host or settings.host)
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=_ice_servers(settings)))
        self._track, self._heard = ReplyTrack(), HeardSound()
        self._channel: RTCDataChannel | None = None
        self._open, self._drained = asyncio.Event(), asyncio.Event()
        self._frames: asyncio.Queue[WSMessage] = asyncio.Queue()
        self._waiting_bytes = 0
        self.close_code: int | None = None
        self._closing: asyncio.Future[None] | None = None
        self._peer.on("datachannel", self._channel_opened)
        self._peer.on("connectionstatechange", self._state_changed)

    @property
    def outlives_loss(self) -> bool:
        """Return False: a client that is lost makes another call."""
        return False

    async def answer(self, offer: str) -> str:
        """Return the SDP with which the client's offer is answered, all candidates in it.

        Raises:
            BadOffer: It is no SDP, or has no audio, or no audio in Opus.
            ConnectionError: The addresses of this server cannot be found out: its ICE servers do not answer.
        """
        try:
            answer = await self._read(offer)
            await self._gather(answer)
        except BaseException:
            await self._shut()
            raise
        for receiver in self._peer.getReceivers():
            take_packets(receiver, self._packet_came)
        if self._peer.sctp is not None:
            bound_fragments(self._peer.sctp, lambda: self._ended(WSCloseCode.POLICY_VIOLATION))
        return self._peer.localDescription.sdp

    async def _read(self, offer: str) -> RTCSessionDescription:
        """Return what answers an offer. aiortc has no error of its own for one that it cannot read: the failures are of
        all kinds, and all come from the client's text."""
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(bounded(offer), "offer"))
            self._offer_opus()
            return await self._peer.createAnswer()
        except ValueError as error:
            raise BadOffer(str(error) or _UNREADABLE) from error
        except Exception as error:
            log.info("call.offer_unreadable", error=repr(error))
            raise BadOffer(_UNREADABLE) from error

    async def _gather(self, answer: RTCSessionDescription) -> None:
        try:
            async with asyncio.timeout(_GATHERING_S):
                await self._peer.setLocalDescription(answer)
        except Exception as error:
            log.warning("call.no_addresses", ice_servers=self._settings.ice_servers, error=repr(error))
            raise ConnectionError("the addresses for the call cannot be found out") from error

    def _offer_opus(self) -> None:
        transceivers = self._peer.getTransceivers()
        audio = [one for one in transceivers if one.kind == "audio"]
        if not audio or self._peer.sctp is None:
            raise BadOffer(f"it must offer audio and a data channel, {CHANNEL!r}")
        for one in transceivers:
            if one is not audio[0]:
                one.direction = "inactive"
        only_opus(audio[0])
        self._peer.addTrack(self._track)

    async def opened(self) -> None:
        """Return when the client has opened the data channel. Raises ConnectionError if the connection fails."""
        await self._open.wait()
        if self.close_code is not None:
            raise ConnectionError("no connection came about")

    # ---- to the client ----------------------------------------------------------------------------------------------

    def play(self, event: object) -> None:
        """Take an event of the session: the reply's sound is played, and cleared when the reply is cut."""
        if isinstance(event, SpeechEncoded):
            self._track.push(event.data)
        elif isinstance(event, ReplyInterrupted):
            self._track.clear()

    async def send_str(self, data: str) -> None:
        """Send an event. Waits while much waits to be sent. Raises ConnectionError when the client is gone."""
        channel = self._channel
        while channel is not None and channel.bufferedAmount > _HIGH_BYTES and self.close_code is None:
            self._drained.clear()
            await self._drained.wait()
        if channel is None or channel.readyState != "open":
            raise ConnectionError("the data channel is closed")
        channel.send(data)

    async def close_with_reason(self, code: int, reason: str) -> None:
        """End the call. WebRTC itself has no reason to give."""
        if self._tells_end and self.close_code is None:
            closed = {"type": "session.closed", "event_id": new_id("event"), "code": code, "reason": reason}
            with suppress(ConnectionError):
                await self.send_str(json.dumps(closed, separators=(",", ":")))
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSHING_S):
                while self._channel is not None and self._channel.bufferedAmount and self.close_code is None:
                    self._channel.bufferedAmountLowThreshold = 0
                    self._drained.clear()
                    await self._drained.wait()
        order = self._heard.order
        log.info("call.ended", code=code, reason=reason, packets_lost=order.lost, packets_late=order.late,
                 unplayed_ms=round(self._track.lost_ms))  # fmt: skip
        await self._shut()

    async def _shut(self) -> None:
        """Close the peer connection. If aiortc fails at that, as after an offer that it has half taken, its next
        `close` waits for the first one without an end."""
        try:
            async with asyncio.timeout(_CLOSING_S):
                await self._peer.close()
        except Exception as error:
            log.warning("call.close_failed", error=repr(error))

    def hang_up(self) -> None:
        """End the call for the client, which has asked for it elsewhere than in the call."""
        self._ended(WSCloseCode.OK)

    def abort(self) -> None:
        """Cut the connection, as if the network had."""
        self._ended(WSCloseCode.ABNORMAL_CLOSURE)
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._shut())

    # ---- from the client --------------------------------------------------------------------------------------------

    async def receive(self) -> WSMessage:
        """Return the client's next event, or a piece of its sound."""
        frame = await self._frames.get()
        self._waiting_bytes -= _size(frame.data)
        return frame

    def fault(self, error: object) -> Fault | None:
        """Return None: there are no broken frames."""
        return None

    def heard(self) -> None:
        """Do nothing: ICE knows whether the client lives."""

    async def pong(self, message: bytes) -> None:
        """Do nothing: there are no pings."""

    def _channel_opened(self, channel: RTCDataChannel) -> None:
        if self._channel is not None:
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = _HIGH_BYTES // 2
        channel.on("message", self._message_came)
        channel.on("bufferedamountlow", self._drained.set)
        channel.on("close", self._channel_closed)
        self._open.set()

    def _channel_closed(self) -> None:
        """A client that is there closes it; a client that is lost may call again."""
        is_there = self._peer.connectionState == "connected"
        self._ended(WSCloseCode.OK if is_there else WSCloseCode.ABNORMAL_CLOSURE)

    def _message_came(self, data: str | bytes) -> None:
        self._put(WSMsgType.TEXT, data if isinstance(data, str) else data.decode(errors="replace"))

    def _packet_came(self, packet: RtpPacket) -> None:
        sound = self._heard.push(packet.sequence_number, packet.payload)
        if sound and self._open.is_set():  # what came before the session would keep its sound ahead of real time
            self._put(WSMsgType.BINARY, sound)

    def _put(self, kind: WSMsgType, data: str | bytes) -> None:
        self._waiting_bytes += _size(data)
        if self._waiting_bytes > self._settings.ingress_waits_bytes:
            self._ended(WSCloseCode.POLICY_VIOLATION)
        elif self.close_code is None:
            self._frames.put_nowait(WSMessage(kind, data, None))

    def _state_changed(self) -> None:
        if self._peer.connectionState in ("failed", "closed"):
            self._ended(WSCloseCode.ABNORMAL_CLOSURE)

    def _ended(self, code: int) -> None:
        if self.close_code is None:
            self.close_code = code
            kind = WSMsgType.CLOSED if code == WSCloseCode.ABNORMAL_CLOSURE else WSMsgType.CLOSE
            self._frames.put_nowait(WSMessage(kind, None, None))
            self._open.set()
            self._drained.set()


def _size(data: str | bytes | None) -> int:
    """Return what a frame takes while it waits, in bytes."""
    return 0 if data is None else len(data) + _FRAME_BYTES


def _ice_servers(settings: ServerSettings) -> list[RTCIceServer]:
    """Return the servers of the settings; without any, only addresses of this machine: aiortc would ask Google's."""
    if not settings.ice_servers:
        return []
    secret = settings.ice_credential
    credential = None if secret is None else secret.get_secret_value()
    return [RTCIceServer([*settings.ice_servers], username=settings.ice_username, credential=credential)]
