"""The recogniser hears the same whatever the packets are: the same samples, edges, questions and clips from any cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import reactivex
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ogg_opus import pages
from reactivex import Observable
from reactivex.subject import Subject

from voicepipe.audio import G711, ClientCodec, Codec, OggOpus, Pcm16, resampler
from voicepipe.boundary.workers import Outcome, Priority, Ticket
from voicepipe.events import (
    Audio,
    AudioReceived,
    Event,
    InputCleared,
    InputCommitted,
    Samples,
    SettingsChanged,
    Transcribed,
    TurnTaking,
    WordRecognised,
)
from voicepipe.operators import decode, endpoint, listen
from voicepipe.presets import UTTERANCES
from voicepipe.rx import LoopScheduler
from voicepipe.stt.kyutai.replay_buffer import Frame, Framer
from voicepipe.stt.utterances import by_utterance
from voicepipe.vad.frames import by_frame

RATE_HZ = 24_000
LONGEST_PACKET = 24_000

few = settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.too_slow])


def packets(size: int, limit: int = LONGEST_PACKET) -> st.SearchStrategy[list[int]]:
    """Cut samples at `size`: into packets of one length and a rest, or anywhere."""
    even = st.sampled_from([1920, 480, 240, 2048, 7_777, limit]).map(lambda step: list(range(step, size, step)))
    odd = st.lists(st.integers(1, size - 1), max_size=30, unique=True).map(sorted)
    return st.one_of(even, odd)


def cut(samples: Samples, places: Sequence[int]) -> list[Samples]:
    return [samples[a:b] for a, b in pairwise([0, *places, len(samples)])]


def noise(size: int) -> Samples:
    return (0.3 * np.random.default_rng(2).standard_normal(size)).clip(-1, 1).astype(np.float32)


# ---- resampling, frames, codecs -------------------------------------------------------------------------------------


@few
@given(
    st.sampled_from(["QQ", "LQ", "MQ", "HQ"]),
    st.sampled_from([(24_000, 16_000), (8000, 24_000), (48_000, 24_000), (44_100, 16_000), (16_000, 16_000)]),
    packets(48_000),
    st.integers(1, 47_999),
)
def test_a_resampler_gives_the_same_samples(quality: Any, rates: tuple[int, int], places: list[int], end: int) -> None:
    """Over the end of a stretch, too, and as many of them at each moment."""
    sound, whole, parts = noise(48_000), resampler(*rates, quality), resampler(*rates, quality)
    for stretch in (sound[:end], sound[end:]):
        inside = [place for place in places if place < len(stretch)]
        once = whole(stretch)
        np.testing.assert_array_equal(np.concatenate([parts(part) for part in cut(stretch, inside)]), once)
        np.testing.assert_array_equal(parts.rest(), whole.rest())


@few
@given(packets(30_000))
def test_a_detector_gets_the_same_frames(places: list[int]) -> None:
    """And its verdicts have the same times."""

    def frames(places: list[int]) -> tuple[list[Samples], list[Any]]:
        seen: list[Samples] = []
        stage = by_frame(lambda: lambda samples: seen.append(samples) or 0.5, frame=512, rate_hz=16_000)
        return seen, collected(stage, [Audio(part, RATE_HZ) for part in cut(noise(30_000), places)])

    (seen, voices), (others, same) = frames([]), frames(places)
    np.testing.assert_array_equal(seen, others)
    assert voices == same


@few
@given(packets(30_000))
def test_frames_for_kyutais_recogniser_are_the_same(places: list[int]) -> None:
    """80 ms each, whatever comes."""

    def framed(places: list[int]) -> list[Frame]:
        framer = Framer()
        parts = cut(noise(30_000), places)
        return [piece for part in parts for piece in framer.add(Audio(part, 48_000))] + framer.rest()

    for one, other in zip(framed([]), framed(places), strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
        assert (one.start_s, one.stop_s) == (other.start_s, other.stop_s)


@few
@given(st.sampled_from([Pcm16(24_000), Pcm16(16_000), G711("mu"), G711("a")]), packets(20_000))
def test_what_is_decoded_is_the_same(codec: Codec, places: list[int]) -> None:
    """Of every format without pages, and resampled to the session's rate; with all that was held up in the end."""
    width = 2 if isinstance(codec, Pcm16) else 1
    data = np.random.default_rng(3).integers(0, 256, 20_000 * width, np.uint8).tobytes()

    def decoded(places: list[int]) -> Samples:
        decode = ClientCodec(Pcm16(24_000)).decoders()(codec)
        parts = pairwise([0, *places, 20_000])
        return np.concatenate([*(decode(data[a * width : b * width]) for a, b in parts), decode.rest()])

    np.testing.assert_array_equal(decoded(places), decoded([]))


