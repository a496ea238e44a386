"""The recogniser as a stage: real sockets, a real protocol, virtual time, and all the ways in which it fails."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from kyutai import RECONNECTING, STT, STT_OPTIONS, TONES, Running, finder, play, running, said
from reactivex import operators as rx_ops

from voicepipe.events import (
    Audio,
    Event,
    Overflowed,
    Pause,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TurnConfirmed,
    TurnEnded,
    TurnStarted,
    Warned,
    WordRecognised,
)
from voicepipe.operators import detect_turns, listen
from voicepipe.services import Address, Backoff, FailureReason, Instance, ServiceUnavailable
from voicepipe.stage import Stage
from voicepipe.stt.kyutai.stage import ReconnectPolicy, SttOptions, kyutai
from voicepipe.testing import VirtualLoop
from voicepipe.testing.servers import ByTone, Fails, SttServer
from voicepipe.testing.servers.tones import silence


def recogniser(
    *servers: SttServer,
    stt_options: SttOptions = STT_OPTIONS,
    reconnecting: ReconnectPolicy = RECONNECTING,
    api_key: str = "public_token",
    **options: Any,
) -> Stage[Event, Event]:
    """As the default pipeline has it: the recogniser's own pauses flush it."""
    found = finder(*servers, **options)
    return listen(kyutai(found, api_key=api_key, options=stt_options, reconnect=reconnecting), None, flush_at=0.6)


def words(heard: Running) -> str:
    return heard.texts(WordRecognised)


@asynccontextmanager
async def hearing_server(**options: Any) -> AsyncIterator[tuple[SttServer, Running]]:
    """A recogniser that hears tones, and the recogniser that listens through it, at work."""
    stage_options = {name: options.pop(name) for name in ("stt_options", "reconnecting") if name in options}
    async with SttServer(ByTone(TONES), **options) as server, running(recogniser(server, **stage_options)) as heard:
        yield server, heard


# ---- what is heard ---------------------------------------------------------------------------------------------------


def test_words_pauses_and_the_end_of_a_turn(virtual_loop: VirtualLoop) -> None:
    """Each word the model's delay after its beginning; the last within 150 ms of the pause, as it is flushed."""

    async def main() -> Running:
        async with hearing_server() as (_, heard):
            await play(heard.source, said("one two three"), said("four five"))
            return heard

    heard = virtual_loop.run(main())
    assert words(heard) == "one two three four five"
    # Said at 1.2, 1.52 and 1.84 s; a word is known 80 ms after its beginning, and the frame is 80 ms long.
    assert heard.times(WordRecognised)[:2] == pytest.approx([1.2 + 0.5 + 0.16, 1.52 + 0.5 + 0.16], abs=0.09)
    assert [word.start_s for word in heard.events(WordRecognised)] == pytest.approx(
        [1.2, 1.52, 1.84, 4.36, 4.68], abs=0.021
    )
    stopped, transcribed = heard.times(SpeechStopped), heard.times(Transcribed)
    assert len(stopped) == len(transcribed) == 2
    assert all(0 < after - before <= 0.15 for before, after in zip(stopped, transcribed, strict=True))
    assert [event.at_s for event in heard.events(SpeechStopped)] == pytest.approx([2.08, 4.92], abs=0.021)
    assert [event.at_s for event in heard.events(SpeechStarted)] == pytest.approx([1.2, 4.36], abs=0.021)


@pytest.mark.parametrize(("delay_s", "within_s"), [(0.5, 0.16), (2.5, 0.70)])
def test_a_flush_hurries_both_models(virtual_loop: VirtualLoop, delay_s: float, within_s: float) -> None:
    """Four times as fast as real time: 0.5 s become 0.14 s, and 2.5 s become 0.66 s."""

    async def main() -> Running:
        stt_options = replace(STT_OPTIONS, delay_s=delay_s, in_flight_s=delay_s + 4)
        async with hearing_server(delay_s=delay_s, stt_options=stt_options) as (_, heard):
            await play(heard.source, said("one two three", after_s=1.5))
            return heard

    heard = virtual_loop.run(main())
    assert words(heard) == "one two three"
    (paused_s,), (transcribed_s,) = heard.times(SpeechStopped), heard.times(Transcribed)
    assert 0 < transcribed_s - paused_s <= within_s
    assert heard.times(WordRecognised)[-1] <= transcribed_s


