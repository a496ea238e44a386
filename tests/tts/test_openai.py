"""A voice behind an OpenAI-compatible API: real HTTP in virtual time, barge-in, and all the ways in which it fails."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from kyutai import Running, running
from speech_services import Observed, http, tts_options

from voicepipe.boundary.overflow import BoundaryFull
from voicepipe.conversation import Conversation
from voicepipe.events import (
    Audio,
    ReplyAudio,
    ReplyText,
    SynthesisEnded,
    SynthesisStarted,
    TextNotSpoken,
    Warned,
    WordSpoken,
)
from voicepipe.services import FailureReason, ServiceError
from voicepipe.services.openai.errors import ApiError, ApiGarbled, ApiRefused, ApiTimeout, ApiUnavailable
from voicepipe.stage import StageError
from voicepipe.testing import VirtualLoop
from voicepipe.testing.servers import Fails, SpeechServer
from voicepipe.testing.servers.base import Visit
from voicepipe.text.reading import ENGLISH, Reader, said_text
from voicepipe.text.words import Word
from voicepipe.tts.clauses import ReadClause
from voicepipe.tts.openai import OpenAiTts
from voicepipe.tts.streamed import StreamedReply

TEXT = "How are you today, my friend? The sun is out, and there is coffee."


async def say(
    text: str,
    server: SpeechServer,
    *,
    observer: Observed | None = None,
    voice: str = "",
    until_s: float | None = None,
    **options: Any,
) -> Running:
    """A reply to its end, or until it is interrupted."""
    async with http() as client:
        tts = OpenAiTts(tts_options(server.url, **options), client.session, observer or Observed())
        async with running(tts(Conversation(voice=voice))) as heard:
            for number, word in enumerate(text.split()):
                heard.source.on_next(ReplyText(f" {word}" if number else word))
            heard.source.on_completed()
            async with asyncio.timeout(60):
                await (asyncio.sleep(until_s) if until_s is not None else heard.ended.wait())
        return heard


def spoken(heard: Running) -> str:
    return " ".join(event.word for event in heard.events(WordSpoken))


def sound(heard: Running) -> np.ndarray[Any, Any]:
    return np.concatenate([event.audio.samples for event in heard.events(ReplyAudio)])


def cause(heard: Running) -> Exception:
    assert isinstance(heard.error, StageError)
    assert heard.error.stage == "TTS"
    return heard.error.cause


# ---- what is said ----------------------------------------------------------------------------------------------------


def test_a_reply_is_said_clause_by_clause(virtual_loop: VirtualLoop) -> None:
    """All sound in order, each word before its sound, and the next clause requested while the last one comes."""

    async def main() -> tuple[Running, list[dict[str, Any]], list[tuple[float, float | None]]]:
        async with SpeechServer(first_audio_s=0.2, pace=4) as server:
            heard = await say(TEXT, server, model="fake-tts", extra={"speed": 1.1})
            return heard, server.requests, [(visit.began_s, visit.ended_s) for visit in server.visits]

    heard, requests, times = virtual_loop.run(main())
    assert heard.completed
    assert spoken(heard) == TEXT
    assert "".join(event.delta for event in heard.events(ReplyText)) == TEXT
    clauses = [event.text for event in heard.events(SynthesisStarted)]
    assert " ".join(clauses) == TEXT
    assert [request["input"] for request in requests] == clauses
    assert requests[0] == {
        "model": "fake-tts",
        "input": clauses[0],
        "voice": "alloy",
        "response_format": "pcm",
        "speed": 1.1,
    }
    assert sum(event.duration_s for event in heard.events(SynthesisEnded)) == pytest.approx(14 * 0.32)
    assert len(sound(heard)) == round(14 * 0.32 * 24_000)
    assert heard.times(ReplyAudio)[0] == pytest.approx(0.2, abs=0.05)
    assert times[1][0] < (times[0][1] or 0)
    made_s, starts = 0.0, [word.start_s for word in heard.events(WordSpoken)]
    for event in (one.event for one in heard.told):
        if isinstance(event, ReplyAudio):
            made_s += event.audio.duration_s
        elif isinstance(event, WordSpoken):
            assert event.start_s >= made_s - 1e-6, "a word comes before its sound"
    assert starts == sorted(starts)
    assert all(round(len(event.audio.samples) / 1920, 6).is_integer() for event in heard.events(ReplyAudio))


def test_a_connection_is_used_again(virtual_loop: VirtualLoop) -> None:
    """The second reply waits for no handshake; nothing stays open that is not in the pool."""

    async def main() -> set[Any]:
        async with SpeechServer() as server, http() as client:
            tts, ports = OpenAiTts(tts_options(server.url, model="fake-tts"), client.session), set[Any]()
            for _ in range(3):
                async with running(tts(Conversation())) as heard:
                    heard.source.on_next(ReplyText("Hello."))
                    heard.source.on_completed()
                    await heard.ended.wait()
                connector = client.session().connector
                assert connector is not None
                ports |= {key for key, waiting in connector._conns.items() for _ in waiting}  # type: ignore[attr-defined]
                assert not connector._acquired  # type: ignore[attr-defined]
            return ports

    assert len(virtual_loop.run(main())) == 1


def test_a_text_without_sound_is_shown_and_not_requested(virtual_loop: VirtualLoop) -> None:
    async def main() -> tuple[Running, list[Any]]:
        async with SpeechServer() as server:
            return await say("Fine. 🙂", server), server.requests

    heard, requests = virtual_loop.run(main())
    assert spoken(heard) == "Fine. 🙂"
    assert [request["input"] for request in requests] == ["Fine."]
    assert not heard.events(TextNotSpoken)


def test_the_rate_is_what_the_answer_says() -> None:
    """Word times count in seconds of the sound, at any rate, and the rest of a clause's words share the rest of it."""
    units = Reader(ENGLISH).read([Word("one"), Word("two")])
    reply, events = StreamedReply(24_000), list[Any]()
    for _ in range(2):
        reply.begin(ReadClause("one two", units, said_text(units)))
        for _ in range(10):
            events += reply.sound(Audio(np.zeros(800, np.float32), 8_000))
        events += reply.end()
    assert [event.duration_s for event in events if isinstance(event, SynthesisEnded)] == pytest.approx([1, 1])
    starts = [round(event.start_s, 2) for event in events if isinstance(event, WordSpoken)]
    assert starts == [0.0, pytest.approx(0.29, abs=0.01), 1.0, 1.5], "the second clause is as slow as the first was"


