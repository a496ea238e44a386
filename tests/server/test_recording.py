"""A client that sends a recording faster than it was spoken: it is slowed down, heard whole, and still there."""

from __future__ import annotations

import asyncio
import base64
from functools import cache
from typing import Any

import aiohttp
import numpy as np
import pytest
import reactivex
from reactivex import operators as ops
from scripted_stages import HEARD, scripted_stages
from served import Client, Engine

from voicepipe.audio import G711, Codec, OggOpus
from voicepipe.events import Audio, ConversationEnded, InputCommitted
from voicepipe.loader import load_pipeline
from voicepipe.operators import decode, fill_gaps
from voicepipe.rx import from_async

GA: dict[str, Any] = {"protocols": ()}
COMMIT = {"type": "input_audio_buffer.commit"}
RATE_HZ = 24_000
FRAME = 480


class Busy(Engine):
    """Each session's recogniser has work that is never done, unless `clear`."""

    def __init__(self, *, clear: bool = False) -> None:
        super().__init__()
        self._clear = clear

    def stages(self) -> Any:
        stages = scripted_stages(lambda _: " ".join(["La"] * 40), super().stages().close)
        if not self._clear:
            stages.backlog.busy()
        return stages


class Heard:
    """A pipeline that hears, and says nothing."""

    def __init__(self) -> None:
        self.sound: list[Audio] = []
        self.at_s: list[float] = []
        self.commits = 0

    def __call__(self, session: Any) -> Any:
        heard = session.received.pipe(decode(session.codec), fill_gaps(after_ms=200, at_most_ms=2000))
        return heard.pipe(ops.do_action(self._note), ops.ignore_elements())

    def _note(self, event: Any) -> None:
        if isinstance(event, Audio):
            self.sound.append(event)
            self.at_s.append(asyncio.get_running_loop().time())
        self.commits += isinstance(event, InputCommitted)

    @property
    def pcm(self) -> bytes:
        samples = np.concatenate([audio.samples for audio in self.sound])
        return np.rint(samples * 32768).astype("<i2").tobytes()


@cache
def noise(seconds: float) -> bytes:
    """PCM16, no two samples alike enough to be taken for each other."""
    samples = np.random.default_rng(1).integers(-10_000, 10_000, round(seconds * RATE_HZ))
    return samples.astype("<i2").tobytes()


def appended(data: bytes, message_s: float) -> list[dict[str, Any]]:
    size = round(message_s * RATE_HZ) * 2
    pieces = [base64.b64encode(data[at : at + size]).decode() for at in range(0, len(data), size)]
    return [{"type": "input_audio_buffer.append", "audio": piece} for piece in pieces]


def turns(detection: dict[str, Any] | None) -> dict[str, Any]:
    audio = {"input": {"turn_detection": detection}}
    return {"type": "session.update", "session": {"type": "realtime", "audio": audio}}


# ---- heard whole ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message_s", [0.01, 0.02, 0.25, 15.0])
async def test_a_minute_at_once_is_heard_whole_in_six_seconds(serve, virtual_loop, message_s):
    """Sample by sample, in messages of any size, without a silence put between; the commit comes behind it."""
    heard, data = Heard(), noise(60)
    async with serve(heard, Busy(clear=True)) as served, served.connect(**GA) as client:
        await client.send(turns(None), *appended(data, message_s), COMMIT)
        await client.event("input_audio_buffer.committed")
        assert virtual_loop.time() == pytest.approx(6, abs=0.3)
        assert heard.commits == 1
        assert heard.pcm == data


async def test_a_recording_larger_than_may_wait_waits_with_the_client(serve, virtual_loop):
    """Nobody reads it; and all of it is heard in the end."""
    heard, data = Heard(), noise(180)
    async with (
        serve(heard, Busy(clear=True), ingress_waits_bytes=100_000) as served,
        served.connect(**GA) as client,
    ):
        await client.send(turns(None))
        sending = asyncio.create_task(client.send(*appended(data, 1.0), COMMIT))
        await asyncio.sleep(5)
        assert not sending.done()
        await client.event("input_audio_buffer.committed")
        assert sending.done()
        assert virtual_loop.time() == pytest.approx(18, abs=0.5)
        assert heard.pcm == data


