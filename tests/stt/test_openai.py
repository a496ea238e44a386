"""A recogniser behind an OpenAI-compatible API: real HTTP in virtual time, and all the ways in which it fails."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from kyutai import TONES, Running, running
from speech_services import Observed, http, stt_options

from voicepipe.boundary.pending import PendingWork
from voicepipe.events import (
    Audio,
    FlushRequested,
    Overflowed,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    Warned,
    WordRecognised,
)
from voicepipe.presets import UTTERANCES
from voicepipe.services import FailureReason
from voicepipe.stt.openai import OpenAiStt
from voicepipe.stt.transcript import NotATranscript, TranscriptStream, whole_text
from voicepipe.testing import VirtualLoop
from voicepipe.testing.servers import ByTone, Fails, TranscriptionServer
from voicepipe.testing.servers.tones import joined, silence

TEXT = "one two three four"
BEFORE_S, PAUSE_S, FRAME_S = 0.4, 0.16, 0.02


async def speak(heard: Running, text: str = TEXT, *, from_s: float = 0.0, flush: bool = True) -> float:
    """The user says this; the VAD's edges come when it would notice them. Returns where the sound is now."""
    start_s = from_s + BEFORE_S
    stop_s = start_s + TONES.length_s(text) - TONES.gap_s
    sound = joined([silence(BEFORE_S), TONES.say(text), silence(0.4)])
    events: list[tuple[float, Any]] = [
        (start_s + 0.064, SpeechStarted(start_s, start_s + 0.064)),
        (stop_s + PAUSE_S, SpeechStopped(stop_s, stop_s + PAUSE_S, stop_s - start_s)),
        *([(stop_s + PAUSE_S, FlushRequested(stop_s))] if flush else []),
    ]
    size = round(FRAME_S * sound.rate_hz)
    for number, start in enumerate(range(0, len(sound.samples), size), 1):
        await asyncio.sleep(FRAME_S)
        heard.source.on_next(Audio(sound.samples[start : start + size], sound.rate_hz))
        while events and events[0][0] <= from_s + number * FRAME_S:
            heard.source.on_next(events.pop(0)[1])
    return from_s + len(sound.samples) / sound.rate_hz


async def hear(
    server: TranscriptionServer,
    *texts: str,
    observer: Observed | None = None,
    backlog: PendingWork | None = None,
    after_s: float = 12.0,
    **options: Any,
) -> Running:
    """Return the words of the texts, said one after the other."""
    async with http() as client:
        stt = OpenAiStt(stt_options(server.url, **options), client.session, observer or Observed())
        async with running(stt.stage(backlog=backlog)) as heard:
            at_s = 0.0
            for text in texts or (TEXT,):
                at_s = await speak(heard, text, from_s=at_s)
            heard.source.on_completed()
            async with asyncio.timeout(after_s):
                await heard.ended.wait()
        return heard


def words(heard: Running) -> str:
    return " ".join(event.text for event in heard.events(WordRecognised))


# ---- what is heard ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [True, False])
def test_an_utterance_is_recognised_at_its_pause(virtual_loop: VirtualLoop, streams: bool) -> None:
    """With one request, of the speech and its margins; all words come before the `Transcribed` with their text."""

    async def main() -> tuple[Running, list[Any], Observed, PendingWork]:
        observer, backlog = Observed(), PendingWork()
        async with TranscriptionServer(ByTone(TONES), streams=streams) as server:
            heard = await hear(server, observer=observer, backlog=backlog, language="en", extra={"prompt": "numbers"})
            return heard, server.requests, observer, backlog

    heard, requests, observer, backlog = virtual_loop.run(main())
    assert heard.completed
    assert words(heard) == TEXT
    (done,) = heard.events(Transcribed)
    length_s = TONES.length_s(TEXT) - TONES.gap_s
    assert (done.until_s, done.text) == (pytest.approx(BEFORE_S + length_s), TEXT)
    seconds = requests[0].pop("seconds")
    assert seconds == pytest.approx(length_s + 0.2 + PAUSE_S, abs=0.03)
    assert requests == [
        {
            "model": "fake-stt",
            "response_format": "json",
            "stream": "true",
            "language": "en",
            "prompt": "numbers",
        }
    ]
    starts = [event.start_s for event in heard.events(WordRecognised)]
    assert starts == sorted(starts)
    assert backlog.is_clear
    assert (observer.received_count, observer.opened, observer.closed) == (4, 1, 1)
    assert observer.sent_count == round(seconds / 0.08)
    assert observer.first_s == [pytest.approx(0.12 if streams else 0.1, abs=0.03)]