# ---- voices ----------------------------------------------------------------------------------------------------------


def test_the_voice_is_that_of_the_conversation(virtual_loop: VirtualLoop) -> None:
    async def main() -> list[str]:
        async with SpeechServer() as server:
            await say("Hello.", server, voice="nova")
            return [request["voice"] for request in server.requests]

    assert virtual_loop.run(main()) == ["nova"]


def test_a_voice_that_the_service_does_not_know_is_replaced_and_told(virtual_loop: VirtualLoop) -> None:
    """Once; later clauses ask for the other one at once."""

    async def main() -> tuple[Running, list[str]]:
        async with SpeechServer(voices=["alloy"]) as server:
            heard = await say(TEXT, server, voice="marin", ahead=1)
            return heard, [request["voice"] for request in server.requests]

    heard, voices = virtual_loop.run(main())
    assert heard.completed
    assert spoken(heard) == TEXT
    assert heard.events(Warned) == [Warned("There is no voice “marin”: another one speaks.")]
    assert voices[:2] == ["marin", "alloy"]
    assert set(voices[2:]) == {"alloy"}


# ---- barge-in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("until_s", [0.1, 0.3, 0.4])
def test_an_interruption_drops_all_requests(virtual_loop: VirtualLoop, until_s: float) -> None:
    """The one whose sound is coming, and the one that was requested ahead."""

    async def main() -> tuple[list[Any], list[Any], Observed]:
        observer = Observed()
        async with SpeechServer() as server:
            await say(TEXT, server, until_s=until_s, observer=observer)
            await asyncio.sleep(0.1)
            return [visit.notes[-1] for visit in server.visits if visit.path.endswith("speech")], server.open, observer

    notes, still_open, observer = virtual_loop.run(main())
    assert notes == ["cancelled", "cancelled"]
    assert still_open == []
    assert observer.interruptions == 1
    assert observer.opened == observer.closed