@cache
def opus_pages() -> list[bytes]:
    encode = OggOpus().encoder()
    stream = b"".join(encode(Audio(part, RATE_HZ)) for part in cut(noise(48_000), range(960, 48_000, 960)))
    return [bytes(page) for page in pages(stream)]


@few
@given(st.lists(st.integers(1, 49), max_size=20, unique=True).map(sorted))
def test_what_is_decoded_of_opus_is_the_same(places: list[int]) -> None:
    """However many pages a packet has."""
    found = opus_pages()

    def decoded(places: list[int]) -> Samples:
        decode = OggOpus().decoder()
        inside = [place for place in places if place < len(found)]
        return np.concatenate([decode(b"".join(found[a:b])) for a, b in pairwise([0, *inside, len(found)])])

    np.testing.assert_array_equal(decoded(places), decoded([]))


# ---- the whole recogniser -------------------------------------------------------------------------------------------


class Patient:
    """Workers that answer when they are told to, and make no guesses: those may depend on the time."""

    def __init__(self) -> None:
        self._jobs: list[tuple[Callable[[Ticket], Any], Callable[[Outcome[Any]], object], Ticket]] = []

    def submit(self, work: Any, done: Any, *, priority: Priority, what: str = "") -> Ticket:
        ticket = Ticket()
        if priority is not Priority.PARTIAL:
            self._jobs.append((work, done, ticket))
        return ticket

    def answer(self) -> None:
        while self._jobs:
            work, done, ticket = self._jobs.pop(0)
            if not ticket.cancelled:
                done(Outcome(work(ticket)))


@dataclass
class Heard:
    """The results of a recogniser for its packets."""

    noticed: list[Event] = field(default_factory=list[Event])
    texts: list[Event] = field(default_factory=list[Event])
    clips: list[Samples] = field(default_factory=list[Samples])
    asked: list[Samples] = field(default_factory=list[Samples])

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Heard)
        return (self.noticed, self.texts) == (other.noticed, other.texts) and all(
            len(mine) == len(theirs) and all(map(np.array_equal, mine, theirs))
            for mine, theirs in ((self.clips, other.clips), (self.asked, other.asked))
        )


def heard(messages: list[Any]) -> Heard:
    """By a recogniser of real stages; what is loud is speech, and of how complete it is, its loudness decides."""
    made, workers = Heard(), Patient()

    def transcribe(samples: Samples, draft: Sequence[int], cancelled: Callable[[], bool]) -> tuple[str, Sequence[int]]:
        made.clips.append(samples)
        return f"clip{len(made.clips)} of {len(samples)}", ()

    def end_of_turn(sound: Audio) -> Observable[float]:
        made.asked.append(sound.samples)
        return reactivex.just(min(1.0, float(np.abs(sound.samples).mean()) * 5))

    pauses = endpoint(
        by_frame(lambda: lambda samples: min(1.0, float(np.abs(samples).mean()) * 5), frame=512, rate_hz=16_000),
        end_of_turn,
        speech_above=0.5,
        silence_below=0.4,
        onset_ms=64,
        pause_ms=160,
        ask_again_ms=200,
        sure_above=0.6,
        silence_ms=720,
        context_s=1.5,
        longest_s=30,
    )
    stt = by_utterance(
        transcribe,
        workers,  # pyright: ignore[reportArgumentType]
        replace(UTTERANCES, voiced_ms=50, join_up_to_s=1, longest_s=2, waiting_clips=1000),
    )

    def recogniser(received: Observable[Any]) -> Observable[Event]:
        return received.pipe(decode(Pcm16(RATE_HZ)), listen(stt, pauses, flush_at=0.6))

    for event in collected(recogniser, messages, workers.answer):
        (made.texts if isinstance(event, WordRecognised | Transcribed) else made.noticed).append(event)
    return made


def collected(stage: Any, items: list[Any], then: Callable[[], None] = lambda: None) -> list[Any]:
    """Return the stage's output for the items, and for what follows them."""
    out: list[Any] = []
    source: Subject[Any] = Subject()
    loop = asyncio.new_event_loop()
    try:
        with source.pipe(stage).subscribe(out.append, scheduler=LoopScheduler(loop)):
            for item in items:
                source.on_next(item)
            then()
    finally:
        loop.close()
    return out


LEVELS = st.tuples(st.sampled_from([0.0, 0.08, 0.2, 0.5]), st.integers(30, 900))
"""A stretch of noise: how loud, and for how many milliseconds."""
WISHES = st.sampled_from(
    [
        InputCommitted("item"),
        InputCleared(),
        SettingsChanged("x", turns=TurnTaking("meaning")),
        SettingsChanged("x", turns=TurnTaking("client", prefix_ms=0)),
        SettingsChanged("x", turns=TurnTaking("voice", silence_ms=100, prefix_ms=900)),
    ]
)


