"""A real server process, a real socket, the embedded models and human speech."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from human import BEST_OF_TIMES, words
from processes import patient_pipeline

from voicepipe.audio import resampled
from voicepipe.client import Fact, RecordedMicrophone, Talk, connect, read_recording
from voicepipe.client.facts import Heard
from voicepipe.client.samples import DEFAULT, SAMPLES
from voicepipe.events import Audio, Samples
from voicepipe.weights import registry

pytestmark = [pytest.mark.e2e, pytest.mark.models, pytest.mark.xdist_group("e2e embedded")]

RATE_HZ = 24_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a `voicepipe serve` of its own, which must end in peace when it is asked to."""
    if registry.missing():
        pytest.skip("needs the embedded models: voicepipe models fetch")
    pipeline = patient_pipeline(tmp_path_factory.mktemp("pipeline"))
    command = [sys.executable, "-m", "voicepipe", "serve", pipeline, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        printed: list[str] = []
        try:
            for line in process.stdout:
                printed.append(line)
                if found := re.search(r"Listening on (http://\S+)", line):
                    yield found[1]
                    break
            else:
                pytest.fail("the server did not start:\n" + "".join(printed))
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.stdout.read()
        assert process.wait(timeout=60) == 0, rest
        assert "Traceback" not in rest, rest


def clip(recordings: Path, start_s: float, stop_s: float) -> Samples:
    sound = read_recording(recordings / "two_cities.wav")
    return sound[int(start_s * RATE_HZ) : int(stop_s * RATE_HZ)]


def test_speech_is_heard_answered_and_spoken(server: str, recordings: Path) -> None:
    """The first sentence of a novel goes in; its words come back as text, and an answer as sound that says its text."""

    async def main() -> tuple[list[Fact], Talk]:
        facts: list[Fact] = []
        microphone = RecordedMicrophone(clip(recordings, 0.0, 4.8))
        async with connect(server, instructions="Answer in one short sentence.") as connection:
            talk = Talk(connection, microphone, lambda _, fact: facts.append(fact))
            async with asyncio.timeout(120):
                await talk.run()
        return facts, talk

    facts, talk = asyncio.run(main())
    assert BEST_OF_TIMES.word_error_rate(" ".join(fact.text for fact in facts if isinstance(fact, Heard))) <= 0.25
    answers = [turn for turn in talk.dialogue.turns if turn.asked_until_s is not None and turn.done]
    assert answers
    assert answers[-1].text
    spoken = set(words(transcribed(talk.tracks()[1])))
    said = set(words(" ".join(turn.text for turn in talk.dialogue.turns)))
    assert len(spoken & said) >= len(spoken) / 2 > 0, (spoken, said)
    for turn in answers:
        assert sum(turn.parts_ms.values()) == pytest.approx(turn.server_ms)


def transcribed(sound: Samples) -> str:
    """Return the words of the bot's sound, a stretch at a time."""
    from voicepipe.stt.moonshine import Moonshine

    recogniser, samples = Moonshine(), resampled(Audio(sound, RATE_HZ), 16_000).samples
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    assert len(loud), "the bot made no sound"
    return recogniser.transcribe(samples[loud[0] : loud[0] + 12 * 16_000])


def test_the_server_says_that_it_is_well(server: str) -> None:
    """All that a conversation needs is up; the page is there."""

    async def main() -> tuple[dict[str, bool], str]:
        async with aiohttp.ClientSession(server) as http:
            async with http.get("/v1/health") as answer:
                health = await answer.json()
            async with http.get("/") as answer:
                return health, await answer.text()

    health, page = asyncio.run(main())
    assert (health["ok"], health["stt_up"], health["tts_up"], health["llm_up"]) == (True, True, True, True)
    assert "voicepipe" in page


def test_talk_tells_the_conversation_and_saves_it(server: str, recordings: Path, tmp_path: Path) -> None:
    """`voicepipe talk` as a user runs it: lines for a person, a stereo file with the user left and the bot right."""
    import wave

    short = tmp_path / "short.wav"
    with wave.open(str(short), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes((clip(recordings, 0.0, 4.8) * 32767).astype("<i2").tobytes())
    saved = tmp_path / "out.wav"
    command = [sys.executable, "-m", "voicepipe", "talk", str(short), "--url", server, "--save", str(saved)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, env=os.environ | {"COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    assert {"best", "worst", "times"} & set(words(done.stdout)), done.stdout
    with wave.open(str(saved), "rb") as file:
        assert (file.getnchannels(), file.getframerate()) == (2, RATE_HZ)
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert np.abs(both[:, 0]).max() > 1000
    assert np.abs(both[:, 1]).max() > 1000


def sounds(track: Samples, gap_s: float = 0.4) -> list[tuple[float, float]]:
    """When a track is loud, measured from the file alone: by the peaks of 5 ms, silences up to `gap_s` included."""
    peaks = np.abs(track[: len(track) // 120 * 120].reshape(-1, 120)).max(axis=1)
    loud: list[tuple[float, float]] = []
    for at in np.flatnonzero(peaks > 0.006) * 0.005:
        since_s = loud.pop()[0] if loud and at - loud[-1][1] < gap_s else at
        loud.append((float(since_s), float(at) + 0.005))
    return loud


def test_talk_needs_no_file_of_the_users(server: str, tmp_path: Path) -> None:
    """`--sample` asks a question and is answered: the caption has most of its words, and the latency that is told is
    that of the saved file. A machine too busy for the bot's deadlines is told to be so.
    """
    import json
    import wave

    saved = tmp_path / "out.wav"
    command = [sys.executable, "-m", "voicepipe", "talk", "--sample", "--url", server, "--save", str(saved), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "ended"

    asked = words(SAMPLES[DEFAULT].says)
    heard = words(" ".join(event["text"] for event in events if event["event"] == "understood"))
    assert SequenceMatcher(None, asked, heard).ratio() > 0.7, heard

    with wave.open(str(saved), "rb") as file:
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).astype(np.float32) / 32768
    ((_, asked_until_s),) = sounds(both[:, 0])
    answers = [since_s for since_s, _ in sounds(both[:, 1]) if since_s > asked_until_s]
    audible = [event for event in events if event["event"] == "reply_audible" and not event["over_user"]]
    told = [event["latency_ms"] for event in audible if event["latency_ms"] is not None]
    if told:
        assert told[0] == pytest.approx((answers[0] - asked_until_s) * 1000, abs=60)
    else:
        assert [event for event in events if event["event"] == "problem"], done.stdout
