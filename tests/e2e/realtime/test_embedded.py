"""The official clients, unmodified, talk to `voicepipe serve`: the default pipeline, with patience for a busy machine,
the embedded models, and what real people have said. What the bot answers is its own affair: that it does is asserted,
and how it sounds."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from human import BEST_OF_TIMES, SPRING_OF_HOPE, TALKING_ABOUT, Utterance, loudness
from microphone import open_microphone
from openai_agents import is_raw, raw, session, transcripts
from openai_agents import until as agents_until
from openai_python import appending, beta_connected, client, connected, kinds, sound, text, until, websockets
from processes import patient_pipeline, serving, until_empty

from voicepipe.weights import registry

pytestmark = [pytest.mark.e2e, pytest.mark.models, pytest.mark.xdist_group("e2e embedded")]

LONGEST_S = 150
BRIEF = "You are a butler. You answer every question with: Yes, sir."
"""The embedded model does not obey, but its answers are shorter than with anything else that was tried."""
LONG = "Say something long."
VAD = {"type": "server_vad"}
SPEECH = ("input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of its own."""
    if registry.missing():
        pytest.skip("needs the embedded models: voicepipe models fetch")
    pipeline = patient_pipeline(tmp_path_factory.mktemp("pipeline"))
    command = [sys.executable, "-m", "voicepipe", "serve", pipeline, "--port", "0", "--max-sessions", "2"]
    with serving(command) as url:
        yield url


@pytest.fixture
def server(embedded: str) -> str:
    """The same, empty: the session of the test before has left nothing behind."""
    until_empty(embedded)
    return embedded


def spoken(said: Utterance, recordings: Path, folder: Path) -> str:
    """The name of a file of PCM16, for a script."""
    file = folder / "speech.pcm"
    file.write_bytes(said.pcm(recordings))
    return str(file)


@dataclass(frozen=True)
class Turn:
    """One turn as a client was told of it: the user's words, and the answer's words and sound."""

    heard: str
    reply: str
    seconds: float
    loudness: float

    def check(self, said: Utterance) -> None:
        """The right words, with a quarter of errors at most, and a voice that says something."""
        assert said.word_error_rate(self.heard) <= 0.25, self
        words = len(self.reply.split())
        assert words >= 1, self
        assert 0.08 * words < self.seconds < 2 * words + 2, self
        assert 0.01 < self.loudness < 0.5, self


def of_sound(heard: str, reply: str, pcm: bytes) -> Turn:
    return Turn(heard, reply, len(pcm) / 48_000, loudness(pcm))


# ---- openai-python, GA and beta -------------------------------------------------------------------------------------


async def until_completed(connection: Any) -> list[Any]:
    """Up to the end of a response that was not taken back: a pause of the user may have looked like their end."""
    events = await until(connection, "response.done")
    while events[-1].response.status != "completed":
        events += await until(connection, "response.done")
    return events


def of_openai(events: list[Any]) -> Turn:
    """Of all that was heard, and of the answer that was spoken to its end."""
    heard = [event.transcript for event in events if event.type.endswith("input_audio_transcription.completed")]
    answer = [event for event in events if getattr(event, "response_id", "") == events[-1].response.id]
    (reply,) = [event.transcript for event in answer if event.type.endswith("audio_transcript.done")]
    return of_sound(" ".join(heard), reply, sound(answer))


@pytest.mark.parametrize(
    "connect",
    [
        pytest.param(partial(connected, instructions=BRIEF), id="ga"),
        pytest.param(partial(beta_connected, instructions=BRIEF, turn_detection=VAD), id="beta"),
    ],
)
async def test_openai_python_is_heard_and_answered(server: str, recordings: Path, connect: Any) -> None:
    """In both forms."""
    async with connect(server) as connection, open_microphone(appending(connection), BEST_OF_TIMES.pcm(recordings)):
        events = await until_completed(connection)
    order = [kind for kind in kinds(events) if kind.startswith("input_audio_buffer")]
    assert order[:3] == [*SPEECH, "input_audio_buffer.committed"]
    of_openai(events).check(BEST_OF_TIMES)


