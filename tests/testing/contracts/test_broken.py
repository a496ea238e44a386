"""Stages that break the contracts are found out, by the name of the rule, with what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest
import reactivex
from kyutai import TONES
from reactivex import Observable
from reactivex import operators as rx

from voicepipe import Overflow, Stage, async_stage
from voicepipe.events import (
    Audio,
    Event,
    FlushRequested,
    ReplyAudio,
    ReplyText,
    SpeechProbability,
    SpeechStarted,
    SynthesisEnded,
    SynthesisStarted,
    Transcribed,
    WordRecognised,
    WordSpoken,
)
from voicepipe.rx import scheduler_of, transduce
from voicepipe.testing import ContractBroken, check_stt, check_tts, check_vad

SPEECH = TONES.say("one two")


class Synthesis:
    """A good voice: a tone of 0.2 s for each word that has letters."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def __call__(self, text: ReplyText) -> Iterator[Any]:
        yield text
        if any(map(str.isalnum, text.delta)):
            start_s, self.at_s = self.at_s, self.at_s + 0.2
            yield SynthesisStarted(text.delta)
            yield WordSpoken(text.delta.strip(), start_s, self.at_s)
            yield ReplyAudio(Audio(np.full(4_800, 0.3, np.float32), 24_000))
            yield SynthesisEnded(0.2)


GOOD: Stage[ReplyText, Any] = transduce(lambda _: Synthesis())


def changed(change: Callable[[Any], Any]) -> Stage[ReplyText, Any]:
    """The good voice, with another item in place of each; None: with none."""
    return lambda words: words.pipe(GOOD, rx.map(change), rx.filter(lambda item: item is not None))


def waits_for_the_end(words: Observable[ReplyText]) -> Observable[Any]:
    return words.pipe(rx.to_list(), rx.flat_map(lambda all_of_them: reactivex.from_iterable(all_of_them)), GOOD)


def sound_first(words: Observable[ReplyText]) -> Observable[Any]:
    """Each word 0.4 s behind its sound."""

    class Late:
        def __init__(self) -> None:
            self.held = list[WordSpoken]()

        def __call__(self, item: Any) -> Iterator[Any]:
            if isinstance(item, WordSpoken):
                self.held.append(item)
                item = self.held.pop(0) if len(self.held) > 3 else None
            if item is not None:
                yield item

        def rest(self) -> Iterator[Any]:
            yield from self.held

    return words.pipe(GOOD, transduce(lambda _: Late(), finish=Late.rest))


def goes_on(words: Observable[ReplyText]) -> Observable[Any]:
    """A task that nothing ends."""

    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        scheduler_of(scheduler).spawn(asyncio.sleep(3600), "left behind")
        return words.pipe(GOOD).subscribe(observer, scheduler=scheduler)

    return Observable(subscribe)


def swallows(words: Observable[ReplyText]) -> Observable[Any]:
    return words.pipe(GOOD, rx.catch(lambda error, _: reactivex.empty()))


def keeps_its_source(words: Observable[ReplyText]) -> Observable[Any]:
    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        words.pipe(GOOD).subscribe(observer, scheduler=scheduler)
        return reactivex.disposable.Disposable()  # type: ignore[attr-defined]

    return Observable(subscribe)


def hangs(words: Observable[ReplyText]) -> Observable[Any]:
    return words.pipe(GOOD, rx.concat(reactivex.never()))


async def never_answers(words: AsyncIterator[ReplyText]) -> AsyncIterator[Any]:
    async for _ in words:
        await asyncio.sleep(3600)
        yield _


SILENT = async_stage(never_answers, boundary="mine", capacity=100, overflow=Overflow.FAIL_TURN)


def shifted(seconds: float) -> Callable[[Any], Any]:
    def change(item: Any) -> Any:
        if isinstance(item, WordSpoken):
            return WordSpoken(item.word, item.start_s + seconds, item.stop_s + seconds)
        return item

    return change


def loud(item: Any) -> Any:
    return ReplyAudio(Audio(item.audio.samples * 9, 24_000)) if isinstance(item, ReplyAudio) else item


@pytest.mark.parametrize(
    ("stage", "rule", "says"),
    [
        (waits_for_the_end, "speaks-early", "no sound within 10 s"),
        (changed(lambda item: None if isinstance(item, ReplyText) else item), "passes-text", "it passed ''"),
        (changed(loud), "sound-format", r"Emit float32 in \[-1, 1\]"),
        (
            changed(lambda item: None if isinstance(item, SynthesisStarted) else item),
            "started-before-sound",
            "measured",
        ),
        (changed(lambda item: None if isinstance(item, SynthesisEnded) else item), "ended-with-sound", "says 0.00 s"),
        (changed(lambda item: None if isinstance(item, WordSpoken) else item), "all-words", "what is heard is counted"),
        (changed(shifted(60)), "word-times", "from the reply's first sample"),
        (sound_first, "words-before-sound", "Emit each WordSpoken before"),
        (hangs, "completes", "it has not completed"),
        (swallows, "source-error", "the source's error was swallowed"),
        (keeps_its_source, "unsubscribes", "is still subscribed to its source"),
        (goes_on, "releases", "left behind"),
    ],
)
def test_a_voice(stage: Any, rule: str, says: str) -> None:
    with pytest.raises(ContractBroken, match=says) as broken:
        check_tts(stage)
    assert broken.value.rule == rule
    assert broken.value.advice


