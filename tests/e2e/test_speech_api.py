"""OpenAI's own client with the test servers of speech: they speak the API as it is, and not only as we read it."""

from __future__ import annotations

import asyncio
import io
import wave
from typing import Any

import numpy as np
import openai
import pytest
from kyutai import TONES
from openai import AsyncOpenAI

from voicepipe.testing.servers import ByTone, Fails, SpeechServer, TranscriptionServer

pytestmark = pytest.mark.e2e


def client(url: str, key: str = "sk-mine") -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


def spoken(text: str) -> bytes:
    """The words as a WAV file."""
    sound, file = TONES.say(text), io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(sound.rate_hz)
        writer.writeframes((sound.samples * 32_767).astype("<i2").tobytes())
    return file.getvalue()


def test_speech_is_streamed() -> None:
    """As PCM, and as a WAV file."""

    async def main() -> tuple[int, list[bytes], bytes]:
        async with SpeechServer(api_key="sk-mine", pace=20) as server, client(server.url) as api:
            (model,) = [one.id async for one in await api.models.list()]
            asked: dict[str, Any] = {"model": model, "voice": "alloy", "input": "One two three."}
            async with api.audio.speech.with_streaming_response.create(**asked, response_format="pcm") as response:
                chunks = [chunk async for chunk in response.iter_bytes()]
            whole = await api.audio.speech.create(**asked, response_format="wav", instructions="Calmly.", speed=1.0)
            return response.status_code, chunks, whole.read()

    status, chunks, wav = asyncio.run(main())
    assert status == 200
    assert len(chunks) > 1
    pcm = b"".join(chunks)
    assert len(pcm) == round(3 * 0.32 * 24_000) * 2
    with wave.open(io.BytesIO(wav)) as reader:
        assert reader.readframes(reader.getnframes()) == pcm
    assert np.frombuffer(pcm, "<i2").std() > 100


def test_a_recording_is_transcribed() -> None:
    """Whole, as plain text, and as a stream of deltas."""

    async def main() -> tuple[str, str, list[Any]]:
        async with TranscriptionServer(ByTone(TONES), api_key="sk-mine") as server, client(server.url) as api:
            asked: dict[str, Any] = {"model": "fake-stt", "file": ("speech.wav", spoken("one two three"))}
            whole = await api.audio.transcriptions.create(**asked, language="en", prompt="numbers")
            plain = await api.audio.transcriptions.create(**asked, response_format="text")
            stream = await api.audio.transcriptions.create(**asked, stream=True)
            return whole.text, plain, [event async for event in stream]

    whole, plain, events = asyncio.run(main())
    assert whole == plain.strip() == "one two three"
    assert [event.type for event in events] == ["transcript.text.delta"] * 3 + ["transcript.text.done"]
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == "one two three"


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        (Fails.FORBIDDEN, openai.AuthenticationError),
        (Fails.MISSING, openai.NotFoundError),
        (Fails.LIMITED, openai.RateLimitError),
        (Fails.FULL, openai.InternalServerError),
        (Fails.BROKEN, openai.InternalServerError),
    ],
)
def test_refusals_are_those_of_the_api(mode: Fails, error: type[openai.APIStatusError]) -> None:
    async def main() -> None:
        async with SpeechServer() as tts, TranscriptionServer(ByTone(TONES)) as stt:
            await tts.fail(mode)
            await stt.fail(mode)
            async with client(tts.url) as api:
                with pytest.raises(error, match="told to answer"):
                    await api.audio.speech.create(model="fake-tts", voice="alloy", input="Hi.", response_format="pcm")
            async with client(stt.url) as api:
                with pytest.raises(error, match="told to answer"):
                    await api.audio.transcriptions.create(model="fake-stt", file=("a.wav", spoken("one")))

    asyncio.run(main())


def test_a_bad_request_says_which_parameter() -> None:
    async def main() -> openai.BadRequestError:
        async with SpeechServer(voices=["alloy"]) as server, client(server.url) as api:
            with pytest.raises(openai.BadRequestError) as refused:
                await api.audio.speech.create(model="fake-tts", voice="nobody", input="Hi.", response_format="pcm")
            return refused.value

    error = asyncio.run(main())
    assert (error.param, error.type) == ("voice", "invalid_request_error")
