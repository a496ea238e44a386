"""The synthesiser as a stage: real sockets, a real protocol, virtual time, and all the ways in which it fails."""

import asyncio
from typing import Any

import ormsgpack
import pytest
from kyutai import TTS, Running, finder, running
from reactivex import operators as rx_ops

from voicepipe.events import ReplyAudio, ReplyText, SynthesisEnded, SynthesisStarted, Warned, WordRecognised, WordSpoken
from voicepipe.operators import pace
from voicepipe.services import Backoff, ConnectionLost, FailureReason, ServiceError, ServiceUnavailable
from voicepipe.testing import VirtualLoop
from voicepipe.testing.servers import Fails, TtsServer
from voicepipe.tts.kyutai.stage import LOOKING, DiscoveryOptions, Options, Speaker, TtsOptions, VoiceChoice, kyutai

SPEAKING = TtsOptions(capacity=200, silent_s=1.5, retries=1)
SEARCHING = DiscoveryOptions(searches=5, pauses=Backoff(0.05, 1.5, 1.0))
TEXT = "How are you today, my friend?"


def speaker(
    *servers: TtsServer,
    voice: VoiceChoice = "voice.wav",
    options: Options | None = None,
    api_key: str | None = None,
    ahead_s: float = 10.0,
    **found: Any,
) -> Speaker:
    return Speaker(
        finder(*servers, service=TTS, **found),
        voice=voice,
        options=options or Options(),
        api_key=api_key,
        discovery=SEARCHING,
        ahead_s=ahead_s,
    )


async def say(
    text: str, *servers: TtsServer, word_s: float = 0.0, through: Speaker | None = None, voice: str = ""
) -> Running:
    """A reply, word by word, to its end."""
    async with running(kyutai(through or speaker(*servers), voice=voice, options=SPEAKING)) as heard:
        for number, word in enumerate(text.split()):
            heard.source.on_next(ReplyText(f" {word}" if number else word))
            await asyncio.sleep(word_s)
        heard.source.on_completed()
        async with asyncio.timeout(30):
            await heard.ended.wait()
        return heard


def spoken(heard: Running) -> str:
    return " ".join(event.word for event in heard.events(WordSpoken))


# ---- what is said ----------------------------------------------------------------------------------------------------


def test_a_reply_is_said_word_by_word(virtual_loop: VirtualLoop) -> None:
    """It begins before the text is complete; all sound and all words come, and the end."""

    async def main() -> tuple[Running, list[Any]]:
        async with TtsServer(first_audio_s=0.2, word_s=0.32) as server:
            return await say(TEXT, server, word_s=0.3), server.visits[0].notes

    heard, notes = virtual_loop.run(main())
    assert heard.completed
    assert spoken(heard) == TEXT
    assert "".join(event.delta for event in heard.events(ReplyText)) == TEXT
    assert heard.events(SynthesisStarted) == [SynthesisStarted("How")]
    assert heard.events(SynthesisEnded) == [SynthesisEnded(pytest.approx(6 * 0.32))]
    # Two words of foresight, and the server's 0.2 s.
    assert heard.times(ReplyAudio)[0] == pytest.approx(0.6 + 0.2, abs=0.01)
    assert [note.get("text", note["type"]) for note in notes] == [
        "How", " are", " you", " today,", " my", " friend?", "Eos",
    ]  # fmt: skip


def test_on_the_playback_clock(virtual_loop: VirtualLoop) -> None:
    """Sound at most 0.32 s ahead of it, each word when its sound is heard, though it was known long before."""

    async def main() -> Running:
        async with TtsServer(pace=8) as server:
            paced = lambda source: source.pipe(
                kyutai(speaker(server), voice="", options=SPEAKING), pace(lead_ms=320, frame_ms=80)
            )
            async with running(paced) as heard:
                for word in TEXT.split():
                    heard.source.on_next(ReplyText(f" {word}"))
                heard.source.on_completed()
                await heard.ended.wait()
                return heard

    heard = virtual_loop.run(main())
    began_s = heard.times(ReplyAudio)[0]
    for event, at_s in zip(heard.events(WordSpoken), heard.times(WordSpoken), strict=True):
        assert at_s == pytest.approx(began_s + event.start_s, abs=0.03)
    for number, at_s in enumerate(heard.times(ReplyAudio)):
        assert at_s >= began_s + number * 0.08 - 0.32 - 0.001


