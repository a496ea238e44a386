"""openai-python, in the GA and in the beta form, as its users use it."""

from __future__ import annotations

import asyncio
import base64

import pytest
from microphone import recorded
from openai_python import client, connected, kinds, openai, sound, talking, text, until, websockets

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e realtime")]

HEARD, ANSWER = "Hello there.", "Nice to meet you."


# ---- GA -------------------------------------------------------------------------------------------------------------


async def test_a_turn_is_heard_answered_and_spoken(server: str) -> None:
    """Every event in its place; the sound is as long as its words."""
    async with connected(server, instructions="Be brief.") as connection:
        microphone = talking(connection, speech_s=1.0, silence_s=1.0)
        events = await until(connection, "response.done")
        await microphone
    order = [kind for kind in kinds(events) if not kind.endswith("delta") or "input" in kind]
    assert order == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    by_kind = {event.type: event for event in events}
    assert by_kind["conversation.item.input_audio_transcription.completed"].transcript == HEARD
    assert by_kind["response.output_audio_transcript.done"].transcript == ANSWER
    assert len(sound(events)) == 4 * 0.2 * 24_000 * 2
    response = by_kind["response.done"].response
    assert (response.status, response.output[0].content[0].transcript) == ("completed", ANSWER)


async def test_a_text_is_answered_in_text(server: str) -> None:
    """Without a sound."""
    async with connected(server, output_modalities=["text"]) as connection:
        await connection.conversation.item.create(item=text("What do you read?"))
        await connection.response.create()
        events = await until(connection, "response.done")
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == "I have read that."
    assert not sound(events)
    assert events[-1].response.output[0].content[0].text == "I have read that."


async def test_a_client_may_end_its_turns_itself(server: str) -> None:
    """A recording at once, a commit, and an answer when it is asked for."""
    audio = {"input": {"turn_detection": None}}
    async with connected(server, audio=audio) as connection:
        await connection.input_audio_buffer.append(audio=base64.b64encode(recorded(1.5)).decode())
        await connection.input_audio_buffer.commit()
        events = await until(connection, "conversation.item.input_audio_transcription.completed")
        assert events[-1].transcript == HEARD
        assert "input_audio_buffer.speech_started" not in kinds(events)
        await connection.response.create()
        events = await until(connection, "response.done")
        assert events[-1].response.output[0].content[0].transcript == ANSWER
        await connection.input_audio_buffer.commit()
        error = (await until(connection, "error"))[-1].error
        assert error.code == "input_audio_buffer_commit_empty"


async def test_a_response_can_be_cancelled(server: str) -> None:
    """And another one can follow."""
    async with connected(server) as connection:
        await connection.conversation.item.create(item=text("Say something long."))
        await connection.response.create()
        await until(connection, "response.output_audio.delta")
        await connection.response.cancel()
        done = (await until(connection, "response.done"))[-1].response
        assert (done.status, done.status_details.reason) == ("cancelled", "client_cancelled")
        await connection.response.create(response={"instructions": "Be brief.", "input": [text("And now?")]})
        assert (await until(connection, "response.done"))[-1].response.status == "completed"


async def test_speech_interrupts_and_the_rest_is_forgotten(server: str) -> None:
    """The item keeps what was heard of it, as the client says."""
    async with connected(server) as connection:
        await connection.conversation.item.create(item=text("Say something long."))
        await connection.response.create()
        delta = (await until(connection, "response.output_audio.delta"))[-1]
        await asyncio.sleep(3.2)  # a voice alone interrupts when the reply is no longer new
        microphone = talking(connection, speech_s=0.6, silence_s=0.2)
        events = await until(connection, "response.done")
        assert events[-1].response.status_details.reason == "turn_detected"
        assert kinds(events).index("input_audio_buffer.speech_started") < len(kinds(events)) - 1
        item = delta.item_id
        await connection.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=500)
        await connection.conversation.item.retrieve(item_id=item)
        retrieved = (await until(connection, "conversation.item.retrieved"))[-1].item
        assert retrieved.content[0].transcript == "on and on"
        await microphone


async def test_a_wrong_key_is_refused_and_a_right_one_is_not(locked_server: str) -> None:
    """By HTTP, before the upgrade."""
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
        async with client(locked_server, "sk-wrong").realtime.connect(model="any"):
            pass
    assert caught.value.response.status_code == 401
    assert b"Incorrect API key" in caught.value.response.body
    async with client(locked_server, "sk-right").realtime.connect(model="any") as connection:
        assert (await connection.recv()).type == "session.created"


async def test_a_client_secret_opens_a_session_with_its_settings(locked_server: str) -> None:
    """The backend has the key; a page gets what opens one kind of session for some minutes."""
    session = {"type": "realtime", "instructions": "Be brief.", "output_modalities": ["text"]}
    async with client(locked_server, "sk-right") as backend:
        expiry = {"anchor": "created_at", "seconds": 60}
        secret = await backend.realtime.client_secrets.create(expires_after=expiry, session=session)
    assert (secret.session.type, secret.session.instructions) == ("realtime", "Be brief.")
    async with client(locked_server, secret.value) as page:
        async with page.realtime.connect(model="any") as connection:
            assert (await connection.recv()).session.instructions == "Be brief."
            await connection.conversation.item.create(item=text("What do you read?"))
            await connection.response.create()
            events = await until(connection, "response.done")
        assert "response.output_text.delta" in kinds(events)
        with pytest.raises(openai.AuthenticationError):
            await page.realtime.client_secrets.create()


# ---- beta -----------------------------------------------------------------------------------------------------------


async def test_beta_a_turn_is_heard_answered_and_spoken(server: str) -> None:
    """Under the names of the beta form, flat session and all."""
    async with client(server).beta.realtime.connect(model="gpt-4o-realtime-preview") as connection:
        assert (await connection.recv()).session.modalities == ["audio", "text"]
        assert (await connection.recv()).type == "conversation.created"
        await connection.session.update(session={"voice": "alloy", "turn_detection": {"type": "server_vad"}})
        updated = (await connection.recv()).session
        assert (updated.voice, updated.turn_detection.type, updated.input_audio_format) == (
            "alloy",
            "server_vad",
            "pcm16",
        )
        microphone = talking(connection, speech_s=1.0, silence_s=1.2)
        events = await until(connection, "response.done")
        await microphone
    assert kinds(events)[2:6] == [
        "input_audio_buffer.committed",
        "conversation.item.created",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
    ]
    by_kind = {event.type: event for event in events}
    assert by_kind["response.audio_transcript.done"].transcript == ANSWER
    assert len(sound(events)) == 4 * 0.2 * 24_000 * 2
    assert by_kind["response.done"].response.output[0].content[0].type == "audio"
    assert not [
        kind
        for kind in kinds(events)
        if "output_audio" in kind or (kind.endswith("item.added") and "response" not in kind)
    ]


async def test_beta_a_text_is_answered_in_text(server: str) -> None:
    """`response.text.delta`, as modalities say."""
    async with client(server).beta.realtime.connect(model="any") as connection:
        await connection.session.update(session={"modalities": ["text"]})
        await connection.conversation.item.create(item=text("What do you read?"))
        await connection.response.create()
        events = await until(connection, "response.done")
    deltas = [event.delta for event in events if event.type == "response.text.delta"]
    assert "".join(deltas) == "I have read that."