def test_words_come_with_the_deltas(virtual_loop: VirtualLoop) -> None:
    """Before the text is complete, and no word before its last letter."""

    async def main() -> Running:
        async with TranscriptionServer(ByTone(TONES), word_s=0.2) as server:
            return await hear(server)

    heard = virtual_loop.run(main())
    times = heard.times(WordRecognised)
    assert times[1] - times[0] == pytest.approx(0.2, abs=0.01)
    assert heard.times(Transcribed)[0] >= times[-1]


def test_speech_that_goes_on_continues_its_clip(virtual_loop: VirtualLoop) -> None:
    """A pause that is no end costs a second request, of the whole; no word comes twice."""

    async def main() -> tuple[Running, list[float]]:
        async with TranscriptionServer(ByTone(TONES)) as server, http() as client:
            stt = OpenAiStt(stt_options(server.url), client.session)
            async with running(stt) as heard:
                at_s = await speak(heard, "one two", flush=False)
                await speak(heard, "three four", from_s=at_s)
                heard.source.on_completed()
                await heard.ended.wait()
            return heard, [request["seconds"] for request in server.requests]

    heard, seconds = virtual_loop.run(main())
    assert words(heard) == TEXT
    assert [event.text for event in heard.events(Transcribed)] == [TEXT]
    assert len(seconds) == 2
    assert seconds[1] > 2 * seconds[0]


def test_guesses_are_requested_where_they_are_wanted(virtual_loop: VirtualLoop) -> None:
    """Then words come while the user speaks."""

    async def main(*, guesses: bool) -> tuple[Running, int]:
        async with TranscriptionServer(ByTone(TONES)) as server:
            heard = await hear(server, "one two three four five six seven eight", guesses=guesses)
            return heard, len(server.requests)

    heard, requests = virtual_loop.run(main(guesses=True))
    whole, one = virtual_loop.run(main(guesses=False))
    assert words(heard) == words(whole) == "one two three four five six seven eight"
    assert one == 1
    assert requests > 3
    assert heard.times(WordRecognised)[0] < whole.times(WordRecognised)[0] - 1


def test_noise_has_no_words(virtual_loop: VirtualLoop) -> None:
    """And is not sent: a clip with too little voice."""

    async def main() -> tuple[Running, list[Any]]:
        async with TranscriptionServer(ByTone(TONES)) as server, http() as client:
            async with running(OpenAiStt(stt_options(server.url), client.session)) as heard:
                heard.source.on_next(silence(0.5))
                heard.source.on_next(SpeechStarted(0.2, 0.3))
                heard.source.on_next(SpeechStopped(0.3, 0.46, 0.03))
                heard.source.on_next(FlushRequested(0.3))
                heard.source.on_completed()
                await heard.ended.wait()
            return heard, server.requests

    heard, requests = virtual_loop.run(main())
    assert heard.events(Transcribed) == [Transcribed(0.3, "")]
    assert requests == []


def test_too_many_clips_drop_the_oldest(virtual_loop: VirtualLoop) -> None:
    """And say how much was lost."""

    async def main() -> Running:
        async with TranscriptionServer(ByTone(TONES), answer_s=2.5) as server:
            options = replace(UTTERANCES, waiting_clips=2)
            return await hear(server, "one", "two", "three", "four", "five", utterances=options, after_s=30)

    heard = virtual_loop.run(main())
    lost = heard.events(Overflowed)
    assert lost
    assert lost[0].boundary == "STT"


# ---- interruption and failures ---------------------------------------------------------------------------------------


def test_disposing_drops_the_request(virtual_loop: VirtualLoop) -> None:
    async def main() -> tuple[list[Any], list[Any]]:
        async with TranscriptionServer(ByTone(TONES), answer_s=2) as server, http() as client:
            async with running(OpenAiStt(stt_options(server.url, model="fake-stt"), client.session)) as heard:
                await speak(heard)
            await asyncio.sleep(0.1)
            return server.visits[0].notes[-1:], server.open

    assert virtual_loop.run(main()) == (["cancelled"], [])


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("mode", [mode for mode in Fails if mode is not Fails.ENDLESS])
def test_whatever_the_service_does_the_user_is_told_and_the_next_turn_is_heard(
    virtual_loop: VirtualLoop, mode: Fails, streams: bool
) -> None:
    """In time; every flush is answered, and nothing of the failure is left."""

    async def main() -> tuple[Running, Observed]:
        observer = Observed()
        async with TranscriptionServer(ByTone(TONES), streams=streams, dies_after=0) as server:
            async with http() as client:
                stt = OpenAiStt(stt_options(server.url, model="fake-stt"), client.session, observer)
                async with running(stt) as heard:
                    await server.fail(mode)
                    at_s = await speak(heard)
                    await heard.until(Transcribed, for_s=4)
                    await server.fail(None)
                    await speak(heard, "five six", from_s=at_s)
                    heard.source.on_completed()
                    await heard.ended.wait()
            return heard, observer

    heard, observer = virtual_loop.run(main())
    if mode is Fails.EARLY and not streams:  # a whole answer has no other end
        assert [event.text for event in heard.events(Transcribed)][1] == "five six"
        return
    assert [event.text for event in heard.events(Transcribed)] == ["", "five six"]
    (told,) = heard.events(Warned)
    assert told.service_lost
    assert told.message.startswith("The speech recognition (STT) ")
    assert told.message.endswith(". Please say that again.")
    assert observer.missed_for or observer.failures
    assert observer.opened == observer.closed


