"""Stages on leased replicas, with a control plane of this process: real hosts and sockets, virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
import reactivex
from control_plane import FakeControlPlane, Replica
from hosted import EchoLlm, ToneStt, ToneTts, hosting
from kyutai import RECONNECTING, STT, STT_OPTIONS, TTS, Running, play, running, said
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.conversation import Conversation
from voicepipe.engine.build import build_engine
from voicepipe.engine.leased import LeasedLlm
from voicepipe.engine.network import llm_options
from voicepipe.engine.settings import EngineSettings
from voicepipe.events import Event, ReplyAudio, ReplyText, Transcribed, Warned, WordRecognised, WordSpoken
from voicepipe.llm.errors import LlmUnavailable
from voicepipe.operators import listen
from voicepipe.rx import transduce
from voicepipe.services import Backoff, ConnectionLost, Instance, Lease, LeasedFinder, ServiceUnavailable
from voicepipe.stage import StageError
from voicepipe.stt.kyutai.stage import kyutai as kyutai_stt
from voicepipe.testing import VirtualLoop
from voicepipe.tts.kyutai.stage import DiscoveryOptions, Options, Speaker, TtsOptions
from voicepipe.tts.kyutai.stage import kyutai as kyutai_tts


def stt(plane: FakeControlPlane, *, word_after_s: float = 2.0) -> object:
    finder = LeasedFinder(STT, "stt", plane, tries=3, try_s=0.5)
    options = replace(STT_OPTIONS, word_after_s=word_after_s)
    stage = kyutai_stt(finder, api_key="unused", options=options, reconnect=RECONNECTING)
    return listen(stage, None, flush_at=0.6)


def tts(plane: FakeControlPlane) -> object:
    finder = LeasedFinder(TTS, "tts", plane, tries=3, try_s=0.5)
    discovery = DiscoveryOptions(searches=2, pauses=Backoff(0.05, 1.5, 1.0))
    speaker = Speaker(finder, voice=None, options=Options(), api_key=None, discovery=discovery, ahead_s=30)
    return kyutai_tts(speaker, voice="", options=TtsOptions(capacity=100, silent_s=2, retries=1))


@asynccontextmanager
async def cluster(
    stage: type, kind: str, *, replicas: int = 2, capacity: int = 2
) -> AsyncIterator[tuple[FakeControlPlane, list[Replica]]]:
    """A control plane with replicas of one stage; at the end no place and no lease may be left."""
    plane = FakeControlPlane()
    hosts = [hosting(stage, capacity=capacity, key=None) for _ in range(replicas)]
    for host in hosts:
        await host.__aenter__()
    try:
        ready = plane.add(kind, *hosts)
        yield plane, ready
        async with asyncio.timeout(5):
            for replica in ready:
                await replica.host.slots.emptied()
        assert [replica.leases for replica in ready] == [[]] * replicas
    finally:
        for host in hosts:
            await host.stop()


def used(replicas: list[Replica]) -> Replica:
    return max(replicas, key=lambda one: one.host.slots.taken)


# ---- admission -------------------------------------------------------------------------------------------------------


def test_sessions_are_spread_and_one_too_many_is_told_at_once(virtual_loop: VirtualLoop) -> None:
    """Within 50 ms, with one question to the control plane, and as full: this is no fault."""

    async def main() -> None:
        async with (
            cluster(ToneStt, "stt") as (plane, replicas),
            running(stt(plane)),
            running(stt(plane)),
            running(stt(plane)),
            running(stt(plane)),
        ):
            await asyncio.sleep(0.1)
            assert [replica.host.slots.taken for replica in replicas] == [2, 2]
            asked, began_s = plane.asked, asyncio.get_running_loop().time()
            async with running(stt(plane)) as refused:
                await refused.ended.wait()
            assert asyncio.get_running_loop().time() - began_s <= 0.05
            assert plane.asked == asked + 1
            assert isinstance(refused.error, ServiceUnavailable)
            assert refused.error.full

    virtual_loop.run(main())


def test_a_lease_that_is_not_used_is_free_again(virtual_loop: VirtualLoop) -> None:
    """Its gateway has died, or has gone elsewhere: after the time for attaching, or when it is released."""

    async def main() -> None:
        async with cluster(ToneStt, "stt", replicas=1) as (plane, (replica,)):
            dead = await plane.lease("stt")
            unused = await plane.lease("stt")
            unused.release()
            assert replica.host.slots.taken == 1
            await asyncio.sleep(3.1)
            assert replica.host.slots.taken == 0
            dead.release()

    virtual_loop.run(main())


def test_a_connection_that_fails_ends_its_lease_and_another_one_is_tried(virtual_loop: VirtualLoop) -> None:
    """The control plane does not know yet that a replica has died."""

    async def main() -> str:
        async with cluster(ToneStt, "stt") as (plane, replicas):
            await replicas[0].host.stop()
            async with running(stt(plane)) as heard:
                await play(heard.source, said("one two"))
                return heard.texts(WordRecognised)

    assert virtual_loop.run(main()) == "one two"


def test_a_lost_lease_is_told_once_and_at_once() -> None:
    told: list[str] = []
    lease = Lease(Instance("10.0.0.1", 1, "token"), lambda: told.append("ended"))
    lease.when_lost(lambda: told.append("lost"))
    lease.lose()
    lease.lose()
    lease.when_lost(lambda: told.append("late"))
    lease.release()
    lease.release()
    assert told == ["lost", "late", "ended"]
    assert "token" not in repr(lease.instance)


# ---- a recogniser's replica dies -------------------------------------------------------------------------------------


def test_what_was_said_since_the_last_word_goes_to_the_next_replica(virtual_loop: VirtualLoop) -> None:
    """The replica is killed in the middle of a word: the session is told within 500 ms, and no word is lost."""

    async def main() -> tuple[Running, float]:
        async with cluster(ToneStt, "stt") as (plane, replicas), running(stt(plane)) as heard:
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            playing = loop.create_task(play(heard.source, said("one two three four five six")))
            await asyncio.sleep(2.1)
            killed = used(replicas)
            await killed.host.stop()
            killed_s = loop.time() - began_s
            await plane.notice(killed)
            await playing
            return heard, killed_s

    heard, killed_s = virtual_loop.run(main())
    assert heard.texts(WordRecognised) == "one two three four five six"
    assert len(heard.events(Transcribed)) == 1
    (told_s,) = heard.times(Warned)
    assert told_s - killed_s <= 0.5


class LateStt(ToneStt):
    """A recogniser of whole clips: it emits no word before the end of the turn."""

    def stt(self) -> object:
        hear = super().stt()
        return lambda source: hear(source).pipe(transduce(lambda _: _AtTheEnd()))


class _AtTheEnd:
    def __init__(self) -> None:
        self.words: list[Event] = []

    def __call__(self, event: Event) -> list[Event]:
        if isinstance(event, WordRecognised):
            self.words.append(event)
            return []
        if isinstance(event, Transcribed):
            words, self.words = self.words, []
            return [*words, event]
        return [event]


def test_a_recogniser_of_whole_clips_hears_the_whole_clip_again(virtual_loop: VirtualLoop) -> None:
    """Its replica is killed after 4 s of speech of which no word has come."""

    async def main() -> str:
        async with cluster(LateStt, "stt") as (plane, replicas), running(stt(plane, word_after_s=16)) as heard:
            words = " ".join(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"] * 2)
            playing = asyncio.get_running_loop().create_task(play(heard.source, said(words)))
            await asyncio.sleep(5.2)
            assert heard.texts(WordRecognised) == ""
            await used(replicas).host.stop()
            await playing
            assert heard.texts(WordRecognised) == words
            return words

    virtual_loop.run(main())


def test_a_replica_that_falls_silent_is_given_up_when_the_control_plane_says_so(virtual_loop: VirtualLoop) -> None:
    """Its machine is cut off: nothing breaks the connection. The lease is lost, long before a time limit is over."""

    async def main() -> tuple[Running, float]:
        async with cluster(FrozenStt, "stt") as (plane, replicas), running(stt(plane)) as heard:
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            playing = loop.create_task(play(heard.source, said("one two three four five six")))
            await asyncio.sleep(2.1)
            frozen = used(replicas)
            FrozenStt.frozen = True
            frozen_s = loop.time() - began_s
            noticing = loop.create_task(plane.notice(frozen))
            await asyncio.sleep(0.05)
            FrozenStt.frozen = False  # of the next session
            await noticing
            await playing
            return heard, frozen_s

    heard, frozen_s = virtual_loop.run(main())
    assert heard.texts(WordRecognised) == "one two three four five six"
    assert heard.times(Warned)[0] - frozen_s <= 0.5


class FrozenStt(ToneStt):
    """A recogniser whose sessions hear nothing more once it is frozen."""

    frozen = False

    def stt(self) -> object:
        hear, stopped = super().stt(), [False]

        def heard(event: Event) -> bool:
            stopped[0] = stopped[0] or FrozenStt.frozen
            return not stopped[0]

        return lambda source: hear(source.pipe(rx_ops.filter(heard)))


# ---- a voice's replica dies ------------------------------------------------------------------------------------------


def test_a_reply_that_had_not_begun_is_spoken_by_another_replica(virtual_loop: VirtualLoop) -> None:
    async def main() -> Running:
        async with cluster(ToneTts, "tts") as (plane, replicas), running(tts(plane)) as spoken:
            await asyncio.sleep(0.1)
            killed = used(replicas)
            await killed.host.stop()
            killed.known_dead = True
            spoken.source.on_next(ReplyText("Hello"))
            spoken.source.on_next(ReplyText(" there."))
            spoken.source.on_completed()
            await asyncio.wait_for(spoken.ended.wait(), 5)
            return spoken

    spoken = virtual_loop.run(main())
    assert spoken.completed
    assert spoken.texts(WordSpoken) == "Hello there."


def test_a_reply_that_had_begun_is_ended_and_the_next_one_is_spoken(virtual_loop: VirtualLoop) -> None:
    """It is not said twice: its error ends the turn, and the conversation goes on."""

    async def main() -> tuple[Running, Running]:
        async with cluster(ToneTts, "tts") as (plane, replicas):
            async with running(tts(plane)) as cut:
                cut.source.on_next(ReplyText("Hello"))
                cut.source.on_next(ReplyText(" there."))
                await cut.until(ReplyAudio, for_s=5)
                killed = used(replicas)
                await killed.host.stop()
                await asyncio.wait_for(cut.ended.wait(), 0.5)
                killed.known_dead = True
            async with running(tts(plane)) as following:
                following.source.on_next(ReplyText("Hello"))
                following.source.on_completed()
                await asyncio.wait_for(following.ended.wait(), 5)
            return cut, following

    cut, following = virtual_loop.run(main())
    assert isinstance(cut.error, ConnectionLost)
    assert following.completed
    assert following.texts(WordSpoken) == "Hello"


# ---- a language model's replica dies ---------------------------------------------------------------------------------


class SlowLlm(EchoLlm):
    """Says its first word, and the rest when it is told."""

    silent_from = 1

    def llm(self, conversation: Conversation) -> Observable[str | Event]:
        words = super().llm(conversation)
        return reactivex.concat(words.pipe(rx_ops.take(self.silent_from)), reactivex.never())


class SilentLlm(SlowLlm):
    silent_from = 0


@asynccontextmanager
async def asking(plane: FakeControlPlane, said_: str) -> AsyncIterator[Running]:
    async with aiohttp.ClientSession() as http:
        options = llm_options("http://cluster", EngineSettings())
        llm = LeasedLlm("llm", plane, options, lambda: http, lease_s=0.5)
        async with running(lambda _: llm(Conversation().user_said(said_))) as answered:
            yield answered


def text(answered: Running) -> str:
    return "".join(one.event for one in answered.told if isinstance(one.event, str))


def test_an_answer_comes_from_a_leased_replica(virtual_loop: VirtualLoop) -> None:
    async def main() -> str:
        async with cluster(EchoLlm, "llm") as (plane, _), asking(plane, "good morning") as answered:
            await asyncio.wait_for(answered.ended.wait(), 5)
            return text(answered)

    assert virtual_loop.run(main()).strip() == "good morning"


def test_an_answer_that_had_not_begun_is_requested_elsewhere(virtual_loop: VirtualLoop) -> None:
    """The replica is silent, and its lease is lost."""

    async def main() -> tuple[str, float]:
        async with (
            cluster(SilentLlm, "llm", replicas=1) as (plane, (silent,)),
            hosting(EchoLlm, key=None) as other,
            asking(plane, "good morning") as answered,
        ):
            await asyncio.sleep(0.1)
            plane.add("llm", other)
            await plane.notice(silent)
            await asyncio.wait_for(answered.ended.wait(), 1)
            return text(answered), asyncio.get_running_loop().time()

    said_, at_s = virtual_loop.run(main())
    assert said_.strip() == "good morning"
    assert at_s < 0.5


def test_an_answer_that_had_begun_ends_its_turn(virtual_loop: VirtualLoop) -> None:
    async def main() -> Running:
        async with cluster(SlowLlm, "llm") as (plane, replicas), asking(plane, "good morning") as answered:
            await asyncio.sleep(0.1)
            await plane.notice(used(replicas))
            await asyncio.wait_for(answered.ended.wait(), 0.5)
            return answered

    answered = virtual_loop.run(main())
    assert text(answered).strip() == "good"
    assert isinstance(answered.error, StageError)
    assert isinstance(answered.error.cause, LlmUnavailable)


def test_no_place_for_an_answer_is_told_at_once(virtual_loop: VirtualLoop) -> None:
    async def main() -> str:
        async with cluster(SilentLlm, "llm", replicas=1, capacity=1) as (plane, _), asking(plane, "one"):
            await asyncio.sleep(0.1)
            began_s = asyncio.get_running_loop().time()
            async with asking(plane, "two") as refused:
                await asyncio.wait_for(refused.ended.wait(), 1)
            assert asyncio.get_running_loop().time() - began_s <= 0.05
            return str(refused.error)

    assert "is full" in virtual_loop.run(main())


# ---- an engine -------------------------------------------------------------------------------------------------------


def test_what_has_no_url_is_leased_from_the_cluster(virtual_loop: VirtualLoop) -> None:
    """By a setting, without a model in this process; the health checks ask the control plane."""

    async def main() -> dict[str, bool]:
        async with cluster(ToneStt, "stt") as (plane, _), hosting(ToneTts, key=None) as voice:
            plane.add("my-voice", voice)
            settings = EngineSettings(engine="ray://auto", tts_url="cluster:my-voice", llm_url="http://127.0.0.1:9")
            engine = build_engine(settings, max_sessions=None, plane=plane)
            assert engine.max_sessions == settings.network_sessions
            stages = engine.stages()
            async with running(stages.stt) as heard, running(stages.tts(Conversation())) as spoken:
                await play(heard.source, said("one two"))
                spoken.source.on_next(ReplyText("Hello"))
                spoken.source.on_completed()
                await asyncio.wait_for(spoken.ended.wait(), 5)
                assert heard.texts(WordRecognised) == "one two"
                assert spoken.texts(WordSpoken) == "Hello"
            state = await engine.health()
            stages.close()
            await engine.disconnect()
            engine.close()
            return state

    state = virtual_loop.run(main())
    assert (state["stt_up"], state["tts_up"], state["llm_up"]) == (True, True, False)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"engine": "10.0.0.1:6379"}, "is not the address of a cluster, such as ray://10.0.0.1:6379"),
        ({"stt_url": "cluster:No Name"}, "is not the name of a stage"),
        ({"cluster_stages": "stt,vad"}, "there is no 'vad' among stt, tts and llm"),
    ],
)
def test_settings_that_are_wrong_say_how(given: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        EngineSettings(**given)  # type: ignore[arg-type]