async def test_openai_python_interrupts_and_truncates(server: str, recordings: Path) -> None:
    """By voice, in mid-word; the item keeps what the client says was heard, and the interruption is understood."""
    async with connected(server) as connection:
        await connection.conversation.item.create(item=text(LONG))
        await connection.response.create()
        begun = await until(connection, "response.output_audio.delta")
        await asyncio.sleep(1.5)
        async with open_microphone(appending(connection), TALKING_ABOUT.pcm(recordings)):
            cut = await until(connection, "response.done")
            await connection.conversation.item.truncate(item_id=begun[-1].item_id, content_index=0, audio_end_ms=1200)
            await connection.conversation.item.retrieve(item_id=begun[-1].item_id)
            later = await until(connection, "conversation.item.retrieved")
            after = later + await until(connection, "conversation.item.input_audio_transcription.completed")
    assert (cut[-1].response.status, cut[-1].response.status_details.reason) == ("cancelled", "turn_detected")
    assert "input_audio_buffer.speech_started" in kinds(cut)
    told = "".join(event.delta for event in begun + cut if event.type == "response.output_audio_transcript.delta")
    kept = later[-1].item.content[0].transcript
    assert 0 < len(kept) < len(told)
    assert told.startswith(kept)
    assert TALKING_ABOUT.word_error_rate(after[-1].transcript) <= 0.4


async def test_openai_python_writes_and_reads(server: str) -> None:
    """A text, answered in text, and as fast as it is written."""
    async with connected(server, output_modalities=["text"]) as connection:
        await connection.conversation.item.create(item=text("What is the capital of France?"))
        await connection.response.create()
        events = await until(connection, "response.done")
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 2
    assert events[-1].response.status == "completed"
    assert events[-1].response.output[0].content[0].text == "".join(deltas)
    assert not sound(events)


async def test_openai_python_cancels(server: str) -> None:
    """A reply that is being spoken ends, and the next one follows."""
    async with connected(server) as connection:
        await connection.conversation.item.create(item=text(LONG))
        await connection.response.create()
        await until(connection, "response.output_audio.delta")
        await connection.response.cancel()
        done = (await until(connection, "response.done"))[-1].response
        assert (done.status, done.status_details.reason) == ("cancelled", "client_cancelled")
        await connection.response.create(response={"output_modalities": ["text"]})
        done = (await until(connection, "response.done"))[-1].response
        assert (done.status, bool(done.output[0].content[0].text)) == ("completed", True)


async def test_openai_python_is_told_that_the_server_is_full(server: str) -> None:
    """Before the upgrade, and in words."""
    async with connected(server), beta_connected(server):
        with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
            async with client(server).realtime.connect(model="any"):
                pass
    assert caught.value.response.status_code == 503
    assert b"All 2 conversations of this server are taken" in caught.value.response.body


async def test_openai_python_beta_ends_its_turns_itself(server: str, recordings: Path) -> None:
    """A recording at once, a commit, and an answer when it is asked for: here in text."""
    async with beta_connected(server, turn_detection=None, modalities=["text"]) as connection:
        await appending(connection)(BEST_OF_TIMES.pcm(recordings))
        await connection.input_audio_buffer.commit()
        heard = await until(connection, "conversation.item.input_audio_transcription.completed")
        assert BEST_OF_TIMES.word_error_rate(heard[-1].transcript) <= 0.25
        assert "input_audio_buffer.speech_started" not in kinds(heard)
        await connection.response.create()
        events = await until(connection, "response.done")
    assert events[-1].response.status == "completed"
    assert events[-1].response.output[0].content[0].text


# ---- both agents SDKs -----------------------------------------------------------------------------------------------


def completed(event: Any) -> bool:
    """Return whether this is the end of a response that was not taken back."""
    return any(done["response"]["status"] == "completed" for done in raw([event], "response.done"))


async def test_agents_python_is_heard_and_answered(server: str, recordings: Path) -> None:
    """Its history holds what was said."""
    speech = BEST_OF_TIMES.pcm(recordings)
    async with session(server, instructions=BRIEF) as running, open_microphone(running.send_audio, speech):
        events = await agents_until(running, completed)
    for kind in ("session.created", "session.updated", *SPEECH):
        assert raw(events, kind), kind
    heard = [message["transcript"] for message in raw(events, "conversation.item.input_audio_transcription.completed")]
    answer = raw(events, "response.done")[-1]["response"]
    audio = [event.audio for event in events if event.type == "audio"]
    pcm = b"".join(piece.data for piece in audio if piece.response_id == answer["id"])
    reply = transcripts(running)[-1] or ""
    assert reply == answer["output"][0]["content"][0]["transcript"]
    of_sound(" ".join(heard), reply, pcm).check(BEST_OF_TIMES)