@pytest.mark.parametrize("mode", [Fails.FULL, Fails.LIMITED, Fails.BROKEN, Fails.DIES, Fails.EARLY])
def test_a_clip_is_requested_again(virtual_loop: VirtualLoop, mode: Fails) -> None:
    """Also when the answer breaks off in the middle: no word is lost, and none comes twice."""

    async def main() -> tuple[Running, Observed]:
        observer = Observed()
        async with TranscriptionServer(ByTone(TONES), dies_after=2) as server:
            await server.fail(mode, times=1)
            return await hear(server, observer=observer, model="fake-stt"), observer

    heard, observer = virtual_loop.run(main())
    assert words(heard) == TEXT
    assert [event.text for event in heard.events(Transcribed)] == [TEXT]
    assert not heard.events(Warned)
    assert observer.missed_for == ([] if mode in (Fails.DIES, Fails.EARLY) else observer.missed_for)
    assert all(isinstance(why, FailureReason) for why in observer.missed_for)


def test_an_outage_is_told_once(virtual_loop: VirtualLoop) -> None:
    """And again when the service had been back."""

    async def main() -> list[Warned]:
        async with TranscriptionServer(ByTone(TONES)) as server:
            await server.fail(Fails.FORBIDDEN, times=2)
            return (await hear(server, "one", "two", "three", model="fake-stt")).events(Warned)

    assert virtual_loop.run(main()) == [
        Warned("The speech recognition (STT) does not accept our key. Please say that again.", service_lost=True)
    ]


# ---- forms of answers ------------------------------------------------------------------------------------------------

OPENAI = (
    b'data: {"type": "transcript.text.delta", "delta": "Hi "}\n\n'
    b'data: {"type": "transcript.text.delta", "delta": "you"}\n\n'
    b'data: {"type": "transcript.text.done", "text": "Hi you."}\n\n'
)
VLLM = (
    b'data: {"object": "transcription.chunk", "choices": [{"delta": {"content": "Hi "}}]}\n\n'
    b'data: {"choices": [{"delta": {"content": "you."}}]}\n\ndata: [DONE]\n\n'
)
SEGMENTS = b'data: {"text": "Hi"}\n\ndata: {"text": " you."}\n\n'


@pytest.mark.parametrize("stream", [OPENAI, VLLM, SEGMENTS])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_streams_of_servers(stream: bytes, size: int) -> None:
    """Cut anywhere."""
    parser, texts = TranscriptStream(), list[str]()
    for start in range(0, len(stream), size):
        texts += parser.feed(stream[start : start + size])
    parser.finish()
    assert (parser.text, parser.complete) == ("Hi you.", True)
    assert texts[0].strip() == "Hi"


def test_a_stream_of_deltas_without_its_end_is_not_complete() -> None:
    parser = TranscriptStream()
    list(parser.feed(OPENAI[:60]))
    parser.finish()
    assert not parser.complete


@pytest.mark.parametrize("bad", [b"data: {oops\n\n", b"data: []\n\n", b'data: {"error": {"message": "no"}}\n\n'])
def test_what_is_no_transcript(bad: bytes) -> None:
    with pytest.raises(NotATranscript):
        list(TranscriptStream().feed(bad))


def test_a_text_without_an_end_is_no_transcript() -> None:
    """A model that repeats itself, in deltas or in segments; and one of a megabyte, whole."""
    for event in (b'data: {"type": "transcript.text.delta", "delta": "%s"}\n\n', b'data: {"text": "%s"}\n\n'):
        with pytest.raises(NotATranscript, match="more than 20000 characters"):
            list(TranscriptStream().feed(event % (b" you" * 200) * 100))
    with pytest.raises(NotATranscript, match="more than 20000 characters"):
        whole_text(b"you " * 200_000, "text/plain")


@pytest.mark.parametrize(
    "bad", [b"<html>", b'{"error": 1}', b"{", b"[]", b'{"text": null}', b'{"text": ["Hi"]}', b'{"text": 1}']
)
def test_what_is_no_text(bad: bytes) -> None:
    with pytest.raises(NotATranscript):
        whole_text(bad, "application/json")
