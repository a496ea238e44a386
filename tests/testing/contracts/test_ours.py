"""Our own stages keep the contracts: embedded ones by scripted models, those of services on the test servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kyutai import RECONNECTING, STT_OPTIONS, TONES, finder
from speech_services import stt_options, tts_options

from voicepipe.boundary.workers import Workers
from voicepipe.conversation import Conversation
from voicepipe.engine.http import Http
from voicepipe.events import Audio, Samples
from voicepipe.presets import UTTERANCES
from voicepipe.services import Backoff
from voicepipe.stt.kyutai.stage import kyutai as kyutai_stt
from voicepipe.stt.openai import OpenAiStt
from voicepipe.stt.utterances import by_utterance
from voicepipe.testing import Marbles, check_stt, check_tts, check_vad
from voicepipe.testing.servers import ByTone, Fails, FakeServer, SpeechServer, SttServer, TranscriptionServer, TtsServer
from voicepipe.tts.clauses import Timing, clause_by_clause
from voicepipe.tts.kyutai.stage import DiscoveryOptions, Options, Speaker, TtsOptions
from voicepipe.tts.kyutai.stage import kyutai as kyutai_tts
from voicepipe.tts.openai import OpenAiTts
from voicepipe.vad.frames import by_frame

TEXT = "one two three four"
SPEECH = Audio(TONES.say(TEXT).samples[: -round(TONES.gap_s * 24_000)], 24_000)
FAILING = [Fails.DOWN, Fails.FULL, Fails.FORBIDDEN, Fails.SILENT, Fails.MUTE, Fails.DIES, Fails.SLOW, Fails.GARBAGE]


@pytest.fixture
def workers() -> Iterator[Workers]:
    pool = Workers(1, "test")
    yield pool
    pool.close(timeout_s=5)


@contextmanager
def serving(marbles: Marbles, *servers: FakeServer) -> Iterator[Http]:
    """The servers, on the loop of the marbles, and the process's HTTP client."""
    http = Http(keep_alive_s=300, resolve_every_s=10)
    for server in servers:
        marbles.run(server.start())
    yield http

    async def close() -> None:
        await http.close()
        for server in servers:
            await server.stop()
        await asyncio.sleep(0.1)

    marbles.run(close())


def failing(
    marbles: Marbles, make: Callable[[], FakeServer], modes: Sequence[Fails] = FAILING
) -> tuple[dict[str, Any], list[FakeServer]]:
    """A server for each failure, by its name."""
    servers = {str(mode): make() for mode in modes}

    async def break_all() -> None:
        for name, server in servers.items():
            await server.start()
            await server.fail(Fails(name))

    marbles.run(break_all())
    return servers, list(servers.values())


# ---- voices ----------------------------------------------------------------------------------------------------------


def hum(text: str) -> tuple[Audio, list[Timing]]:
    """A synthesiser that takes no time: a quarter of a second for each word."""
    words = text.split()
    samples = np.sin(np.arange(len(words) * 6_000) * 0.05).astype(np.float32) * np.float32(0.3)
    return Audio(samples, 24_000), [(word, at * 0.25, at * 0.25 + 0.25) for at, word in enumerate(words)]


def test_clause_by_clause(marbles: Marbles, workers: Workers) -> None:
    check_tts(clause_by_clause(hum, workers, first_words=3, min_words=3, max_words=12, capacity=16), marbles=marbles)


def test_the_scripted_voice_of_marbles(marbles: Marbles) -> None:
    check_tts(marbles.tts(), marbles=marbles)


def speaker(server: TtsServer) -> Speaker:
    return Speaker(
        finder(server),
        voice="voice.wav",
        options=Options(),
        api_key=None,
        discovery=DiscoveryOptions(searches=2, pauses=Backoff(0.05, 1.5, 1.0)),
        ahead_s=10,
    )


def test_kyutais_voice(marbles: Marbles) -> None:
    speaking = TtsOptions(capacity=200, silent_s=1.5, retries=1)
    broken, servers = failing(marbles, lambda: TtsServer(pace=20))
    with serving(marbles, server := TtsServer(pace=20)):
        stages = {name: kyutai_tts(speaker(one), voice="", options=speaking) for name, one in broken.items()}
        check_tts(kyutai_tts(speaker(server), voice="", options=speaking), marbles=marbles, broken=stages)
        stop(marbles, servers)