def test_the_query_the_key_and_the_packets_of_others(virtual_loop: VirtualLoop) -> None:
    """Ten strays before `Ready` are passed over, and none of their sound is heard."""

    async def main() -> tuple[Running, TtsServer]:
        async with TtsServer(strays=10, api_key="secret") as server:
            options = Options(seed=7, temperature=0.6, top_k=5, max_seq_len=100, auth_id="me")
            return await say("Hi", through=speaker(server, options=options, api_key="secret")), server

    heard, server = virtual_loop.run(main())
    assert len(heard.events(ReplyAudio)) == 4
    assert server.visits[0].path == "/api/tts_streaming"
    assert server.visits[0].query == {
        "voice": "voice.wav",
        "cfg_alpha": "1.5",
        "format": "PcmMessagePack",
        "seed": "7",
        "temperature": "0.6",
        "top_k": "5",
        "max_seq_len": "100",
        "auth_id": "me",
    }


def test_eleven_packets_of_others_are_too_many(virtual_loop: VirtualLoop) -> None:
    """A server that goes on like this is broken."""

    async def main() -> Running:
        async with TtsServer(strays=11) as server:
            return await say("Hi", server)

    heard = virtual_loop.run(main())
    assert isinstance(heard.error, ServiceUnavailable)
    assert heard.error.reason is FailureReason.NONSENSE


def test_a_cloned_voice_is_sent_as_it_came(virtual_loop: VirtualLoop) -> None:
    """The first message, byte for byte; the query names no voice."""
    cloned = ormsgpack.packb({"type": "Voice", "embeddings": [0.25, -1.0], "shape": [1, 2]})

    async def main() -> TtsServer:
        async with TtsServer() as server:
            await say("Hi", through=speaker(server, voice=cloned))
            return server

    (visit,) = virtual_loop.run(main()).visits
    assert visit.notes[0] == {"type": "Voice", "embeddings": [0.25, -1.0], "shape": [1, 2]}
    assert "voice" not in visit.query


def test_punctuation_only_is_over_at_once(virtual_loop: VirtualLoop) -> None:
    """Without a sound, a fault or a wait."""

    async def main() -> Running:
        async with TtsServer(handshake_s=0.3) as server:
            return await say("* :", server)

    heard = virtual_loop.run(main())
    assert heard.completed
    assert virtual_loop.time() <= 0.1
    assert not heard.events(ReplyAudio)


def test_a_pause_of_the_language_model_is_no_fault(virtual_loop: VirtualLoop) -> None:
    """The voice waits for its next words, however long."""

    async def main() -> Running:
        async with TtsServer() as server:
            return await say("I will think for a while.", server, word_s=4)

    heard = virtual_loop.run(main())
    assert heard.completed
    assert spoken(heard) == "I will think for a while."


# ---- when there is none ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "why", "sentence"),
    [
        (Fails.DOWN, FailureReason.REFUSED, "cannot be reached"),
        (Fails.FULL, FailureReason.FULL, "is full"),
        (Fails.FORBIDDEN, FailureReason.FORBIDDEN, "does not accept our key"),
        (Fails.BROKEN, FailureReason.BROKEN, "is broken"),
        (Fails.SILENT, FailureReason.TIMED_OUT, "did not answer in time"),
        (Fails.SLOW, FailureReason.TIMED_OUT, "did not answer in time"),
        (Fails.GARBAGE, FailureReason.NONSENSE, "sends invalid messages"),
    ],
)
def test_no_synthesiser(virtual_loop: VirtualLoop, mode: Fails, why: FailureReason, sentence: str) -> None:
    """The user is told at the first search, and after the fifth the turn fails: within 3.5 s, and with a reason."""

    async def main() -> Running:
        async with TtsServer() as server:
            await server.fail(mode)
            return await say("Hi", server)

    heard = virtual_loop.run(main())
    assert isinstance(heard.error, ServiceUnavailable)
    assert heard.error.reason is why
    assert str(heard.error) == f"The speech synthesis (TTS) {sentence}."
    assert heard.events(Warned) == [Warned(LOOKING)]
    assert heard.times(Warned)[0] <= 0.61
    assert virtual_loop.time() <= 3.5


def test_one_that_comes_back_in_time_is_found(virtual_loop: VirtualLoop) -> None:
    """The reply is late, and told to be, but it is said."""

    async def main() -> Running:
        async with TtsServer() as server:
            await server.fail(Fails.FULL, for_s=0.3)
            return await say(TEXT, server)

    heard = virtual_loop.run(main())
    assert spoken(heard) == TEXT
    assert heard.events(Warned) == [Warned(LOOKING)]


# ---- in the middle ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Fails.DIES, Fails.EARLY, Fails.GARBAGE, Fails.MUTE, Fails.SLOW])
def test_before_anything_was_said_another_one_says_it(virtual_loop: VirtualLoop, mode: Fails) -> None:
    """All of it, once; the user is told which service it was."""

    async def main() -> Running:
        async with TtsServer(dies_after=0) as server:
            asyncio.get_running_loop().call_later(0.05, server.fail_open, mode)
            return await say(TEXT, server)

    heard = virtual_loop.run(main())
    assert spoken(heard) == TEXT
    assert heard.events(SynthesisStarted) == [SynthesisStarted("How")]
    assert len(heard.events(ReplyAudio)) == 24
    (warned,) = heard.events(Warned)
    assert warned.message.startswith("The speech synthesis (TTS) ")
    assert heard.times(Warned)[0] < 3


