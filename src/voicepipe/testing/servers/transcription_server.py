"""A speech-to-text service for tests behind the OpenAI-compatible API: a file in, its text out, whole or in deltas."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np
from aiohttp import web

from voicepipe.audio import resampled
from voicepipe.events import Audio, Samples
from voicepipe.testing.servers.base import Visit, hang
from voicepipe.testing.servers.failing import Fails
from voicepipe.testing.servers.openai_server import OpenAiServer
from voicepipe.testing.servers.recognisers import FakeRecogniser
from voicepipe.testing.servers.tones import RATE_HZ

__all__ = ["TranscriptionServer"]

_FRAME = round(0.08 * RATE_HZ)


class TranscriptionServer(OpenAiServer):
    """`POST /v1/audio/transcriptions` and `GET /v1/models`: the words that `recogniser` finds in a WAV file.

    The answer begins `answer_s` after the request. With `stream` in the request it is a stream of events, a word every
    `word_s`; without, or where it does not `streams` as whisper-1, it is whole. `Visit.notes` has the fields of each
    request, with the length of the sound as `seconds`, and "cancelled" if the client left before the end. A failure in
    the middle comes after `dies_after` words.
    """

    def __init__(
        self,
        recogniser: FakeRecogniser,
        *,
        models: Sequence[str] = ("fake-stt",),
        streams: bool = True,
        answer_s: float = 0.1,
        word_s: float = 0.02,
        api_key: str | None = None,
        dies_after: int = 1,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(models=models, api_key=api_key, host=host, port=port)
        self.recogniser, self.streams, self.dies_after = recogniser, streams, dies_after
        self.answer_s, self.word_s = answer_s, word_s

    def add_routes(self, router: web.UrlDispatcher) -> None:
        super().add_routes(router)
        router.add_post("/v1/audio/transcriptions", self._transcribe)

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        visit, form = self.visit(request), await request.post()
        fields: dict[str, Any] = {name: value for name, value in form.items() if isinstance(value, str)}
        visit.notes.append(fields)
        samples = _samples(_file(form))
        if (refusal := self.turned_away(request, visit)) is not None:
            return refusal
        if fields.get("model") not in self.models:
            return self.refusal(404)
        if samples is None:
            return self.bad_request("the file is no WAV of 16 bits and one channel", "file")
        fields["seconds"] = round(len(samples) / RATE_HZ, 3)
        return await self.answered(visit, self._answer(request, visit, fields, self._words(samples)))

    def _words(self, samples: Samples) -> list[str]:
        listening, padded = self.recogniser.listen(), np.pad(samples, (0, 2 * _FRAME))
        frames = [padded[start : start + _FRAME] for start in range(0, len(samples) + _FRAME, _FRAME)]
        heard = [said for number, frame in enumerate(frames) for said in listening(frame, number * 0.08)[1]]
        return [said.text for said in heard if said.text is not None]

    async def _answer(
        self, request: web.Request, visit: Visit, fields: dict[str, Any], words: list[str]
    ) -> web.StreamResponse:
        if visit.fails is Fails.SILENT:
            await hang()
        await asyncio.sleep(self.answer_s)
        if self.streams and fields.get("stream") == "true":
            return await self._stream(request, visit, words)
        if (wrong := await self.go_wrong(visit)) is not None:
            return web.Response(body=wrong, content_type="application/json")
        text = " ".join(words)
        return web.Response(text=text) if fields.get("response_format") == "text" else web.json_response({"text": text})

    async def _stream(self, request: web.Request, visit: Visit, words: list[str]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        async for event in self._events(visit, words):
            await response.write(event)
        await response.write_eof()
        return response

    async def _events(self, visit: Visit, words: list[str]) -> AsyncIterator[bytes]:
        for number, word in enumerate(words):
            if number >= self.dies_after and (wrong := await self.go_wrong(visit)) is not None:
                yield wrong
                return
            yield _event(type="transcript.text.delta", delta=f" {word}" if number else word)
            await asyncio.sleep(self.word_s)
        yield _event(type="transcript.text.done", text=" ".join(words))


def _event(**fields: str) -> bytes:
    return f"data: {json.dumps(fields)}\n\n".encode()


def _file(form: Mapping[str, object]) -> bytes:
    """Return the content of the field `file`; b"" without one."""
    field = form.get("file")
    if not isinstance(field, web.FileField):
        return b""
    with field.file as file:
        return file.read()


def _samples(file: bytes) -> Samples | None:
    """Return the samples of a WAV file, at 24 kHz; None for any other."""
    try:
        with wave.open(io.BytesIO(file)) as reader:
            if (reader.getnchannels(), reader.getsampwidth()) != (1, 2):
                return None
            pcm, rate_hz = reader.readframes(reader.getnframes()), reader.getframerate()
    except (wave.Error, EOFError):
        return None
    return resampled(Audio(np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32_768), rate_hz), RATE_HZ).samples