# ---- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "kind", "says", "why"),
    [
        (Fails.DOWN, ApiUnavailable, "cannot be reached: Connection refused", FailureReason.REFUSED),
        (Fails.FULL, ApiUnavailable, "has too much to do", FailureReason.FULL),
        (Fails.FORBIDDEN, ApiRefused, "does not accept our key: set tts_api_key (401", FailureReason.FORBIDDEN),
        (Fails.MISSING, ApiRefused, "is not set up", FailureReason.BROKEN),
        (Fails.LIMITED, ApiUnavailable, "has too much to do", FailureReason.FULL),
        (Fails.BROKEN, ApiUnavailable, "is out of order: 500", FailureReason.BROKEN),
        (Fails.SILENT, ApiTimeout, "did not answer in time: nothing within 3 s", FailureReason.TIMED_OUT),
        (Fails.SLOW, ApiTimeout, "did not answer in time", FailureReason.TIMED_OUT),
        (Fails.MUTE, ApiTimeout, "fell silent in the middle of its answer: for 1 s", FailureReason.TIMED_OUT),
        (Fails.DIES, ApiUnavailable, "broke the connection", FailureReason.BROKEN),
        (Fails.GARBAGE, ApiGarbled, "sent an invalid message: application/json instead of PCM", FailureReason.NONSENSE),
    ],
)
def test_each_failure_ends_the_turn_in_time_and_says_what_to_do(
    virtual_loop: VirtualLoop, mode: Fails, kind: type[ApiError], says: str, why: FailureReason
) -> None:
    """Within the deadline for the first sound, and that from each to the next."""

    async def main() -> tuple[Running, Observed, float]:
        observer = Observed()
        async with SpeechServer() as server:
            await server.fail(mode)
            heard = await say(TEXT, server, model="fake-tts", observer=observer)
            return heard, observer, virtual_loop.time()

    heard, observer, took_s = virtual_loop.run(main())
    error = cause(heard)
    assert isinstance(error, kind)
    assert says in str(error)
    assert error.why is why
    assert str(error).startswith("The speech synthesis (TTS) at http://127.0.0.1:")
    assert error.user_message == f"The speech synthesis (TTS) {error.outcome}."
    assert took_s < 5
    assert observer.missed_for or observer.failures