def test_agents_javascript_is_heard_and_answered(node: Any, server: str, recordings: Path, tmp_path: Path) -> None:
    """As its sibling."""
    seen = node("agents.mjs", server, "speech", SPEECH=spoken(SPRING_OF_HOPE, recordings, tmp_path), INSTRUCTIONS=BRIEF)
    assert seen["errors"] == []
    assert {"session.created", "session.updated", *SPEECH} <= {*seen["kinds"]}
    *heard, (role, reply) = seen["history"]
    assert (role, reply) == ("assistant", seen["ends"][-1])
    assert reply == seen["done"]["output"][0]["content"][0]["transcript"]
    words = " ".join(said for _, said in heard)
    Turn(words, reply, seen["sound"] / 48_000, seen["loudness"]).check(SPRING_OF_HOPE)


async def test_agents_python_interrupts(server: str, recordings: Path) -> None:
    """The SDK stops its playback and truncates by itself."""
    async with session(server) as running:
        await running.send_message(LONG)
        begun = await agents_until(running, lambda event: event.type == "audio")
        await asyncio.sleep(1.5)
        async with open_microphone(running.send_audio, TALKING_ABOUT.pcm(recordings)):
            events = begun + await agents_until(running, is_raw("conversation.item.truncated"))
            events += await agents_until(running, is_raw("conversation.item.input_audio_transcription.completed"))
    assert "audio_interrupted" in [event.type for event in events]
    (cut,) = raw(events, "response.done")
    assert cut["response"]["status_details"]["reason"] == "turn_detected"
    check_truncated(
        raw(events, "conversation.item.truncated")[0]["audio_end_ms"],
        sum(len(event.audio.data) for event in events if event.type == "audio") / 48,
    )
    (heard,) = raw(events, "conversation.item.input_audio_transcription.completed")
    assert TALKING_ABOUT.word_error_rate(heard["transcript"]) <= 0.4


def check_truncated(at_ms: float, sent_ms: float) -> None:
    """Check the place at which the user interrupted: after half a second at least, without the sound sent ahead."""
    assert 500 < at_ms <= sent_ms


def test_agents_javascript_interrupts(node: Any, server: str, recordings: Path, tmp_path: Path) -> None:
    """As its sibling does; the application's history keeps what was heard."""
    speech = spoken(TALKING_ABOUT, recordings, tmp_path)
    seen = node("agents.mjs", server, "barge-in", SPEECH=speech, LISTENING_MS="1500")
    assert (seen["errors"], seen["interrupted"]) == ([], 1)
    assert seen["done"]["status_details"]["reason"] == "turn_detected"
    check_truncated(seen["truncated"]["audio_end_ms"], seen["sound"] / 48)
    role, kept = seen["history"][1]
    assert role == "assistant"
    assert kept


def test_agents_javascript_writes_and_reads(node: Any, server: str) -> None:
    """A text is answered in text where the application wants it so."""
    seen = node("agents.mjs", server, "text", MODALITY="text")
    assert (seen["errors"], seen["sound"]) == ([], 0)
    (user, asked), (bot, answered) = seen["history"]
    assert (user, asked, bot) == ("user", "What do you read?", "assistant")
    assert answered == seen["ends"][-1]


def test_agents_javascript_cancels(node: Any, server: str) -> None:
    """By `interrupt()`, which truncates, too."""
    seen = node("agents.mjs", server, "cancel")
    assert seen["errors"] == []
    assert seen["done"]["status_details"]["reason"] == "client_cancelled"


# ---- the beta reference client --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scene", ["speech", "manual"])
def test_beta_reference_client_is_heard_and_answered(
    node: Any, server: str, recordings: Path, tmp_path: Path, scene: str
) -> None:
    """It holds where voicepipe notices the turn's end and where the client commits it."""
    seen = node("beta.mjs", server, scene, SPEECH=spoken(BEST_OF_TIMES, recordings, tmp_path), INSTRUCTIONS=BRIEF)
    assert seen["errors"] == []
    assert [kind for kind in seen["kinds"] if kind in SPEECH][:2] == ([*SPEECH] if scene == "speech" else [])
    *heard, bot = seen["items"]
    assert (bot["role"], bot["status"]) == ("assistant", "completed")
    assert seen["done"]["output"][0]["content"][0]["transcript"] == bot["transcript"]
    words = " ".join(item["transcript"] for item in heard)
    Turn(words, bot["transcript"], bot["samples"] / 24_000, bot["loudness"]).check(BEST_OF_TIMES)


def test_beta_reference_client_cancels_and_truncates(node: Any, server: str) -> None:
    """At a sample of the reply that it has played."""
    seen = node("beta.mjs", server, "cancel")
    assert seen["errors"] == []
    assert seen["done"]["status_details"]["reason"] == "client_cancelled"
    assert (seen["truncated"]["audio_end_ms"], seen["items"][-1]["status"]) == (500, "incomplete")