@pytest.mark.parametrize("mode", [Fails.DIES, Fails.EARLY, Fails.GARBAGE, Fails.MUTE, Fails.SLOW])
def test_in_the_middle_of_a_reply_the_turn_fails(virtual_loop: VirtualLoop, mode: Fails) -> None:
    """Spoken words stay; the error names the service within three seconds; the next reply is spoken."""

    async def main() -> tuple[Running, Running]:
        async with TtsServer() as server:
            asyncio.get_running_loop().call_later(0.3, server.fail_open, mode)
            first = await say(TEXT, server)
            assert asyncio.get_running_loop().time() < 3
            return first, await say(TEXT, server)

    first, second = virtual_loop.run(main())
    assert isinstance(first.error, ServiceError)
    assert str(first.error).startswith("The speech synthesis (TTS) ")
    assert TEXT.startswith(spoken(first))
    assert first.events(ReplyAudio)
    assert spoken(second) == TEXT


def test_a_server_that_ends_early_in_good_order_is_noticed(virtual_loop: VirtualLoop) -> None:
    """Even when all the text had been sent: the last words were not said."""

    async def main() -> Running:
        async with TtsServer() as server:
            asyncio.get_running_loop().call_later(0.4, server.fail_open, Fails.EARLY)
            return await say(TEXT, server)

    heard = virtual_loop.run(main())
    assert isinstance(heard.error, ConnectionLost)
    assert "it ended before it had finished" in str(heard.error)


def test_a_barge_in_closes_the_connection_at_once(virtual_loop: VirtualLoop) -> None:
    """Within the grace of a turn, also of a server that says nothing any more; and it counts as interrupted."""
    told: list[str] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: told.append(name)

    async def main(mode: Fails | None) -> float:
        async with TtsServer() as server:
            stage = kyutai(speaker(server, observer=Counting()), voice="", options=SPEAKING)
            async with running(stage) as heard:
                for word in TEXT.split():
                    heard.source.on_next(ReplyText(f" {word}"))
                await heard.until(ReplyAudio)
                if mode is not None:
                    await server.fail(mode)
                    await asyncio.sleep(0.1)
                began_s = virtual_loop.time()
            return virtual_loop.time() - began_s

    for mode in (None, Fails.MUTE):
        told.clear()
        assert virtual_loop.run(main(mode)) <= 0.21
        assert told.count("interrupted") == 1
        assert told.count("session_opened") == told.count("session_closed") == 1


def test_it_is_observed(virtual_loop: VirtualLoop) -> None:
    """Words out, frames in, the time to the first sound, how much sound was made; nobody interrupted."""
    told: list[tuple[Any, ...]] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return lambda *args: told.append((name, *args))

    async def main() -> None:
        async with TtsServer() as server:
            await say(TEXT, through=speaker(server, observer=Counting()))

    virtual_loop.run(main())
    names = [name for name, *_ in told]
    assert (names.count("sent"), names.count("received")) == (6, 24)
    assert [rest for name, *rest in told if name == "first_item"] == [[pytest.approx(0.2, abs=0.01)]]
    assert [rest[0] for name, *rest in told if name == "generated"] == [pytest.approx(1.92)]
    assert "interrupted" not in names
    assert "failed" not in names


# ---- ahead of need ---------------------------------------------------------------------------------------------------


def test_a_reply_does_not_wait_for_the_handshake(virtual_loop: VirtualLoop) -> None:
    """The user's first word opens the connection that the reply then takes."""

    async def main(*, ahead: bool) -> float:
        async with TtsServer(handshake_s=0.3) as server:
            through = speaker(server)
            async with running(through.prepare()) as recogniser:
                if ahead:
                    recogniser.source.on_next(WordRecognised("hello", 0.0, 0.1))
                    recogniser.source.on_next(WordRecognised("there", 0.0, 0.1))
                await asyncio.sleep(1)
                heard = await say("Hi", through=through)
                assert len(server.visits) == 1
                assert recogniser.texts(WordRecognised) == ("hello there" if ahead else "")
            return heard.times(ReplyAudio)[0]

    assert virtual_loop.run(main(ahead=False)) == pytest.approx(0.5, abs=0.01)
    assert virtual_loop.run(main(ahead=True)) == pytest.approx(0.2, abs=0.01)


