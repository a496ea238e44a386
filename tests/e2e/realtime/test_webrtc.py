"""Calls by WebRTC, on loopback: aiortc as the client."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from openai_python import client as openai_client
from openai_python import text
from published import check_published
from webrtc_client import Caller, calling

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e realtime")]

ASK = {"type": "response.create"}


def write(said: str) -> dict[str, object]:
    return {"type": "conversation.item.create", "item": text(said)}


async def test_a_turn_is_heard_answered_and_spoken(server: str) -> None:
    """Sound travels as RTP both ways, events in the data channel, all of their published types."""
    async with calling(server) as caller:
        clock = asyncio.get_running_loop().time
        before = clock()
        await asyncio.sleep(0.3)
        assert caller.loudness(before) < 0.001
        await caller.microphone.speak(speech_s=1, silence_s=0.2)
        began = await caller.until("output_audio_buffer.started")
        sounding_s = clock()
        await caller.until("output_audio_buffer.stopped")
        assert caller.loudness(sounding_s) > 0.05
        done = await caller.until("response.done")
        assert began["response_id"] == done["response"]["id"]
        assert done["response"]["output"][0]["content"][0]["transcript"] == "Nice to meet you."
        assert (await caller.until("conversation.item.input_audio_transcription.completed"))[
            "transcript"
        ] == "Hello there."
        kinds = caller.kinds()
        assert kinds[0] == "session.created"
        assert "response.output_audio.delta" not in kinds
        assert kinds.index("response.done") < kinds.index("output_audio_buffer.stopped")
        for event in caller.events:
            check_published("ga", event)


async def test_a_barge_in_clears_what_has_not_been_played(server: str) -> None:
    """The loudspeaker is silent at once, and the item is cut."""
    async with calling(server) as caller:
        caller.send(write("Say something long."), ASK)
        await caller.until("output_audio_buffer.started")
        speaking = asyncio.create_task(caller.microphone.speak(speech_s=60, silence_s=0))
        cleared = await caller.until("output_audio_buffer.cleared")
        await asyncio.sleep(0.5)  # aiortc's own jitter buffer holds 80 ms, or 320 ms
        assert caller.loudness(asyncio.get_running_loop().time() - 0.1) < 0.01
        speaking.cancel()
        done = await caller.until("response.done")
        assert (done["response"]["id"], done["response"]["status"]) == (cleared["response_id"], "cancelled")
        assert "output_audio_buffer.stopped" not in caller.kinds()


async def test_the_client_clears_the_output(server: str) -> None:
    """As openai-python's users do."""
    async with calling(server) as caller:
        caller.send(write("Say something long."), ASK)
        await caller.until("output_audio_buffer.started")
        caller.send({"type": "output_audio_buffer.clear"})
        await caller.until("response.done")
        assert caller.kinds().count("output_audio_buffer.cleared") == 1


async def test_a_session_comes_with_the_call(server: str) -> None:
    """A form, as OpenAI's GA API has it; its settings hold from the start."""
    session = {"type": "realtime", "instructions": "Be brief.", "output_modalities": ["text"]}
    async with calling(server, session=session) as caller:
        assert (await caller.until("session.created"))["session"]["instructions"] == "Be brief."
        caller.send(write("What do you read?"), ASK)
        await caller.until("response.done")
        assert "response.output_text.delta" in caller.kinds()
        assert not [kind for kind in caller.kinds() if kind.startswith("output_audio_buffer")]


async def test_a_client_that_leads_commits_what_it_has_said(server: str) -> None:
    """What came as RTP is in the buffer."""
    session = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    async with calling(server, session=session) as caller:
        await caller.microphone.speak(speech_s=1, silence_s=0.2)
        caller.send({"type": "input_audio_buffer.commit"}, ASK)
        await caller.until("response.done")
        assert "input_audio_buffer.committed" in caller.kinds()


async def test_a_call_is_hung_up_by_its_address(locked_server: str) -> None:
    """With the key that made it, here an ephemeral one."""
    async with openai_client(locked_server, "sk-right") as backend:
        secret = (await backend.realtime.client_secrets.create()).value
    async with calling(locked_server, key=secret) as caller, aiohttp.ClientSession() as http:
        assert caller.location.startswith("/v1/realtime/calls/rtc_")
        address = f"{locked_server}{caller.location}/hangup"
        for key, status in (("sk-wrong", 401), ("sk-right", 404), (secret, 200)):
            async with http.post(address, headers={"Authorization": f"Bearer {key}"}) as answer:
                assert answer.status == status
        await caller.closed.wait()


async def test_a_session_goes_on_in_another_call(server: str) -> None:
    """With the events that the first one has missed, and the sound from then on. The first one ends."""
    async with calling(server, query="?resumable=true") as lost:
        created = await lost.until("session.created")
        lost.send(write("Say something long."), ASK)
        await lost.until("output_audio_buffer.started")
        query = f"?session_id={created['session']['id']}&last_event_id={created['event_id']}"
        token = created["resume"]["token"]
        async with calling(server, greeting="session.resumed", query=query, token=token) as caller:
            since_s = asyncio.get_running_loop().time()
            assert (await caller.until("session.resumed"))["session"]["id"] == created["session"]["id"]
            assert (await caller.until("output_audio_buffer.started"))["response_id"]
            await lost.closed.wait()
            await asyncio.sleep(0.5)
            assert caller.loudness(since_s + 0.3) > 0.05
            caller.send({"type": "output_audio_buffer.clear"})
            await caller.until("response.done")


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_a_call_that_resumes_nothing_is_refused(server: str, token: str) -> None:
    """No session waits under this id and token: the client begins a new one."""
    caller = Caller()
    refused = await caller.call(server, query="?session_id=sess_1&last_event_id=event_1", token=token)
    assert (caller.status, json.loads(refused)["error"]["code"]) == (404, "session_not_resumable")
    await caller.peer.close()


async def test_openai_python_makes_a_call(server: str) -> None:
    """Its `calls.create` sends a form, and gets the answer's SDP."""
    caller = Caller()
    await caller.peer.setLocalDescription(await caller.peer.createOffer())
    async with openai_client(server) as one:
        session = {"type": "realtime", "instructions": "Be brief."}
        answer = await one.realtime.calls.create(sdp=caller.peer.localDescription.sdp, session=session)
        assert (await answer.aread()).startswith(b"v=0")
        await one.realtime.calls.hangup(answer.response.headers["Location"].rpartition("/")[2])
    await caller.peer.close()


@pytest.mark.parametrize("sdp", ["", "nonsense", "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"])
async def test_what_is_no_offer_is_refused(server: str, sdp: str) -> None:
    headers = {"Content-Type": "application/sdp"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{server}/v1/realtime/calls", data=sdp, headers=headers) as answer,
    ):
        body = await answer.json()
        assert (answer.status, body["error"]["param"]) == (400, "sdp")


async def test_a_client_that_is_gone_ends_its_session(server: str) -> None:
    """And its slot is free."""
    for _ in range(10):  # the server has 8
        async with calling(server):
            pass
