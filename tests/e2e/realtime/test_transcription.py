"""Transcription sessions, with the clients that people use for them, unmodified, over a real socket."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import numpy as np
import pytest
from microphone import LOUD, SILENT, recorded
from openai_python import client, talking, until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e realtime")]

HEARD = "Hello there."
COMPLETED = "conversation.item.input_audio_transcription.completed"


async def test_ga_by_voice_and_by_hand(server: str) -> None:
    """First with turn detection, then with commits; no response in between."""
    query = {"intent": "transcription"}
    async with client(server).realtime.connect(model="gpt-4o-transcribe", extra_query=query) as connection:
        created = await connection.recv()
        assert (created.type, created.session.type) == ("session.created", "transcription")
        sound: dict[str, Any] = {
            "transcription": {"model": "gpt-4o-transcribe"},
            "turn_detection": {"type": "server_vad"},
        }
        await connection.session.update(session={"type": "transcription", "audio": {"input": sound}})
        assert (await connection.recv()).session.audio.input.turn_detection.type == "server_vad"
        microphone = talking(connection, speech_s=1.0, silence_s=1.5)
        events = await until(connection, COMPLETED)
        await microphone
        sound["turn_detection"] = None
        await connection.session.update(session={"type": "transcription", "audio": {"input": sound}})
        events += await until(connection, "session.updated")
        await connection.input_audio_buffer.append(audio=base64.b64encode(recorded(1.0)).decode())
        await connection.input_audio_buffer.commit()
        events += await until(connection, COMPLETED)
        await connection.response.create()
        events += await until(connection, "error")
    assert [event.transcript for event in events if event.type == COMPLETED] == [HEARD, HEARD]
    assert not [event for event in events if event.type.startswith("response")]


async def test_beta(server: str) -> None:
    """By its own event, which its own event answers."""
    query = {"intent": "transcription"}
    async with client(server).beta.realtime.connect(model="whisper-1", extra_query=query) as connection:
        await connection.recv()
        session: Any = {"input_audio_transcription": {"model": "whisper-1"}, "turn_detection": {"type": "server_vad"}}
        await connection.transcription_session.update(session=session)
        await until(connection, "transcription_session.updated")
        microphone = talking(connection, speech_s=1.0, silence_s=1.5)
        events = await until(connection, COMPLETED)
        await microphone
    assert events[-1].transcript == HEARD


async def test_the_voice_pipeline_of_the_agents_sdk(server: str) -> None:
    """Its recogniser, from the first sound to the end of its stream: one transcript for each turn."""
    voice = pytest.importorskip("agents.voice", reason="needs openai-agents[voice]")
    model = voice.OpenAIVoiceModelProvider(openai_client=client(server)).get_stt_model("gpt-4o-transcribe")
    sound = voice.StreamedAudioInput()
    session = await model.create_session(sound, voice.STTModelSettings(), False, False)

    async def speak() -> None:
        for frame in [*[LOUD] * 50, *[SILENT] * 100, *[LOUD] * 50, *[SILENT] * 75]:
            await sound.add_audio(np.frombuffer(frame, np.int16))
            await asyncio.sleep(0.02)
        await sound.add_audio(None)

    speaking = asyncio.create_task(speak())
    turns: list[str] = []
    async for text in session.transcribe_turns():
        turns.append(text)
        if len(turns) == 2:
            break
    await speaking
    await session.close()
    assert turns == [HEARD, HEARD]