def test_one_that_is_being_opened_is_waited_for(virtual_loop: VirtualLoop) -> None:
    """It began earlier than a new one would."""

    async def main() -> tuple[float, int]:
        async with TtsServer(handshake_s=0.3) as server:
            through = speaker(server)
            async with running(through.prepare()) as recogniser:
                recogniser.source.on_next(WordRecognised("hello", 0.0, 0.1))
                await asyncio.sleep(0.2)
                heard = await say("Hi", through=through)
                return heard.times(ReplyAudio)[0], len(server.visits)

    assert virtual_loop.run(main()) == (pytest.approx(0.3, abs=0.01), 1)


def test_one_that_is_not_taken_is_closed(virtual_loop: VirtualLoop) -> None:
    """After its time, or when the session ends; the next word opens another."""

    async def main() -> list[float | None]:
        async with TtsServer() as server:
            through = speaker(server, ahead_s=2)
            async with running(through.prepare()) as recogniser:
                recogniser.source.on_next(WordRecognised("hello", 0.0, 0.1))
                await asyncio.sleep(5)
                assert not server.open
                recogniser.source.on_next(WordRecognised("hello", 0.0, 0.1))
                await asyncio.sleep(1)
                assert len(server.open) == 1
            await asyncio.sleep(0.2)
            assert not server.open
            return [visit.ended_s for visit in server.visits]

    ended_s = virtual_loop.run(main())
    assert ended_s == [pytest.approx(2, abs=0.11), pytest.approx(6, abs=0.11)]


def test_one_that_its_server_has_closed_is_not_used(virtual_loop: VirtualLoop) -> None:
    """The reply is said all the same, and nobody need know."""

    async def main() -> Running:
        async with TtsServer() as old, TtsServer() as new:
            through = speaker(old, new)
            async with running(through.prepare()) as recogniser:
                recogniser.source.on_next(WordRecognised("hello", 0.0, 0.1))
                await asyncio.sleep(0.5)
                await next(server for server in (old, new) if server.open).fail(Fails.DOWN)
                await asyncio.sleep(0.5)
                return await say(TEXT, through=through)

    heard = virtual_loop.run(main())
    assert spoken(heard) == TEXT
    assert not heard.events(Warned)


def test_one_in_another_voice_is_thrown_away(virtual_loop: VirtualLoop) -> None:
    """The user chose another one in between."""

    async def main() -> list[str]:
        async with TtsServer() as server:
            through = speaker(server, voice="old.wav")
            async with running(through.prepare()) as recogniser:
                recogniser.source.on_next(WordRecognised("hello", 0.0, 0.1))
                await asyncio.sleep(0.5)
                assert spoken(await say("Hi", through=through, voice="new.wav")) == "Hi"
                return [visit.query["voice"] for visit in server.visits]

    assert virtual_loop.run(main()) == ["old.wav", "new.wav"]


def test_a_service_that_is_full_is_told_by_the_reply(virtual_loop: VirtualLoop) -> None:
    """Not by what was to be ready before it."""

    async def main() -> tuple[Running, Running]:
        async with TtsServer() as server:
            through = speaker(server)
            async with running(through.prepare()) as recogniser:
                await server.fail(Fails.FULL)
                recogniser.source.on_next(WordRecognised("hello", 0.0, 0.1))
                await asyncio.sleep(0.5)
                return recogniser, await say("Hi", through=through)

    recogniser, reply = virtual_loop.run(main())
    assert not recogniser.events(Warned)
    assert isinstance(reply.error, ServiceUnavailable)
    assert reply.error.full


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.29, 0.3, 0.31, 0.5])
def test_whenever_a_reply_is_cut_nothing_leaks(virtual_loop: VirtualLoop, after_s: float) -> None:
    """Before the connection that was opened ahead is there, at that moment, or after it."""

    async def main() -> None:
        async with TtsServer(handshake_s=0.3) as server:
            through = speaker(server)
            async with running(through.prepare()) as recogniser:
                recogniser.source.on_next(WordRecognised("hello", 0.0, 0.1))
                async with running(kyutai(through, voice="", options=SPEAKING)) as reply:
                    reply.source.on_next(ReplyText("Hi"))
                    await asyncio.sleep(after_s)
            await asyncio.sleep(0.5)
            assert not server.open

    virtual_loop.run(main())


def test_words_pass_through_as_they_come(virtual_loop: VirtualLoop) -> None:
    """Also those that are said to nobody yet."""

    async def main() -> Running:
        async with TtsServer(handshake_s=0.4) as server:
            first = rx_ops.take(2)
            async with running(
                lambda source: source.pipe(kyutai(speaker(server), voice="", options=SPEAKING), first)
            ) as heard:
                heard.source.on_next(ReplyText("Hi"))
                await heard.ended.wait()
                return heard

    heard = virtual_loop.run(main())
    assert [told.event for told in heard.told] == [ReplyText("Hi"), SynthesisStarted("Hi")]
    assert virtual_loop.time() < 0.3
