"""A client of `/v1/realtime/calls` on aiortc: its microphone is a script, its loudspeaker is measured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import aiohttp
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

__all__ = ["Caller", "Microphone", "calling"]

from voicepipe.server.webrtc.candidates import gather_at

RATE_HZ = 24_000
FRAME = 480


class Microphone(MediaStreamTrack):
    """20 ms at a time: a tone while `loud`, else silence."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.loud = False
        self._count = 0
        self._began_s: float | None = None

    async def recv(self) -> AudioFrame:
        clock = asyncio.get_running_loop().time
        self._began_s = self._began_s or clock()
        await asyncio.sleep(self._began_s + self._count * 0.02 - clock())
        tone = np.sin(np.arange(FRAME) * 0.1) * (16_000 if self.loud else 0)
        frame = AudioFrame.from_ndarray(tone.astype(np.int16)[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, self._count * FRAME, Fraction(1, RATE_HZ)
        self._count += 1
        return frame

    async def speak(self, *, speech_s: float, silence_s: float) -> None:
        """Be loud, and then silent."""
        self.loud = True
        await asyncio.sleep(speech_s)
        self.loud = False
        await asyncio.sleep(silence_s)


class Caller:
    """A call. `heard` are the loudnesses of the frames that have been received, with their times."""

    def __init__(self) -> None:
        gather_at("127.0.0.1")
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.microphone = Microphone()
        self.location, self.status = "", 0
        self.events: list[dict[str, Any]] = []
        self.heard: list[tuple[float, float]] = []
        self._came = asyncio.Event()
        self.closed = asyncio.Event()
        self.channel = self.peer.createDataChannel("oai-events")
        self.channel.on("message", self._note)
        self.channel.on("close", self.closed.set)
        self.peer.on("track", lambda track: asyncio.ensure_future(self._hear(track)))
        self.peer.addTrack(self.microphone)

    async def call(
        self, url: str, *, session: dict[str, Any] | None = None, key: str = "", query: str = "", token: str = ""
    ) -> str:
        """Make the call; the answer's text where it was refused. `token` is that of the session that it resumes."""
        await self.peer.setLocalDescription(await self.peer.createOffer())
        offer = self.peer.localDescription.sdp
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        headers |= {"Voicepipe-Resume": token} if token else {}
        data: Any = offer.encode()
        if session is None:
            headers["Content-Type"] = "application/sdp"
        else:
            data = aiohttp.FormData(default_to_multipart=True)
            data.add_field("sdp", offer, content_type="application/sdp")
            data.add_field("session", json.dumps(session), content_type="application/json")
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{url}/v1/realtime/calls{query}", data=data, headers=headers) as answer,
        ):
            self.status, text = answer.status, await answer.text()
            self.location = answer.headers.get("Location", "")
        if self.status == 201:
            await self.peer.setRemoteDescription(RTCSessionDescription(text, "answer"))
        return text

    def send(self, *events: dict[str, Any]) -> None:
        for event in events:
            self.channel.send(json.dumps(event))

    async def until(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The event of this kind, or of several the last."""
        while len(found := [event for event in self.events if event["type"] == kind]) < count:
            self._came.clear()
            await self._came.wait()
        return found[count - 1]

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def loudness(self, since_s: float) -> float:
        """Root mean square of what was heard since then; full scale is 1."""
        heard = [loud for at_s, loud in self.heard if at_s >= since_s]
        return float(np.sqrt(np.mean(np.square(heard)))) if heard else 0.0

    def _note(self, data: str) -> None:
        self.events.append(json.loads(data))
        self._came.set()

    async def _hear(self, track: MediaStreamTrack) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            samples = frame.to_ndarray().astype(np.float32) / 32768
            self.heard.append((clock(), float(np.sqrt(np.mean(samples**2)))))


@asynccontextmanager
async def calling(url: str, *, greeting: str = "session.created", **options: Any) -> AsyncIterator[Caller]:
    """A call that has been answered, and whose session has begun, or goes on."""
    caller = Caller()
    try:
        refused = await caller.call(url, **options)
        assert caller.status == 201, refused
        await caller.until(greeting)
        yield caller
    finally:
        await caller.peer.close()