async def test_no_silence_comes_into_a_recording_that_waits(serve, virtual_loop):
    """The recogniser is behind all the time: sound comes in as if it were live, and that of the client only."""
    heard, data = Heard(), noise(20)
    async with serve(heard, Busy()) as served, served.connect(**GA) as client:
        await client.send(turns(None), *appended(data, 5.0), COMMIT)
        await client.event("input_audio_buffer.committed")
        assert virtual_loop.time() == pytest.approx(19.5, abs=0.3)
        assert heard.pcm == data


@pytest.mark.parametrize(("kind", "codec"), [("audio/pcmu", G711("mu")), ("audio/opus", OggOpus())])
async def test_other_formats_are_cut_as_well(serve, virtual_loop, kind, codec: Codec):
    """A whole minute in one message."""
    heard, encode = Heard(), codec.encoder()
    sound = Audio((0.3 * np.sin(np.arange(60 * RATE_HZ) * 0.05)).astype(np.float32), RATE_HZ)
    frames = [encode(Audio(sound.samples[at : at + 960], RATE_HZ)) for at in range(0, len(sound.samples), 960)]
    message = {"type": "input_audio_buffer.append", "audio": base64.b64encode(b"".join(frames)).decode()}
    form = {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"format": {"type": kind}}}}}
    async with serve(heard, Busy(clear=True)) as served, served.connect(**GA) as client:
        await client.send(form, turns(None), message, COMMIT)
        await client.event("input_audio_buffer.committed")
        assert virtual_loop.time() == pytest.approx(6, abs=0.3)
        assert sum(audio.duration_s for audio in heard.sound) == pytest.approx(60, abs=0.1)
        assert max(audio.duration_s for audio in heard.sound) < 0.2


def utterances(count: int) -> bytes:
    """A second of speech each, and a second of silence behind it."""
    loud = (np.sin(np.arange(RATE_HZ) * 0.1) * 16_000).astype("<i2").tobytes()
    return (loud + bytes(2 * RATE_HZ)) * count


async def test_the_detector_finds_the_turns_of_a_recording(serve, virtual_loop):
    """All of them, with their times in the recording; a commit of the client's has all words, too."""
    async with serve(load_pipeline(None), Busy(clear=True)) as served, served.connect(**GA) as client:
        await client.send(turns({"type": "server_vad", "create_response": False}), *appended(utterances(20), 10.0))
        starts: list[int] = []
        while len(starts) < 20:
            starts.append((await client.event("input_audio_buffer.speech_started"))["audio_start_ms"])
            completed = await client.event("conversation.item.input_audio_transcription.completed")
            assert completed["transcript"] == HEARD
        assert starts == [2000 * number for number in range(20)]
        assert virtual_loop.time() < 4.5
        await client.send(turns(None), *appended(utterances(5), 10.0), COMMIT)
        completed = await client.event("conversation.item.input_audio_transcription.completed")
        assert completed["transcript"] == " ".join([HEARD] * 5)


# ---- while it waits -------------------------------------------------------------------------------------------------


async def held(client: Client, seconds: float = 60, message_s: float = 5.0) -> None:
    """A recording is sent to a recogniser that takes real time for it."""
    await client.send(turns(None), *appended(noise(seconds), message_s))


async def test_a_ping_is_answered(serve, virtual_loop):
    """At once, though a minute of sound is before it: a client that waits for its answer does not give up."""
    async with serve(Heard(), Busy()) as served, served.connect(**GA, autoping=False) as client:
        await held(client)
        await asyncio.sleep(3)
        await client.socket.ping(b"alive?")
        while (message := await client.socket.receive()).type is not aiohttp.WSMsgType.PONG:
            assert message.type is aiohttp.WSMsgType.TEXT
        assert (message.data, virtual_loop.time()) == (b"alive?", pytest.approx(3, abs=0.01))


@pytest.mark.parametrize("waits_bytes", [0, 8_000_000])
async def test_a_client_that_answers_our_pings_is_not_taken_for_dead(serve, waits_bytes):
    """It lives with and without its answers waiting behind its sound."""
    heard = Heard()
    settings = {"heartbeat_s": 4, "ingress_waits_bytes": waits_bytes}
    async with serve(heard, Busy(), **settings) as served, served.connect(**GA) as client:
        sending = asyncio.create_task(client.send(turns(None), *appended(noise(60), 15.0), COMMIT))
        await client.event("input_audio_buffer.committed")
        await sending
        assert heard.commits == 1