def test_turns_are_taken(virtual_loop: VirtualLoop) -> None:
    """The turn detector needs nothing else: each turn starts, is confirmed by its first word, and ends once."""

    async def main() -> Running:
        async with SttServer(ByTone(TONES)) as server:
            both = lambda source: source.pipe(recogniser(server), detect_turns(pause_above=0.6, resume_below=0.4))
            async with running(both) as heard:
                await play(heard.source, said("one two three"), said("four"), said("five six", after_s=2))
                return heard

    heard = virtual_loop.run(main())
    assert [event.text for event in heard.events(TurnEnded)] == ["one two three", "four", "five six"]
    assert len(heard.events(TurnStarted)) == len(heard.events(TurnConfirmed)) == 3
    # The server is sure of a pause after 240 ms; 7 steps of 20 ms, and frames of 80 ms.
    last_loud_s = np.array([event.at_s for event in heard.events(TurnEnded)])
    assert np.all(np.array(heard.times(TurnEnded)) - last_loud_s < 0.24 + 0.14 + 0.1)


def test_pauses_come_with_each_step_after_the_twelfth(virtual_loop: VirtualLoop) -> None:
    """None while a flush is under way: whoever waits for its end is not told of another pause."""

    async def main() -> Running:
        async with hearing_server() as (_, heard):
            await play(heard.source, said("one two three"))
            return heard

    heard = virtual_loop.run(main())
    assert heard.times(Pause)[0] == pytest.approx(13 * 0.08 + 0.02, abs=0.03)
    (stopped_s,), (transcribed_s,) = heard.times(SpeechStopped), heard.times(Transcribed)
    assert not [at_s for at_s in heard.times(Pause) if stopped_s < at_s < transcribed_s]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_other_rates_are_heard(virtual_loop: VirtualLoop, rate_hz: int) -> None:
    """The microphone's rate is no concern of the pipeline."""
    import soxr

    async def main() -> Running:
        sound = said("one two three")
        other = Audio(np.asarray(soxr.resample(sound.samples, 24_000, rate_hz), np.float32), rate_hz)
        async with hearing_server() as (_, heard):
            for start in range(0, len(other.samples), rate_hz // 50):
                await asyncio.sleep(0.02)
                heard.source.on_next(Audio(other.samples[start : start + rate_hz // 50], rate_hz))
            return heard

    heard = virtual_loop.run(main())
    assert words(heard) == "one two three"
    assert heard.events(WordRecognised)[0].start_s == pytest.approx(1.2, abs=0.03)


def test_the_last_words_are_waited_for(virtual_loop: VirtualLoop) -> None:
    """A source that completes in mid-word is heard to its end, as fast as the recogniser can."""

    async def main() -> tuple[Running, float]:
        async with hearing_server() as (_, heard):
            await play(heard.source, said("one two three", after_s=0))
            ended_s = virtual_loop.time()
            heard.source.on_completed()
            await heard.ended.wait()
            return heard, virtual_loop.time() - ended_s

    heard, waited_s = virtual_loop.run(main())
    assert heard.completed
    assert words(heard) == "one two three"
    assert waited_s < 0.3


def test_nothing_said_is_over_at_once(virtual_loop: VirtualLoop) -> None:
    """Without a recogniser even: nobody need be asked."""

    async def main() -> Running:
        async with hearing_server() as (_, heard):
            heard.source.on_completed()
            await heard.ended.wait()
            return heard

    heard = virtual_loop.run(main())
    assert heard.completed
    assert virtual_loop.time() == 0


def test_the_wire_says_what_the_service_wants(virtual_loop: VirtualLoop) -> None:
    """The path, and the key in its header; the service's own name."""

    async def main() -> SttServer:
        async with hearing_server() as (server, heard):
            await play(heard.source, silence(0.5))
            return server

    server = virtual_loop.run(main())
    (visit,) = server.visits
    assert visit.path == "/api/asr-streaming"
    assert visit.headers["kyutai-api-key"] == "public_token"
    assert visit.headers["Host"] == f"127.0.0.1:{server.port}"


# ---- at the start ----------------------------------------------------------------------------------------------------


def starting(virtual_loop: VirtualLoop, mode: Fails, *, api_key: str = "public_token") -> ServiceUnavailable:
    async def main() -> Exception | None:
        async with SttServer(ByTone(TONES)) as server:
            await server.fail(mode)
            async with running(recogniser(server, api_key=api_key)) as heard, asyncio.timeout(3):
                await heard.ended.wait()
                return heard.error

    error = virtual_loop.run(main())
    assert isinstance(error, ServiceUnavailable)
    assert virtual_loop.time() <= 3
    return error


@pytest.mark.parametrize(
    ("mode", "why", "sentence"),
    [
        (Fails.DOWN, FailureReason.REFUSED, "cannot be reached"),
        (Fails.FULL, FailureReason.FULL, "is full"),
        (Fails.FORBIDDEN, FailureReason.FORBIDDEN, "does not accept our key"),
        (Fails.LIMITED, FailureReason.FULL, "is full"),
        (Fails.BROKEN, FailureReason.BROKEN, "is broken"),
        (Fails.SILENT, FailureReason.TIMED_OUT, "did not answer in time"),
        (Fails.SLOW, FailureReason.TIMED_OUT, "did not answer in time"),
        (Fails.GARBAGE, FailureReason.NONSENSE, "sends invalid messages"),
    ],
)
def test_no_recogniser_at_the_start(virtual_loop: VirtualLoop, mode: Fails, why: FailureReason, sentence: str) -> None:
    """Within three seconds it is said which service it is, and what is the matter."""
    error = starting(virtual_loop, mode)
    assert error.reason is why
    assert str(error) == f"The speech recognition (STT) {sentence}."


def test_a_wrong_key(virtual_loop: VirtualLoop) -> None:
    """The service answers 401."""

    async def main() -> Exception | None:
        async with SttServer(ByTone(TONES)) as server, running(recogniser(server, api_key="stolen")) as heard:
            await heard.ended.wait()
            return heard.error

    assert "does not accept our key" in str(virtual_loop.run(main()))


def test_one_of_several_is_enough(virtual_loop: VirtualLoop) -> None:
    """The full one and the one that is down are passed over."""

    async def main() -> Running:
        async with SttServer(ByTone(TONES)) as full, SttServer(ByTone(TONES)) as down, SttServer(ByTone(TONES)) as free:
            await full.fail(Fails.FULL)
            await down.fail(Fails.DOWN)
            async with running(recogniser(full, down, free)) as heard:
                await play(heard.source, said("one two three"))
                assert len(free.visits) == 1
                return heard

    heard = virtual_loop.run(main())
    assert words(heard) == "one two three"
    assert not heard.events(Warned)


# ---- in the middle ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Fails.DIES, Fails.EARLY, Fails.GARBAGE, Fails.MUTE, Fails.SLOW])
@pytest.mark.parametrize("at_s", [1.35, 1.9, 2.3, 3.0])
def test_a_recogniser_that_fails_in_mid_sentence_loses_no_word(
    virtual_loop: VirtualLoop, mode: Fails, at_s: float
) -> None:
    """The user is told within three seconds; another one is sent the sound since the last word; none comes twice."""

    async def main() -> Running:
        stt = lambda: SttServer(ByTone(TONES))
        async with stt() as one, stt() as other, running(recogniser(one, other)) as heard:
            talking = asyncio.create_task(play(heard.source, said("one two three four five six", after_s=6)))
            await asyncio.sleep(at_s)
            used = next(server for server in (one, other) if server.open)
            await used.fail(mode)
            await talking
            assert used.visits[0].ended_s is not None
            return heard

    heard = virtual_loop.run(main())
    assert words(heard) == "one two three four five six"
    starts = [word.start_s for word in heard.events(WordRecognised)]
    assert starts == pytest.approx([1.2 + 0.32 * number for number in range(6)], abs=0.09)
    assert "speech recognition (STT)" in heard.events(Warned)[0].message
    assert heard.times(Warned)[0] - at_s < 3
    assert len(heard.events(Transcribed)) == 1
    assert heard.error is None


def test_a_recogniser_that_is_away_for_a_while_is_waited_for(virtual_loop: VirtualLoop) -> None:
    """With growing pauses; what is said meanwhile is kept, and heard when it is back."""

    async def main() -> Running:
        async with hearing_server() as (server, heard):
            talking = asyncio.create_task(play(heard.source, said("one two three four"), said("five six", after_s=7)))
            await asyncio.sleep(1.6)
            await server.fail(Fails.DOWN)
            await asyncio.sleep(3)
            await server.fail(None)
            await talking
            return heard

    heard = virtual_loop.run(main())
    assert words(heard) == "one two three four five six"
    lost, trying = heard.events(Warned)
    assert lost.message == (
        "The speech recognition (STT) broke off the connection. "
        "Looking for another one; what you say meanwhile is kept."
    )
    assert trying.message == (
        "The speech recognition (STT) cannot be reached. Trying again; what you say meanwhile is kept."
    )
    assert [word.start_s for word in heard.events(WordRecognised)][-1] == pytest.approx(
        1.2 + 4 * 0.32 + 1 + 1.2 + 0.32, abs=0.09
    )


def test_a_recogniser_that_does_not_come_back_ends_the_session(virtual_loop: VirtualLoop) -> None:
    """After as long as was said; the sentence is that of the last search."""

    async def main() -> tuple[Running, float]:
        async with hearing_server() as (server, heard):
            await play(heard.source, said("one"))
            await server.fail(Fails.DOWN)
            lost_s = virtual_loop.time()
            await heard.ended.wait()
            return heard, virtual_loop.time() - lost_s

    heard, after_s = virtual_loop.run(main())
    assert str(heard.error) == "The speech recognition (STT) cannot be reached."
    assert 15 < after_s <= RECONNECTING.give_up_after_s


def test_a_service_that_only_breaks_is_given_up(virtual_loop: VirtualLoop) -> None:
    """A service that takes us each time and breaks each time is not asked for ever, nor without a pause."""

    async def main() -> tuple[Running, int]:
        async with hearing_server() as (server, heard):
            await server.fail(Fails.GARBAGE)
            talking = asyncio.create_task(play(heard.source, silence(60)))
            await heard.ended.wait()
            talking.cancel()
            return heard, len(server.visits)

    heard, visits = virtual_loop.run(main())
    assert isinstance(heard.error, ServiceUnavailable)
    assert visits < 30


def test_a_long_loss_drops_the_oldest_and_says_so(virtual_loop: VirtualLoop) -> None:
    """The buffer is bounded; what is lost is counted to the frame, and what is kept is heard."""

    async def main() -> Running:
        stt_options = replace(STT_OPTIONS, buffer_s=2.0)
        async with hearing_server(stt_options=stt_options) as (server, heard):
            await play(heard.source, said("one"))
            await server.fail(Fails.DOWN)
            await play(heard.source, silence(2), said("two"), said("three", after_s=0.4))
            await server.fail(None)
            await play(heard.source, silence(5))
            return heard

    heard = virtual_loop.run(main())
    assert words(heard) == "one three"
    lost_ms = sum(event.lost_ms for event in heard.events(Overflowed))
    assert lost_ms == pytest.approx(4600, abs=700)
    assert {event.boundary for event in heard.events(Overflowed)} == {STT}
    assert heard.events(WordRecognised)[-1].start_s == pytest.approx(2.52 + 2 + 2.52 + 1.2, abs=0.09)


def test_a_recogniser_that_is_too_slow_drops_the_oldest_and_says_so(virtual_loop: VirtualLoop) -> None:
    """It answers, so it is not lost; but it hears less than is said, and never more than the buffer late."""

    async def main() -> Running:
        stt_options = replace(STT_OPTIONS, buffer_s=2.0, in_flight_s=1.0)
        async with hearing_server(stt_options=stt_options, step_s=0.16) as (_, heard):
            await play(heard.source, silence(20))
            return heard

    heard = virtual_loop.run(main())
    # Of 20 s it hears a half; a second is on its way, and two wait.
    assert sum(event.lost_ms for event in heard.events(Overflowed)) == pytest.approx(20_000 / 2 - 3000, abs=200)
    assert heard.events(Pause)[-1].at_s > 20 - 2 * 3.1
    assert not heard.events(Warned)


def test_dns_that_changes_is_followed(virtual_loop: VirtualLoop) -> None:
    """When the one that was used goes, the name is asked for again."""

    async def main() -> Running:
        async with SttServer(ByTone(TONES)) as old, SttServer(ByTone(TONES)) as new:
            behind = [old]

            async def dns(_: Address) -> Sequence[Instance]:
                return [Instance(server.host, server.port) for server in behind]

            async with running(recogniser(old, resolve=dns)) as heard:
                talking = asyncio.create_task(play(heard.source, said("one two three four", after_s=4)))
                await asyncio.sleep(1.5)
                behind[:] = [new]
                await old.fail(Fails.DOWN)
                await talking
                assert len(new.visits) == 1
                return heard

    assert words(virtual_loop.run(main())) == "one two three four"


# ---- long calls ------------------------------------------------------------------------------------------------------


def test_a_long_call_gets_a_fresh_recogniser_between_turns(virtual_loop: VirtualLoop) -> None:
    """Its drift ends there: the new connection is open before the old one goes, no word is lost, none comes twice."""
    turns = ["one two", "three four five", "six", "seven eight nine", "ten eleven", "twelve"]

    async def main() -> tuple[Running, SttServer]:
        async with hearing_server(stt_options=replace(STT_OPTIONS, renew_after_s=5)) as (server, heard):
            for turn in turns:
                await play(heard.source, said(turn, before_s=1.3, after_s=1.1))
            await play(heard.source, silence(1))
            return heard, server

    heard, server = virtual_loop.run(main())
    assert words(heard) == " ".join(turns)
    assert len(heard.events(Transcribed)) == len(turns)
    assert 3 <= len(server.visits) <= 5
    for old, new in zip(server.visits, server.visits[1:], strict=False):
        assert old.ended_s is not None
        assert new.began_s <= old.ended_s
    assert not heard.events(Warned)


def test_a_fresh_one_that_cannot_be_had_is_not_missed(virtual_loop: VirtualLoop) -> None:
    """The old one goes on, and nobody is told."""

    async def main() -> Running:
        async with hearing_server(stt_options=replace(STT_OPTIONS, renew_after_s=3)) as (server, heard):
            await play(heard.source, said("one two"))
            await server.fail(Fails.FULL)
            await play(heard.source, silence(2), said("three four"), said("five"))
            await server.fail(None)
            await play(heard.source, silence(2), said("six"))
            assert len(server.visits) > 3
            return heard

    heard = virtual_loop.run(main())
    assert words(heard) == "one two three four five six"
    assert not heard.events(Warned)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.explored) for seed in range(1, 6))])
