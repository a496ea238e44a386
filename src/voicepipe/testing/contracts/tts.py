"""`check_tts`: whether a stage keeps the contract of a voice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from voicepipe.events import Event, ReplyAudio, ReplyText, SynthesisEnded, SynthesisStarted, WordSpoken
from voicepipe.stage import Stage
from voicepipe.testing.contracts.trial import (
    ContractBroken,
    Trial,
    check_cancelling,
    check_source_error,
    in_virtual_time,
    subscribed,
)
from voicepipe.testing.marbles.harness import Marbles

__all__ = ["check_tts"]

TEXT = "Well, this is a test. It has a second sentence, which is longer. And there is a third one, at the end of it."

SLACK_S = 0.08
"""A frame: how late a word may be behind its sound, and how far lengths may differ."""

Voice: TypeAlias = Stage[ReplyText, ReplyAudio | Event]


def check_tts(
    stage: Voice,
    *,
    text: str = TEXT,
    marbles: Marbles | None = None,
    broken: Mapping[str, Voice] | None = None,
    within_s: float = 10.0,
) -> None:
    """Check that a stage keeps the contract of a TTS, in virtual time.

    Args:
        stage: Speaks a reply; it is subscribed for each reply anew.
        text: What it is to say: several sentences that it can say.
        marbles: The harness with the loop of the stage's service; None: the stage needs none, and a new loop shows
            what it leaves behind.
        broken: Stages by what is wrong with the service of each, as in `{"silent": …, "cut": …}`: each must fail.
        within_s: How long the first sound, the end, and an error may take.

    Raises:
        ContractBroken: It breaks a rule, which the message names, with what to do.
    """

    async def main() -> None:
        reply = await _reply(stage, text, within_s)
        _check_text(reply, text)
        _check_sound(reply)
        _check_words(reply, text)
        await _check_others(stage, text, reply, within_s)
        for name, failing in (broken or {}).items():
            await _check_failing(name, failing, text, within_s)

    in_virtual_time(main, marbles)


def _words(text: str) -> list[ReplyText]:
    """Return a text as `split_words` gives it."""
    return [ReplyText(f" {word}" if number else word) for number, word in enumerate(text.split())]


async def _reply(stage: Voice, text: str, within_s: float) -> Trial:
    """Say a text; the last words come when there has been sound."""
    words = _words(text)
    later = max(1, len(words) * 2 // 3)
    async with subscribed(stage) as trial:
        for word in words[:later]:
            trial.send(word)
        if not await trial.until(lambda: trial.of(ReplyAudio), within_s):
            raise ContractBroken(
                "speaks-early",
                (trial.error and f"it failed: {trial.error!r}") or f"no sound within {within_s:g} s of {later} words",
                "Emit the sound of the first words while later ones are still being written",
            )
        for word in words[later:]:
            trial.send(word)
        trial.complete()
        await trial.until(lambda: trial.ended, within_s)
        _check_end(trial, f"{within_s:g} s after the text's end")
    return trial


def _check_end(trial: Trial, when: str) -> None:
    if trial.error is not None:
        raise ContractBroken("completes", f"it failed: {trial.error!r}", "Complete when all sound has been emitted")
    if not trial.completed:
        raise ContractBroken("completes", f"it has not completed {when}", "Complete when all sound has been emitted")


def _check_text(reply: Trial, text: str) -> None:
    if reply.of(ReplyText) != _words(text):
        passed = "".join(word.delta for word in reply.of(ReplyText))
        raise ContractBroken(
            "passes-text", f"of the text it passed {passed!r}", "Emit each ReplyText as it came, at once"
        )


def _check_sound(reply: Trial) -> None:
    for sound in reply.of(ReplyAudio):
        samples = sound.audio.samples
        right = samples.dtype == np.float32 and samples.ndim == 1 and np.isfinite(samples).all()
        if not right or not len(samples) or np.abs(samples).max() > 1:
            happened = f"a ReplyAudio has {samples.dtype} samples of shape {samples.shape}, some above 1 or none"
            raise ContractBroken("sound-format", happened, "Emit float32 in [-1, 1], mono, of shape (n,), not empty")
    first = next(item for item in reply.items() if isinstance(item, SynthesisStarted | ReplyAudio))
    if isinstance(first, ReplyAudio):
        advice = "Emit SynthesisStarted when there is enough text to begin: the response time is measured by it"
        raise ContractBroken("started-before-sound", "there is no SynthesisStarted before the first sound", advice)
    made_s, told_s = _made_s(reply), sum(ended.duration_s for ended in reply.of(SynthesisEnded))
    if abs(made_s - told_s) > SLACK_S:
        happened = f"SynthesisEnded says {told_s:.2f} s in all, and {made_s:.2f} s of sound came"
        raise ContractBroken("ended-with-sound", happened, "Emit SynthesisEnded with the length of each piece of text")


def _check_words(reply: Trial, text: str) -> None:
    words = reply.of(WordSpoken)
    said = "".join("".join(word.word.split()) for word in words)
    if said != "".join(text.split()):
        happened = f"the words of WordSpoken are {' '.join(word.word for word in words)!r}"
        advice = "Emit a WordSpoken for each written word, once, with its punctuation: what is heard is counted by them"
        raise ContractBroken("all-words", happened, advice)
    made_s = _made_s(reply)
    for word in words:
        if not -1e-6 <= word.start_s <= word.stop_s + 1e-6 or word.start_s > made_s + SLACK_S:
            happened = f"{word} lies outside of the {made_s:.2f} s of sound"
            raise ContractBroken("word-times", happened, "Count times in seconds from the reply's first sample")
    for before, after in pairwise(words):
        if after.start_s < before.start_s - 1e-6:
            raise ContractBroken(
                "word-times", f"{after} begins before {before}", "Emit words in the order of their times"
            )
    _check_order(reply)


def _check_order(reply: Trial) -> None:
    """A word comes before its sound: `pace` releases both on one clock."""
    made_s = 0.0
    for item in reply.items():
        if isinstance(item, ReplyAudio):
            made_s += item.audio.duration_s
        elif isinstance(item, WordSpoken) and item.start_s < made_s - SLACK_S:
            happened = f"{item} came behind {made_s:.2f} s of sound"
            raise ContractBroken("words-before-sound", happened, "Emit each WordSpoken before the ReplyAudio it is in")


def _made_s(reply: Trial) -> float:
    return sum(sound.audio.duration_s for sound in reply.of(ReplyAudio))


async def _check_others(stage: Voice, text: str, reply: Trial, within_s: float) -> None:
    again = await _reply(stage, text, within_s)
    if abs(_made_s(again) - _made_s(reply)) > _made_s(reply) / 2 or again.of(WordSpoken)[0].start_s > SLACK_S * 4:
        advice = "Keep the state of a reply in its subscription, not in the stage"
        raise ContractBroken("fresh-for-each-reply", "the second reply is not like the first", advice)
    for nothing in ("", "🙂"):
        await _check_silent(stage, nothing, within_s)
    await check_source_error(stage, ReplyText("Well,"))
    first_s = next(one.at_s for one in reply.seen if isinstance(one.item, ReplyAudio))
    times_s = (0.0, first_s / 2, first_s + 0.02)

    async def play(trial: Trial) -> None:
        for word in _words(text):
            trial.send(word)

    await check_cancelling(stage, play, *times_s)


async def _check_silent(stage: Voice, text: str, within_s: float) -> None:
    async with subscribed(stage) as trial:
        for word in _words(text):
            trial.send(word)
        trial.complete()
        await trial.until(lambda: trial.ended, within_s)
        if not trial.completed:
            happened = f"the reply {text!r} ended with {trial.error!r}" if trial.error else f"{text!r} never completed"
            raise ContractBroken("nothing-to-say", happened, "Complete without sound where the text has none")


async def _check_failing(name: str, stage: Voice, text: str, within_s: float) -> None:
    async with subscribed(stage) as trial:
        for word in _words(text):
            trial.send(word)
        trial.complete()
        await trial.until(lambda: trial.ended, within_s)
        if trial.error is None:
            what = (
                "completed as if all had been said"
                if trial.completed
                else f"neither ended nor failed in {within_s:g} s"
            )
            advice = "Give each wait for the service a deadline, and fail with an error that says what to do"
            raise ContractBroken("failure-is-told", f"with a service that is {name}, it {what}", advice)
        if left := await trial.left():
            raise ContractBroken(
                "releases", f"after its failure tasks are left: {', '.join(left)}", "End them in `finally`"
            )
    await asyncio.sleep(0)
