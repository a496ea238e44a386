"""Clients of OpenAI's protocol on the default pipeline, behind the real server, in virtual time."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import numpy as np
import pytest
from scripted_stages import RATE_HZ, scripted_stages
from served import Engine

from voicepipe.audio import G711, OggOpus, Pcm16
from voicepipe.conversation import Conversation
from voicepipe.events import Audio
from voicepipe.loader import load_pipeline

FRAME = 480


class Scripted(Engine):
    """The bot says "La" so many times; `asked` is what its model was told."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.asked: list[list[dict[str, str]]] = []
        self.broken_model: Exception | None = None
        self._reply = " ".join(["La"] * words)

    def stages(self) -> Any:
        return scripted_stages(self._answer, super().stages().close)

    def _answer(self, conversation: Conversation) -> str:
        if self.broken_model is not None:
            raise self.broken_model
        self.asked.append(conversation.prompt())
        return self._reply


GA: dict[str, Any] = {"protocols": ()}
BETA: dict[str, Any] = {"protocols": (), "headers": {"OpenAI-Beta": "realtime=v1"}}
ASK = {"type": "response.create"}


@pytest.fixture
def pipeline():
    return load_pipeline(None)


def update(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **session}}


def turns(detection: dict[str, Any] | None) -> dict[str, Any]:
    return update(audio={"input": {"turn_detection": detection}})


def write(text: str, **item: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content, **item}}


class RealtimeClient:
    """A client and all that it has heard."""

    def __init__(self, client: Any, codec: Any = None) -> None:
        self.client = client
        self.heard: list[dict[str, Any]] = []
        self._encode = (codec or Pcm16()).encoder()

    async def send(self, *messages: dict[str, Any]) -> None:
        await self.client.send(*messages)

    async def until(self, kind: str) -> dict[str, Any]:
        async for event in self.client.events():
            self.heard.append(event)
            if event["type"] == kind:
                return event
        raise AssertionError(f"closed before any {kind}: {self.kinds()}")

    def kinds(self) -> list[str]:
        types = [event["type"] for event in self.heard]
        return [kind for before, kind in zip(["", *types], types, strict=False) if kind != before]

    def append(self, loud: bool) -> dict[str, Any]:
        """20 ms of sound."""
        samples = np.sin(np.arange(FRAME) * 0.1).astype(np.float32) * np.float32(0.5 if loud else 0.0)
        data = self._encode(Audio(samples, RATE_HZ))
        return {"type": "input_audio_buffer.append", "audio": base64.b64encode(data).decode()}

    async def speak(self, *, speech_s: float, silence_s: float) -> None:
        """In real time, though virtual."""
        for number in range(round((speech_s + silence_s) * RATE_HZ / FRAME)):
            message = self.append(number * FRAME / RATE_HZ < speech_s)
            if message["audio"]:  # Opus has two packets to a page
                await self.send(message)
            await asyncio.sleep(FRAME / RATE_HZ)

    def speaking(self, **times: float) -> asyncio.Task[None]:
        return asyncio.create_task(self.speak(**times))


async def test_no_user_is_spoken_to_unasked(serve, pipeline):
    """A client that leads gets its greeting, its settings, and silence."""
    async with serve(pipeline, Scripted(words=2)) as served, served.connect(**GA) as client:
        realtime = RealtimeClient(client)
        await realtime.send(update(instructions="Be brief."))
        microphone = realtime.speaking(speech_s=0, silence_s=20)
        await asyncio.sleep(19)
        await realtime.send({"type": "sing"})
        await realtime.until("error")
        await microphone
        assert realtime.kinds() == ["session.created", "session.updated", "error"]