def sent(stretches: list[tuple[float, int]], wishes: list[tuple[float, Event]], places: list[float]) -> list[Any]:
    """A recording in packets, and what the client wants at some places of it; all places from 0 to 1."""
    sizes = [ms * RATE_HZ // 1000 for _, ms in stretches]
    level = np.repeat([level for level, _ in stretches], sizes).astype(np.float32)
    pcm = (noise(len(level)) * level * 32767).astype("<i2")
    borders = {round(place * len(pcm)) for place in places} | set(range(0, len(pcm), LONGEST_PACKET))
    wanted = sorted((round(place * len(pcm)), number) for number, (place, _) in enumerate(wishes))
    ends = sorted(borders | {place for place, _ in wanted} | {0, len(pcm)})
    messages: list[Any] = []
    for start, stop in pairwise(ends):
        messages += [wishes[number][1] for place, number in wanted if place == start]
        messages.append(AudioReceived(pcm[start:stop].tobytes()))
    return messages + [wishes[number][1] for place, number in wanted if place == len(pcm)]


def even(step_ms: int, stretches: list[tuple[float, int]]) -> list[float]:
    """As a live client cuts it."""
    whole_ms = sum(ms for _, ms in stretches)
    return [at / whole_ms for at in range(step_ms, whole_ms, step_ms)]


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(LEVELS, min_size=1, max_size=14),
    st.lists(st.tuples(st.floats(0, 1), WISHES), max_size=3),
    st.lists(st.floats(0, 1), max_size=40),
)
def test_the_ear_hears_the_same(
    stretches: list[tuple[float, int]], wishes: list[tuple[float, Event]], places: list[float]
) -> None:
    """In frames of 20 ms, in pieces of 80 ms, by the second and cut anywhere.

    A second of silence ends each recording: how much of its last milliseconds the resampler still holds back depends on
    the packets, and in mid-speech that could be the difference between one guess more or less.
    """
    stretches = [*stretches, (0.0, 1000)]
    live = heard(sent(stretches, wishes, even(20, stretches)))
    for other in (even(80, stretches), even(7, stretches), [], places):
        assert heard(sent(stretches, wishes, other)) == live


TALK = [(0.5, 700), (0.0, 900), (0.5, 2600), (0.08, 200), (0.5, 900), (0.0, 1200)]


@pytest.mark.parametrize("step_ms", [7, 80, 85, 1000])
def test_a_talk_is_heard_the_same(step_ms: int) -> None:
    """One with all there is: a turn that ends, speech that is cut as it is too long, and a model that is asked."""
    live = heard(sent(TALK, [], even(20, TALK)))
    assert heard(sent(TALK, [], even(step_ms, TALK))) == live
    assert (len(live.clips), len(live.asked)) == (4, 7)


@pytest.mark.parametrize("speech_ms", range(1700, 2200, 40))
def test_speech_about_as_long_as_a_clip_may_be_is_cut_the_same(speech_ms: int) -> None:
    """The rest of a packet does not decide whether it is cut or stops before."""
    said = [(0.0, 300), (0.5, speech_ms // 2), (0.2, 100), (0.5, speech_ms // 2), (0.0, 1500)]
    live = heard(sent(said, [], even(20, said)))
    for step_ms in (80, 1000):
        assert heard(sent(said, [], even(step_ms, said))) == live


@pytest.mark.parametrize("step_ms", [20, 80, 1000])
def test_settings_that_come_in_mid_speech_cost_no_sound_of_it(step_ms: int) -> None:
    """The clip begins where the speech began, 1.7 s before."""
    said = [(0.0, 300), (0.5, 1900), (0.0, 1500)]
    wish = SettingsChanged("x", turns=TurnTaking("meaning"))
    one, same = (heard(sent(said, wishes, even(step_ms, said))) for wishes in ([], [(2000 / 3700, wish)]))
    assert [clip.size for clip in same.clips] == [clip.size for clip in one.clips]


def test_sound_that_was_let_go_is_in_no_clip() -> None:
    """Though a long packet still holds it: the client wants more of it than was kept until it said so."""
    said = [(0.0, 3000), (0.5, 800), (0.0, 1500)]
    wish = SettingsChanged("x", turns=TurnTaking("voice", prefix_ms=2900))
    live, once = (heard(sent(said, [(2950 / 5300, wish)], places)) for places in (even(20, said), []))
    assert live == once
    assert live.clips[0].size < (1.3 + 0.8 + 0.2) * 16_000