async def test_a_client_that_leaves_is_let_go_at_once(serve, virtual_loop, logs):
    """Nobody is there for the rest of its recording."""
    async with serve(Heard(), Busy()) as served:
        async with served.connect(**GA) as client:
            await held(client)
            await asyncio.sleep(2)
            await client.socket.close()
        await served.empty()
        assert virtual_loop.time() == pytest.approx(2, abs=0.1)
    assert [line["reason"] for line in logs if line["event"] == "session.ended"] == ["the client left"]


async def test_a_client_that_vanishes_is_let_go_at_once(serve, virtual_loop):
    """Without a goodbye."""
    async with serve(Heard(), Busy()) as served, served.connect(**GA) as client:
        await held(client)
        await asyncio.sleep(2)
        client.vanish()
        await served.empty()
        assert virtual_loop.time() == pytest.approx(2, abs=0.1)


async def test_the_session_can_end(serve, virtual_loop):
    """The bot hangs up, and does not hear the rest."""

    async def hang_up() -> Any:
        await asyncio.sleep(3)
        yield ConversationEnded("Bye!")

    async with (
        serve(lambda session: reactivex.merge(Heard()(session), from_async(hang_up, "bye")), Busy()) as served,
        served.connect(**GA) as client,
    ):
        await held(client)
        assert await client.end() == (1000, "Bye!")
        assert virtual_loop.time() == pytest.approx(3, abs=0.1)


async def test_the_server_can_stop(serve, virtual_loop):
    """In its own time."""
    async with serve(Heard(), Busy(), shutdown_grace_s=1) as served, served.connect(**GA) as client:
        await held(client)
        await asyncio.sleep(2)
        stopping = asyncio.create_task(served.runner.cleanup())
        assert (await client.end())[0] == 1001
        await stopping
        assert virtual_loop.time() < 5


async def test_what_is_asked_behind_a_recording_comes_behind_it(serve, virtual_loop):
    """A reply that is on is cut when its turn comes, and the request behind that is answered."""
    async with serve(load_pipeline(None), Busy(clear=True)) as served, served.connect(**GA) as client:
        ask, cancel = {"type": "response.create"}, {"type": "response.cancel"}
        await client.send(turns(None), ask)
        await client.event("response.output_audio.delta")
        began_s = virtual_loop.time()
        await client.send(*appended(utterances(10), 5.0), cancel, COMMIT, ask)
        cancelled = (await client.event("response.done"))["response"]
        assert (cancelled["status"], virtual_loop.time() - began_s) == ("cancelled", pytest.approx(2, abs=0.1))
        completed = await client.event("conversation.item.input_audio_transcription.completed")
        assert completed["transcript"] == " ".join([HEARD] * 10)
        assert (await client.event("response.done"))["response"]["status"] == "completed"


async def test_settings_hold_from_their_place_in_the_sound_on(serve, virtual_loop):
    """The format of what comes behind them, among others."""
    heard, law = Heard(), G711("mu")
    data, encode = noise(20), law.encoder()
    tone = encode(Audio((0.3 * np.sin(np.arange(RATE_HZ) * 0.05)).astype(np.float32), RATE_HZ))
    changed = {"input": {"format": {"type": "audio/pcmu"}}}
    async with serve(heard, Busy(clear=True)) as served, served.connect(**GA) as client:
        await client.send(turns(None), *appended(data, 4.0))
        await client.send({"type": "session.update", "session": {"type": "realtime", "audio": changed}})
        await client.send({"type": "input_audio_buffer.append", "audio": base64.b64encode(tone).decode()}, COMMIT)
        await client.event("input_audio_buffer.committed")
        assert heard.pcm.startswith(data)
        rest = np.frombuffer(heard.pcm[len(data) :], "<i2") / 32768
        assert len(rest) == 3 * len(tone), "to the last sample, whatever a resampler holds up"
        assert float(np.abs(rest).max()) == pytest.approx(0.3, abs=0.02)