@pytest.mark.parametrize(
    ("detection", "after_s"),
    [
        ({"type": "semantic_vad"}, 0.2),
        ({"type": "server_vad", "silence_duration_ms": 400}, 0.4),
        ({"type": "server_vad", "silence_duration_ms": 1000}, 1.0),
    ],
)
async def test_a_turn_ends_when_the_client_wants(serve, pipeline, virtual_loop, detection, after_s):
    """By meaning, or after the silence that it has set."""
    async with serve(pipeline, Scripted(words=2)) as served, served.connect(**GA) as client:
        realtime = RealtimeClient(client)
        await realtime.send(turns(detection))
        await realtime.until("session.updated")
        began = virtual_loop.time()
        microphone = realtime.speaking(speech_s=1, silence_s=3)
        await realtime.until("response.created")
        assert virtual_loop.time() - began - 1 == pytest.approx(after_s, abs=0.09)
        done = await realtime.until("response.done")
        assert done["response"]["output"][0]["content"][0]["transcript"] == "La La"
        await microphone


async def test_turns_that_are_not_answered(serve, pipeline):
    """`create_response` false: transcribed, and answered when it is asked for."""
    async with serve(pipeline, Scripted(words=2)) as served, served.connect(**GA) as client:
        realtime = RealtimeClient(client)
        await realtime.send(turns({"type": "server_vad", "create_response": False}))
        await realtime.speak(speech_s=1, silence_s=2)
        await realtime.send(ASK)
        await realtime.until("response.done")
        kinds = realtime.kinds()
        assert kinds.index("response.created") > kinds.index("conversation.item.input_audio_transcription.completed")
        assert kinds.count("response.created") == 1


async def test_a_voice_that_shall_not_interrupt(serve, pipeline):
    """`interrupt_response` false: the reply is spoken to its end, and the turn answered after it."""
    async with serve(pipeline, Scripted(words=12)) as served, served.connect(**GA) as client:
        realtime = RealtimeClient(client)
        await realtime.send(turns({"type": "server_vad", "interrupt_response": False}), write("Hi."), ASK)
        await realtime.until("response.output_audio.delta")
        await asyncio.sleep(3.5)
        microphone = realtime.speaking(speech_s=0.4, silence_s=8)
        first = await realtime.until("response.done")
        second = await realtime.until("response.done")
        await microphone
        assert [one["response"]["status"] for one in (first, second)] == ["completed", "completed"]
        assert realtime.kinds().count("input_audio_buffer.speech_started") == 1


async def test_manual_turns(serve, pipeline):
    """A recording at once, a commit and a request in one go: the reply waits for the words."""
    async with serve(pipeline, Scripted(words=2)) as served, served.connect(**GA) as client:
        realtime = RealtimeClient(client)
        await realtime.send(turns(None), *[realtime.append(loud=True) for _ in range(75)])
        await realtime.send({"type": "input_audio_buffer.commit"}, ASK)
        await realtime.until("response.done")
        wanted = [
            "input_audio_buffer.committed",
            "conversation.item.input_audio_transcription.completed",
            "response.created",
            "response.done",
        ]
        assert [kind for kind in realtime.kinds() if kind in wanted] == wanted
        assert "input_audio_buffer.speech_started" not in realtime.kinds()


async def test_a_message_of_sound_is_heard(serve, pipeline):
    """As a turn that the client ends: its words follow, and the model has read them when it answers."""
    engine = Scripted(words=2)
    async with serve(pipeline, engine) as served, served.connect(**GA) as client:
        realtime = RealtimeClient(client)
        sound = b"".join(base64.b64decode(realtime.append(loud)["audio"]) for loud in [True] * 50 + [False] * 10)
        part = {"type": "input_audio", "audio": base64.b64encode(sound).decode()}
        await realtime.send(turns(None), write("", id="mine", content=[part]), ASK)
        done = (await realtime.until("response.done"))["response"]
    assert done["status"] == "completed"
    assert engine.asked[-1][-1] == {"role": "user", "content": "Hello there."}
    added = next(event["item"] for event in realtime.heard if event["type"] == "conversation.item.added")
    assert (added["id"], added["content"]) == ("mine", [{"type": "input_audio", "transcript": None}])
    heard = next(event for event in realtime.heard if event["type"].endswith("transcription.completed"))
    assert (heard["item_id"], heard["transcript"]) == ("mine", "Hello there.")
    assert "input_audio_buffer.committed" not in realtime.kinds()