class Lying(SpeechServer):
    """Says that its sound has another rate, and does not end."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    async def _stream(self, request: web.Request, visit: Visit, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": self.kind})
        await response.prepare(request)
        while True:
            await response.write(bytes(48_000))
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("audio/pcm;rate=1", "PCM with rate=1: it should be 8000 to 192000 Hz"),
        ("audio/pcm;rate=999999999999", "PCM with rate=999999999999"),
        (f"audio/pcm;rate={'9' * 5_000}", "PCM with rate=99999999999999999999:"),
        ("audio/pcm;rate=16k", "more than 38 s of sound for one clause"),
        ("audio/pcm;rate=192000", "more than 38 s of sound for one clause"),
    ],
)
def test_sound_of_no_possible_rate_or_without_an_end_ends_the_turn(
    virtual_loop: VirtualLoop, kind: str, says: str
) -> None:
    """It would fill the memory: nothing in it is late."""

    async def main() -> Running:
        async with Lying(kind) as server:
            return await say("Nice day", server, model="fake-tts")

    heard = virtual_loop.run(main())
    error = cause(heard)
    assert isinstance(error, ApiGarbled)
    assert says in str(error)


@pytest.mark.parametrize("mode", [Fails.DOWN, Fails.FULL, Fails.LIMITED, Fails.BROKEN])
def test_a_clause_without_sound_yet_is_requested_again(virtual_loop: VirtualLoop, mode: Fails) -> None:
    """Nobody notices, but the metrics."""

    async def main() -> tuple[Running, Observed]:
        observer = Observed()
        async with SpeechServer() as server:
            await (server.fail(mode, for_s=0.0) if mode is Fails.DOWN else server.fail(mode, times=1))
            return await say(TEXT, server, model="fake-tts", observer=observer), observer

    heard, observer = virtual_loop.run(main())
    assert heard.completed
    assert spoken(heard) == TEXT
    assert observer.made_s == pytest.approx(14 * 0.32)
    assert observer.received_count == 14 * 4
    assert observer.sent_count == 14


def test_what_was_said_before_a_failure_stays(virtual_loop: VirtualLoop) -> None:
    """The first clause comes whole; the second one's failure ends the turn behind it."""

    async def main() -> Running:
        async with SpeechServer() as server:
            heard_all = asyncio.create_task(say(TEXT, server, model="fake-tts", ahead=1))
            await asyncio.sleep(0.8)  # in the middle of the second clause
            server.fail_open(Fails.DIES)
            return await heard_all

    heard = virtual_loop.run(main())
    assert isinstance(cause(heard), ServiceError)
    first = heard.events(SynthesisStarted)[0].text
    assert spoken(heard).startswith(first)


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"RIFF\x00\x00WAVE", "audio/wav", "WAV instead of PCM: the service ignores response_format"),
        (b"ID3\x03\x00", "audio/mpeg", "MP3 instead of PCM"),
        (b"<html>", "text/html", "text/html instead of PCM"),
    ],
)
def test_another_format_than_pcm_is_told(virtual_loop: VirtualLoop, body: bytes, kind: str, says: str) -> None:
    """It would be a loud noise."""
    from aiohttp import web

    class Other(SpeechServer):
        async def _speak(self, request: web.Request) -> web.StreamResponse:
            return web.Response(body=body, content_type=kind)

    async def main() -> Running:
        async with Other() as server:
            return await say("Hello.", server)

    error = cause(virtual_loop.run(main()))
    assert isinstance(error, ApiGarbled)
    assert says in str(error)


def test_a_service_with_several_models_asks_for_a_choice(virtual_loop: VirtualLoop) -> None:
    async def main() -> Running:
        async with SpeechServer(models=["tts-1", "tts-1-hd"]) as server:
            return await say("Hello.", server)

    assert "set tts_model to one of its models: tts-1, tts-1-hd" in str(cause(virtual_loop.run(main())))


def test_too_many_clauses_fail_the_turn(virtual_loop: VirtualLoop) -> None:
    """Text is never dropped."""

    async def main() -> Running:
        async with SpeechServer(first_audio_s=2) as server:
            return await say(" ".join(["One two three."] * 20), server, capacity=4)

    assert isinstance(cause(virtual_loop.run(main())), BoundaryFull)


def test_a_long_reply_is_said_whole(virtual_loop: VirtualLoop) -> None:
    """With as many requests at once as the options say, and no more."""

    async def main() -> tuple[Running, int]:
        most = 0

        async def watch(server: SpeechServer) -> None:
            nonlocal most
            while True:
                most = max(most, len(server.open))
                await asyncio.sleep(0.01)

        async with SpeechServer() as server:
            watching = asyncio.create_task(watch(server))
            heard = await say(" ".join(["One two three."] * 20), server, capacity=40, ahead=3, model="fake-tts")
            watching.cancel()
            return heard, most

    heard, most = virtual_loop.run(main())
    assert heard.completed
    assert spoken(heard) == " ".join(["One two three."] * 20)
    assert most == 3
