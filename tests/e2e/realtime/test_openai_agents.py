"""openai-agents (Python): a RealtimeAgent that never knows that it talks to somebody else."""

from __future__ import annotations

import asyncio

import pytest
from microphone import speak
from openai_agents import agents, is_raw, raw, realtime, session, transcripts, until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e realtime")]


async def test_a_turn_is_heard_answered_and_spoken(server: str) -> None:
    """The history holds both sides, the application gets the sound."""
    async with session(server) as running:
        microphone = asyncio.create_task(speak(running.send_audio, speech_s=1.0, silence_s=2.0))
        events = await until(running, lambda event: event.type == "agent_end")
        await microphone
        heard = sum(len(event.audio.data) for event in events if event.type == "audio")
        assert heard == 4 * 0.2 * 24_000 * 2
        assert transcripts(running) == ["Hello there.", "Nice to meet you."]


async def test_a_text_is_answered(server: str) -> None:
    """In speech, as the default is."""
    async with session(server) as running:
        await running.send_message("What do you read?")
        events = await until(running, lambda event: event.type == "agent_end")
        assert sum(len(event.audio.data) for event in events if event.type == "audio") > 0
        assert transcripts(running) == ["What do you read?", "I have read that."]


@pytest.mark.parametrize("interrupt_response", [True, False])
async def test_speech_interrupts(server: str, interrupt_response: bool) -> None:
    """The client stops its playback and truncates the item, by itself, whichever side it is that cancels."""
    detection = {"type": "server_vad", "interrupt_response": interrupt_response}
    async with session(server, turn_detection=detection) as running:
        await running.send_message("Say something long.")
        await until(running, lambda event: event.type == "audio")
        await asyncio.sleep(3.2)
        microphone = asyncio.create_task(speak(running.send_audio, speech_s=0.8, silence_s=0.2))
        events = await until(running, is_raw("conversation.item.truncated"))
        assert "audio_interrupted" in [event.type for event in events]
        done = raw(events, "response.done") or raw(await until(running, is_raw("response.done")), "response.done")
        reason = "turn_detected" if interrupt_response else "client_cancelled"
        assert done[0]["response"]["status_details"]["reason"] == reason
        await microphone
        (truncated,) = raw(events, "conversation.item.truncated")
        assert 3000 < truncated["audio_end_ms"] < 4200


async def test_turns_of_its_own(server: str) -> None:
    """Push to talk: `turn_detection` null, and a commit."""
    async with session(server, turn_detection=None) as running:
        await speak(running.send_audio, speech_s=1.0, silence_s=0.0)
        await running.send_audio(bytes(960), commit=True)
        await until(running, is_raw("conversation.item.input_audio_transcription.completed"))
        await running.model.send_event(
            realtime.model_inputs.RealtimeModelSendRawMessage(message={"type": "response.create"})
            if hasattr(realtime, "model_inputs")
            else agents.realtime.RealtimeModelSendRawMessage(message={"type": "response.create"})
        )
        await until(running, lambda event: event.type == "agent_end")
        assert transcripts(running)[-1] == "Nice to meet you."