async def test_what_was_cleared_is_not_answered(serve, pipeline):
    """Nor heard by the next commit."""
    async with serve(pipeline, Scripted(words=2)) as served, served.connect(**GA) as client:
        realtime = RealtimeClient(client)
        await realtime.send(turns(None), *[realtime.append(loud=True) for _ in range(50)])
        await realtime.send({"type": "input_audio_buffer.clear"}, {"type": "input_audio_buffer.commit"})
        await realtime.until("error")
        assert realtime.heard[-1]["error"]["code"] == "input_audio_buffer_commit_empty"
        await realtime.send(*[realtime.append(loud=False) for _ in range(50)], {"type": "input_audio_buffer.commit"})
        completed = await realtime.until("conversation.item.input_audio_transcription.completed")
        assert completed["transcript"] == ""


async def test_an_open_turn_is_ended_by_a_commit(serve, pipeline, virtual_loop):
    """Though turns are detected: the client knows better, and need not wait for the silence."""
    async with serve(pipeline, Scripted(words=2)) as served, served.connect(**GA) as client:
        realtime = RealtimeClient(client)
        await realtime.send(turns({"type": "server_vad", "silence_duration_ms": 2000}))
        await realtime.speak(speech_s=1, silence_s=0)
        began = virtual_loop.time()
        await realtime.send({"type": "input_audio_buffer.commit"})
        await realtime.until("response.created")
        assert virtual_loop.time() - began < 0.1
        assert realtime.kinds().count("input_audio_buffer.committed") == 1


async def test_a_silence_is_broken(serve, pipeline):
    """After `idle_timeout_ms`, and the client is told why."""
    async with serve(pipeline, Scripted(words=2)) as served, served.connect(**GA) as client:
        realtime = RealtimeClient(client)
        await realtime.send(turns({"type": "server_vad", "idle_timeout_ms": 5000}), write("Hi."), ASK)
        await realtime.until("response.done")
        microphone = realtime.speaking(speech_s=0, silence_s=7)
        triggered = await realtime.until("input_audio_buffer.timeout_triggered")
        assert (await realtime.until("response.done"))["response"]["status"] == "completed"
        retrieve = {"type": "conversation.item.retrieve", "item_id": triggered["item_id"]}
        await realtime.send(retrieve)
        assert (await realtime.until("conversation.item.retrieved"))["item"]["role"] == "user"
        await microphone