def test_a_good_voice() -> None:
    check_tts(GOOD)


def test_a_voice_that_waits_for_its_service_for_ever() -> None:
    with pytest.raises(ContractBroken, match="with a service that is silent, it neither ended nor failed") as broken:
        check_tts(GOOD, broken={"silent": SILENT})
    assert broken.value.rule == "failure-is-told"


# ---- recognisers -----------------------------------------------------------------------------------------------------


class Ear:
    """Knows that each speech is "one two"; what it does wrong is a member."""

    answers_flush = True
    counts_from = 0.0
    twice = False
    late = False
    in_silence = False

    def __init__(self) -> None:
        self.speech_s: float | None = None

    def __call__(self, item: Any) -> Iterator[Event]:
        match item:
            case SpeechStarted(at_s=at_s):
                self.speech_s = at_s
            case FlushRequested(at_s=at_s):
                yield from self.flush(at_s)
            case _:
                pass

    def flush(self, at_s: float) -> Iterator[Event]:
        start_s, self.speech_s = self.speech_s, None
        words = self.words(start_s) if start_s is not None else []
        if self.in_silence and start_s is None:
            words = [WordRecognised("you", at_s, at_s)]
        done = [Transcribed(at_s)] if self.answers_flush else []
        yield from [*done, *words] if self.late else [*words, *done]

    def words(self, start_s: float) -> list[WordRecognised]:
        begin_s = start_s + self.counts_from
        said = [WordRecognised("one", begin_s, begin_s + 0.2), WordRecognised("two", begin_s + 0.3, begin_s + 0.5)]
        return [*said, said[-1]] if self.twice else said


def ear(**wrong: Any) -> Stage[Any, Any]:
    kind = type("Wrong", (Ear,), wrong)
    return transduce(lambda _: kind())


def backwards(sound: Observable[Any]) -> Observable[Any]:
    def change(item: Any) -> Any:
        return WordRecognised("two", item.start_s - 0.5, item.stop_s) if getattr(item, "text", "") == "two" else item

    return sound.pipe(ear(), rx.map(change))


def shared(sound: Observable[Any]) -> Observable[Any]:
    """Positions go on from one session to the next."""
    state = shared.__dict__.setdefault("offset", [0.0])

    def change(item: Any) -> Any:
        if isinstance(item, WordRecognised):
            return WordRecognised(item.text, item.start_s + state[0], item.stop_s + state[0])
        return item

    state[0] = shared.__dict__.get("next", 0.0)
    shared.__dict__["next"] = 10.0
    return sound.pipe(ear(), rx.map(change))


@pytest.mark.parametrize(
    ("stage", "rule", "says"),
    [
        (ear(answers_flush=False), "flush", "no Transcribed within 5 s"),
        (ear(counts_from=-0.9), "word-times", "lies outside of the speech"),
        (backwards, "word-times", "begins before"),
        (ear(twice=True), "recognises", "of 'one two' it made 'one two two'"),
        (ear(late=True), "words-before-transcribed", "came behind its Transcribed"),
        (ear(in_silence=True), "silence", "was recognised in silence"),
        (shared, "any-packets", "in a second session"),
        (lambda sound: sound.pipe(ear(), rx.concat(reactivex.never())), "completes", "has not completed"),
    ],
)
def test_a_recogniser(stage: Any, rule: str, says: str) -> None:
    with pytest.raises(ContractBroken, match=says) as broken:
        check_stt(stage, SPEECH, "One, two.")
    assert broken.value.rule == rule


def test_a_good_recogniser_and_one_that_tells_no_failure() -> None:
    check_stt(ear(), SPEECH, "One, two.")
    with pytest.raises(ContractBroken, match="with a service that is cut, nothing was told") as broken:
        check_stt(ear(), SPEECH, "One, two.", broken={"cut": ear(answers_flush=False)})
    assert broken.value.rule == "failure-is-told"


# ---- VADs ------------------------------------------------------------------------------------------------------------


def of_packets(sound: Observable[Audio]) -> Observable[SpeechProbability]:
    """One probability a packet, whatever its length."""
    at_s = 0.0

    def judge(audio: Audio) -> SpeechProbability:
        nonlocal at_s
        at_s += audio.duration_s
        return SpeechProbability(float(np.abs(audio.samples).max() > 0.1), at_s)

    return sound.pipe(rx.map(judge))


@pytest.mark.parametrize(
    ("stage", "rule"),
    [
        (of_packets, "any-packets"),
        (lambda sound: sound.pipe(rx.map(lambda _: SpeechProbability(0.5, 1.0))), "frame-times"),
        (lambda sound: sound.pipe(rx.map(lambda _: SpeechProbability(7, 1.0))), "probabilities"),
        (lambda sound: of_packets(sound).pipe(rx.map(lambda one: SpeechProbability(0.1, one.at_s))), "tells-speech"),
    ],
)
def test_a_vad(stage: Any, rule: str) -> None:
    with pytest.raises(ContractBroken) as broken:
        check_vad(stage, SPEECH)
    assert broken.value.rule == rule
