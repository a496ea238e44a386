"""A text-to-speech service for tests behind the OpenAI-compatible API: PCM at 24 kHz, streamed."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from aiohttp import web

from voicepipe.testing.marbles.sound import speech
from voicepipe.testing.servers.base import Visit, hang
from voicepipe.testing.servers.failing import Fails
from voicepipe.testing.servers.openai_server import OpenAiServer

__all__ = ["SpeechServer"]

RATE_HZ, FRAME_MS = 24_000, 80
_LONGEST_INPUT = 4_096
"""Characters that OpenAI takes."""


class SpeechServer(OpenAiServer):
    """`POST /v1/audio/speech` and `GET /v1/models`: say each word for `word_s`, in something like a voice.

    The first sound comes `first_audio_s` after the request, the rest `pace` times as fast as it is heard, in frames of
    80 ms, as `pcm`, or whole as `wav`. With `voices`, another one gets 400. `Visit.notes` has each request's body, and
    "cancelled" if the client left before the end. A failure in the middle comes after `dies_after` frames.
    """

    def __init__(
        self,
        *,
        models: Sequence[str] = ("fake-tts",),
        voices: Collection[str] | None = None,
        first_audio_s: float = 0.2,
        pace: float = 4.0,
        word_s: float = 0.32,
        api_key: str | None = None,
        dies_after: int = 2,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(models=models, api_key=api_key, host=host, port=port)
        self.voices, self.first_audio_s, self.pace, self.word_s = voices, first_audio_s, pace, word_s
        self.dies_after = dies_after

    def add_routes(self, router: web.UrlDispatcher) -> None:
        super().add_routes(router)
        router.add_post("/v1/audio/speech", self._speak)

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        visit, body = self.visit(request), await request.json()
        visit.notes.append(body)
        if (refusal := self.turned_away(request, visit)) is not None:
            return refusal
        if body.get("model") not in self.models:
            return self.refusal(404)
        if wrong := self._wrong(body):
            return self.bad_request(*wrong)
        return await self.answered(visit, self._stream(request, visit, body))

    def _wrong(self, body: dict[str, Any]) -> tuple[str, str] | None:
        """Return the message and the parameter that OpenAI would refuse."""
        text, voice = body.get("input"), body.get("voice")
        if not isinstance(text, str) or not text or len(text) > _LONGEST_INPUT:
            return f"input should have 1 to {_LONGEST_INPUT} characters", "input"
        if not isinstance(voice, str) or (self.voices is not None and voice not in self.voices):
            return f"there is no voice {voice!r}", "voice"
        if body.get("response_format", "mp3") not in ("pcm", "wav"):
            return "this server makes pcm and wav", "response_format"
        if body.get("stream_format", "audio") != "audio":
            return "this server streams audio", "stream_format"
        return None

    async def _stream(self, request: web.Request, visit: Visit, body: dict[str, Any]) -> web.StreamResponse:
        frames = _frames(len(body["input"].split()) * self.word_s)
        if visit.fails is Fails.SILENT:
            await hang()
        await asyncio.sleep(self.first_audio_s)
        if body["response_format"] == "wav":
            return web.Response(body=_wav(b"".join(frames)), content_type="audio/wav")
        kind = "application/json" if self.trouble(visit) is Fails.GARBAGE else "audio/pcm"
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        for number, frame in enumerate(frames):
            if number >= self.dies_after and await self.go_wrong(visit, filler=b"sound", garbage=None) is not None:
                break
            await response.write(frame)
            await asyncio.sleep(FRAME_MS / 1000 / self.pace)
        await response.write_eof()
        return response


def _frames(length_s: float) -> list[bytes]:
    """Return the sound as 16-bit PCM, in frames."""
    count = round(length_s * 1000 / FRAME_MS)
    return [
        (speech(number * FRAME_MS, FRAME_MS, RATE_HZ).samples * 32_767).astype(np.dtype("<i2")).tobytes()
        for number in range(count)
    ]


def _wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE_HZ)
        writer.writeframes(pcm)
    return file.getvalue()