async def test_the_model_is_told_what_was_heard(serve, pipeline):
    """After a truncation: the words until there, and no others; a deleted message is gone."""
    engine = Scripted(words=20)
    async with serve(pipeline, engine) as served, served.connect(**GA) as client:
        realtime = RealtimeClient(client)
        await realtime.send(update(instructions="X"), write("One.", id="one"), write("Two."), ASK)
        item_id = (await realtime.until("response.output_audio.delta"))["item_id"]
        await asyncio.sleep(2)
        await realtime.send({"type": "response.cancel"})
        await realtime.until("response.done")
        await realtime.send(
            {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": 900},
            {"type": "conversation.item.delete", "item_id": "one"},
            write("Go on."),
            ASK,
        )
        await realtime.until("response.created")
    assert [message["content"] for message in engine.asked[-1]] == ["X", "Two.", " ".join(["La"] * 5), "Go on."]


async def test_a_reply_beside_the_conversation(serve, pipeline):
    """Written, of its own messages, and remembered by nobody."""
    async with serve(pipeline, Scripted(words=3)) as served, served.connect(**GA) as client:
        realtime = RealtimeClient(client)
        wishes = {"conversation": "none", "output_modalities": ["text"], "metadata": {"topic": "x"}, "input": []}
        await realtime.send({**ASK, "response": wishes})
        response = (await realtime.until("response.done"))["response"]
        assert (response["metadata"], response["conversation_id"]) == ({"topic": "x"}, None)
        assert response["output"][0]["content"] == [{"type": "output_text", "text": "La La La"}]
        await realtime.send({"type": "conversation.item.retrieve", "item_id": response["output"][0]["id"]})
        assert (await realtime.until("error"))["error"]["code"] == "item_retrieve_invalid_item_id"


@pytest.mark.parametrize(
    ("kind", "codec", "per_s"),
    [("audio/pcmu", G711("mu"), 8_000), ("audio/pcma", G711("a"), 8_000), ("audio/opus", OggOpus(), None)],
)
async def test_other_formats(serve, pipeline, kind, codec, per_s):
    """Both ways, each set on its own."""
    async with serve(pipeline, Scripted(words=4)) as served, served.connect(**GA) as client:
        realtime = RealtimeClient(client, codec)
        audio = {"input": {"format": {"type": kind}}, "output": {"format": {"type": kind}}}
        await realtime.send(update(audio=audio))
        microphone = realtime.speaking(speech_s=1, silence_s=2)
        await realtime.until("response.done")
        await microphone
        data = [base64.b64decode(event["delta"]) for event in realtime.heard if event["type"].endswith("audio.delta")]
        decode = codec.decoder()
        sound = np.concatenate([decode(piece) for piece in data])
        assert len(sound) / codec.rate_hz == pytest.approx(0.8, abs=0.05)
        assert float(np.abs(sound).max()) == pytest.approx(0.3, abs=0.05)


async def test_beta(serve, pipeline):
    """Its own names, and its flat session."""
    async with serve(pipeline, Scripted(words=2)) as served, served.connect(**BETA) as client:
        realtime = RealtimeClient(client)
        await realtime.send({"type": "session.update", "session": {"turn_detection": {"type": "server_vad"}}})
        microphone = realtime.speaking(speech_s=1, silence_s=2)
        await realtime.until("response.done")
        await microphone
        assert realtime.kinds()[:3] == ["session.created", "conversation.created", "session.updated"]
        assert {"conversation.item.created", "response.audio.delta"} <= set(realtime.kinds())
        assert not [
            kind for kind in realtime.kinds() if "output_audio" in kind or kind.startswith("conversation.item.added")
        ]


async def test_a_client_that_waits_for_its_greeting_gets_it(serve, pipeline, virtual_loop):
    """Though it offers what Unmute's frontend offers."""
    async with serve(pipeline, Scripted(words=2)) as served, served.connect() as client:
        began = virtual_loop.time()
        assert (await client.event("session.created"))["session"]["object"] == "realtime.session"
        assert virtual_loop.time() - began == pytest.approx(1, abs=0.01)


async def test_whatever_model_is_asked_for(serve, pipeline):
    """And whatever else stands in the address or the headers."""
    options = {"params": {"model": "gpt-4o-realtime-preview", "x": "y"}, "headers": {"X-OpenAI-Agents-SDK": "1"}}
    async with (
        serve(pipeline, Scripted(words=2)) as served,
        served.http.ws_connect(f"{served.url}/v1/realtime", **options) as socket,
    ):
        assert socket.protocol is None
        assert json.loads((await socket.receive()).data)["session"]["model"] == "gpt-4o-realtime-preview"


async def test_a_failing_model_is_told_without_its_inner_life(serve, pipeline):
    """No trace, no path; the session goes on."""
    engine = Scripted(words=2)
    engine.broken_model = OSError("/etc/secret: no such file")
    async with serve(pipeline, engine) as served, served.connect(**GA) as client:
        realtime = RealtimeClient(client)
        await realtime.send(write("Hi."), ASK)
        done = await realtime.until("response.done")
        assert done["response"]["status"] == "failed"
        assert "/etc" not in json.dumps(realtime.heard)
        await realtime.send(ASK)
        assert (await realtime.until("response.done"))["response"]["status"] == "failed"