def test_a_voice_by_http(marbles: Marbles) -> None:
    broken, servers = failing(marbles, lambda: SpeechServer(pace=20))
    with serving(marbles, server := SpeechServer(pace=20)) as http:
        make = lambda one: OpenAiTts(tts_options(one.url, model="fake-tts", capacity=64), http.session)(Conversation())
        check_tts(make(server), marbles=marbles, broken={name: make(one) for name, one in broken.items()})
        stop(marbles, servers)


def stop(marbles: Marbles, servers: Sequence[FakeServer]) -> None:
    async def stop_all() -> None:
        for server in servers:
            await server.stop()

    marbles.run(stop_all())


# ---- recognisers -----------------------------------------------------------------------------------------------------


def read_tones(samples: Samples, draft: Sequence[str], cancelled: Callable[[], bool]) -> tuple[str, Sequence[str]]:
    """A recogniser that takes no time, at 16 kHz."""
    listening, words = ByTone(TONES).listen(), list[str]()
    sound = np.interp(np.arange(len(samples) * 3 // 2) / 1.5, np.arange(len(samples)), samples).astype(np.float32)
    for number, start in enumerate(range(0, len(sound) - 1_920, 1_920)):
        words += [said.text for said in listening(sound[start : start + 1_920], number * 0.08)[1] if said.text]
    return " ".join(words), words


def test_by_utterance(marbles: Marbles, workers: Workers) -> None:
    check_stt(by_utterance(read_tones, workers, UTTERANCES), SPEECH, TEXT, marbles=marbles)


def test_kyutais_recogniser(marbles: Marbles) -> None:
    make = lambda one: kyutai_stt(finder(one), api_key="public_token", options=STT_OPTIONS, reconnect=RECONNECTING)
    broken, servers = failing(marbles, lambda: SttServer(ByTone(TONES)))
    with serving(marbles, server := SttServer(ByTone(TONES))):
        stages = {name: make(one) for name, one in broken.items()}
        check_stt(make(server), SPEECH, TEXT, notices_pauses=True, marbles=marbles, broken=stages)
        stop(marbles, servers)


@pytest.mark.parametrize(("guesses", "streams"), [(False, True), (True, False)])
def test_a_recogniser_by_http(marbles: Marbles, guesses: bool, streams: bool) -> None:
    broken, servers = failing(marbles, lambda: TranscriptionServer(ByTone(TONES), streams=streams, dies_after=0))
    with serving(marbles, server := TranscriptionServer(ByTone(TONES), streams=streams)) as http:
        make = lambda one: OpenAiStt(stt_options(one.url, model="fake-stt", guesses=guesses), http.session).stage()
        stages = {name: make(one) for name, one in broken.items()}
        check_stt(make(server), SPEECH, TEXT, marbles=marbles, broken=stages)
        stop(marbles, servers)


# ---- VADs ------------------------------------------------------------------------------------------------------------


def test_by_frame() -> None:
    loud = lambda: lambda frame: float(np.abs(frame).max() > 0.1)
    speech = Audio(np.tile(SPEECH.samples, 2), 24_000)
    check_vad(by_frame(loud, frame=512, rate_hz=16_000), speech)


# ---- the embedded models ---------------------------------------------------------------------------------------------


@pytest.fixture
def person(recordings: Path) -> Audio:
    """A person's speech: "It was the best of times, it was the worst of times.\""""
    from voicepipe.client.recording import read_recording

    return Audio(read_recording(recordings / "two_cities.wav")[2_400 : 3 * 24_000], 24_000)


@pytest.mark.models
def test_silero(person: Audio) -> None:
    from voicepipe.vad import silero

    check_vad(by_frame(silero.Silero().stream, frame=silero.FRAME, rate_hz=silero.RATE_HZ), person)


@pytest.mark.models
def test_hibari(marbles: Marbles, workers: Workers) -> None:
    from voicepipe.engine.local import LocalTts
    from voicepipe.tts.hibari import Hibari

    check_tts(LocalTts(Hibari(), workers).open().stage(Conversation()), marbles=marbles)


@pytest.mark.models
def test_moonshine(marbles: Marbles, workers: Workers, person: Audio) -> None:
    """It hears what it hears of the whole clip, at any rate and in any pieces."""
    from voicepipe.audio import resampled
    from voicepipe.engine.local import LocalStt
    from voicepipe.stt.moonshine import Moonshine

    model = Moonshine()
    padded = np.pad(resampled(person, 16_000).samples, (3_200, 3_200))
    stage = LocalStt(None, None, model, workers).open().stage.stt
    check_stt(stage, person, model.transcribe(padded), marbles=marbles)