def test_whatever_fails_and_whenever_no_word_is_lost(virtual_loop: VirtualLoop, seed: int) -> None:
    """Two minutes of speech on a service that fails in turn in each of its ways."""
    random = Random(seed)
    modes = [Fails.DIES, Fails.EARLY, Fails.GARBAGE, Fails.MUTE]
    text = [random.choice(TONES.words[1:]) for _ in range(60)]

    async def main() -> Running:
        reconnecting = ReconnectPolicy(pauses=Backoff(0.1, 1.5, 0.5), give_up_after_s=30, settled_after_s=1)
        stt_options = replace(STT_OPTIONS, renew_after_s=7)
        async with hearing_server(reconnecting=reconnecting, stt_options=stt_options) as (server, heard):

            async def trouble() -> None:
                while True:
                    await asyncio.sleep(random.uniform(3, 7))
                    server.fail_open(random.choice(modes))
                    await server.fail(random.choice([Fails.DOWN, Fails.FULL, Fails.DIES]), for_s=0.15)

            troubles = asyncio.create_task(trouble())
            for start in range(0, 60, 5):
                await play(heard.source, said(" ".join(text[start : start + 5]), after_s=2.5))
            await play(heard.source, silence(5))
            troubles.cancel()
            return heard

    heard = virtual_loop.run(main())
    assert words(heard) == " ".join(text)


# ---- its end ---------------------------------------------------------------------------------------------------------


def test_disposing_closes_the_connection_at_once(virtual_loop: VirtualLoop) -> None:
    """In a tenth of a second at most, also of a server that says nothing any more; nothing is left."""

    async def main() -> float:
        async with hearing_server() as (server, heard):
            await play(heard.source, said("one"))
            await server.fail(Fails.MUTE)
            await play(heard.source, silence(0.2))
            began_s = virtual_loop.time()
        return virtual_loop.time() - began_s

    assert virtual_loop.run(main()) <= 0.25


def test_an_error_of_the_microphone_is_passed_on(virtual_loop: VirtualLoop) -> None:
    """And the connection is closed."""

    async def main() -> Exception | None:
        async with SttServer(ByTone(TONES)) as server:
            broken = lambda source: rx.merge(
                source, rx.timer(0.5).pipe(rx_ops.flat_map(lambda _: rx.throw(ValueError("x"))))
            )
            async with running(lambda source: source.pipe(broken, recogniser(server))) as heard:
                await heard.ended.wait()
                await asyncio.sleep(0.2)
                assert not server.open
                return heard.error

    assert isinstance(virtual_loop.run(main()), ValueError)


def test_it_is_observed(virtual_loop: VirtualLoop) -> None:
    """Sessions, frames, words, the times to find and to the first word."""
    told: list[tuple[Any, ...]] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return lambda *args: told.append((name, *args))

    async def main() -> None:
        async with SttServer(ByTone(TONES)) as server, running(recogniser(server, observer=Counting())) as heard:
            await play(heard.source, said("one two"))
            server.fail_open(Fails.DIES)
            await play(heard.source, silence(1))

    virtual_loop.run(main())
    names = [name for name, *_ in told]
    assert names.count("session_opened") == names.count("session_closed") == names.count("found") == 2
    assert names.count("received") == 2
    assert names.count("sent") > 40
    assert names.count("stepped") > 30
    assert names.count("failed") == 1
    assert [round(rest[0], 1) for name, *rest in told if name == "first_item"] == [1.8]
    sound_s = [one[1] for one in told if one[0] == "generated"]
    assert sum(sound_s) == pytest.approx(names.count("sent") * 0.08)
    assert len(sound_s) == 2
