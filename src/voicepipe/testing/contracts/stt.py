"""`check_stt`: whether a stage keeps the contract of a recogniser."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from voicepipe.audio import resampled
from voicepipe.events import (
    Audio,
    Event,
    FlushRequested,
    SpeechStarted,
    SpeechStopped,
    StageFailed,
    Transcribed,
    Warned,
    WordRecognised,
)
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

__all__ = ["check_stt"]

Recogniser: TypeAlias = Stage[Audio | Event, Event]

BEFORE_S, AFTER_S, ONSET_S, PAUSE_S = 1.0, 0.4, 0.064, 0.16
"""Silence before and after the speech, and the delay with which a VAD notices its start and its end, in seconds: as in
`ENDPOINTING`."""

SLACK_S = 0.5
"""The largest distance of a word's time from the speech, in seconds: margins of a clip, and estimates."""


@dataclass(frozen=True, slots=True)
class _Microphone:
    """Plays the speech between silences, in real time; with the edges of a VAD, unless the stage notices pauses."""

    speech: Audio
    edges: bool
    frame_s: float = 0.02

    @property
    def length_s(self) -> float:
        return BEFORE_S + self.speech.duration_s + AFTER_S

    async def say(self, trial: Trial, from_s: float = 0.0, *, flush: bool = True) -> float:
        """Play it from `from_s` of the sound on; return where the speech has stopped."""
        start_s, rate_hz = from_s + BEFORE_S, self.speech.rate_hz
        stop_s = start_s + self.speech.duration_s
        events = self._events(start_s, stop_s) if self.edges else []
        events += [(stop_s + PAUSE_S, FlushRequested(stop_s))] if flush else []
        silences = (round(BEFORE_S * rate_hz), round(AFTER_S * rate_hz))
        await self._play(trial, Audio(np.pad(self.speech.samples, silences), rate_hz), from_s, events)
        return stop_s

    async def silence(self, trial: Trial, from_s: float, length_s: float) -> None:
        rate_hz = self.speech.rate_hz
        await self._play(trial, Audio(np.zeros(round(length_s * rate_hz), np.float32), rate_hz), from_s, [])

    def _events(self, start_s: float, stop_s: float) -> list[tuple[float, Event]]:
        started = SpeechStarted(start_s, start_s + ONSET_S)
        stopped = SpeechStopped(stop_s, stop_s + PAUSE_S, self.speech.duration_s)
        return [(started.noticed_s, started), (stopped.noticed_s, stopped)]

    async def _play(self, trial: Trial, sound: Audio, from_s: float, events: list[tuple[float, Event]]) -> None:
        size = round(self.frame_s * sound.rate_hz)
        for start in range(0, len(sound.samples), size):
            piece = Audio(sound.samples[start : start + size], sound.rate_hz)
            await asyncio.sleep(piece.duration_s)
            trial.send(piece)
            while events and events[0][0] <= from_s + (start + size) / sound.rate_hz + 1e-6:
                trial.send(events.pop(0)[1])


def check_stt(
    stage: Recogniser,
    speech: Audio,
    text: str,
    *,
    notices_pauses: bool = False,
    marbles: Marbles | None = None,
    broken: Mapping[str, Recogniser] | None = None,
    within_s: float = 5.0,
) -> None:
    """Check that a stage keeps the contract of a recogniser, in virtual time.

    Args:
        stage: Recognises one session's speech; it is subscribed for each session anew.
        speech: Words that it recognises, without silence around them.
        text: The words, in any case and with any punctuation.
        notices_pauses: Whether it notices pauses itself, and is given no edges of a VAD.
        marbles: The harness with the loop of the stage's service; None: the stage needs none, and a new loop shows
            what it leaves behind.
        broken: Stages by what is wrong with the service of each, as in `{"silent": …, "cut": …}`: each must tell it.
        within_s: How long the answer to a flush, the end, and the news of a failure may take.

    Raises:
        ContractBroken: It breaks a rule, which the message names, with what to do.
    """
    microphone = _Microphone(speech, edges=not notices_pauses)

    async def main() -> None:
        await _check_session(stage, microphone, text, within_s)
        other = Audio(resampled(speech, 16_000).samples, 16_000)
        await _check_packets(stage, _Microphone(other, microphone.edges, 0.037), text, within_s)
        await check_source_error(stage, Audio(np.zeros(480, np.float32), 24_000))
        await _check_cancelling(stage, microphone)
        for name, failing in (broken or {}).items():
            await _check_failing(name, failing, microphone, within_s)

    in_virtual_time(main, marbles)


# ---- a session -------------------------------------------------------------------------------------------------------


async def _check_session(stage: Recogniser, microphone: _Microphone, text: str, within_s: float) -> None:
    """Two utterances, a flush in the silence between them, and the end."""
    async with subscribed(stage) as trial:
        await _check_utterance(trial, microphone, text, 0.0, within_s)
        pause_s = microphone.length_s
        await microphone.silence(trial, pause_s, 1.0)
        before = len(trial.seen)
        trial.send(FlushRequested(pause_s + 0.9))
        await _check_flush(trial, before, pause_s + 0.9, within_s)
        if said := [one.item for one in trial.seen[before:] if isinstance(one.item, WordRecognised)]:
            raise ContractBroken("silence", f"{said[0]} was recognised in silence", "Write no words for silence")
        await _check_utterance(trial, microphone, text, pause_s + 1.0, within_s)
        trial.complete()
        await trial.until(lambda: trial.ended, within_s)
        if not trial.completed:
            happened = f"it failed: {trial.error!r}" if trial.error else f"it has not completed in {within_s:g} s"
            advice = "Complete when the source has completed and all words have been emitted"
            raise ContractBroken("completes", happened, advice)


async def _check_utterance(trial: Trial, microphone: _Microphone, text: str, from_s: float, within_s: float) -> None:
    before = len(trial.seen)
    stop_s = await microphone.say(trial, from_s)
    await _check_flush(trial, before, stop_s, within_s)
    seen = [one.item for one in trial.seen[before:]]
    words = [item for item in seen if isinstance(item, WordRecognised)]
    _check_times(words, from_s + BEFORE_S, stop_s)
    done = next(
        at for at, item in enumerate(seen) if isinstance(item, Transcribed) and item.until_s >= stop_s - SLACK_S
    )
    _check_words(seen, words, text)
    if late := [item for item in seen[done:] if isinstance(item, WordRecognised)]:
        happened = f"{late[0]} came behind its {seen[done]}"
        advice = "Emit Transcribed when every word before until_s has been emitted: the turn ends there"
        raise ContractBroken("words-before-transcribed", happened, advice)


async def _check_flush(trial: Trial, before: int, at_s: float, within_s: float) -> None:
    def answered() -> bool:
        done = [one.item for one in trial.seen[before:] if isinstance(one.item, Transcribed)]
        return any(item.until_s >= at_s - SLACK_S for item in done)

    if not await trial.until(answered, within_s):
        why = f"it failed: {trial.error!r}" if trial.error else f"no Transcribed within {within_s:g} s"
        advice = "Answer each FlushRequested by a Transcribed with an until_s of at_s or later, also without any word"
        raise ContractBroken("flush", f"FlushRequested({at_s:.2f}): {why}", advice)


def _check_words(seen: list[Event], words: list[WordRecognised], text: str) -> None:
    expected, emitted = _letters(text), _letters(" ".join(word.text for word in words))
    texts = [item.text for item in seen if isinstance(item, Transcribed) and item.text is not None]
    final = _letters(" ".join(texts)) if texts else emitted
    if final != expected:
        happened = f"of {' '.join(expected)!r} it made {' '.join(final)!r}"
        raise ContractBroken("recognises", happened, "Emit every word of the speech, each once")
    if (not texts and emitted != expected) or len(emitted) > len(expected):
        happened = f"the emitted words are {' '.join(emitted)!r}"
        raise ContractBroken("each-word-once", happened, "Emit a WordRecognised for each word, and none twice")


def _check_times(words: list[WordRecognised], start_s: float, stop_s: float) -> None:
    for word in words:
        inside = start_s - SLACK_S <= word.start_s <= stop_s + SLACK_S
        if not inside or word.stop_s < word.start_s - 1e-6:
            happened = f"{word} lies outside of the speech, from {start_s:.2f} to {stop_s:.2f} s"
            advice = "Count times in seconds of the sound since the subscription, at any rate and in any pieces"
            raise ContractBroken("word-times", happened, advice)
    for before, after in pairwise(words):
        if after.start_s < before.start_s - 1e-6:
            raise ContractBroken(
                "word-times", f"{after} begins before {before}", "Emit words in the order of their times"
            )


def _letters(text: str) -> list[str]:
    words = ("".join(filter(str.isalnum, word)).lower() for word in text.split())
    return [word for word in words if word]


# ---- other sessions --------------------------------------------------------------------------------------------------


async def _check_packets(stage: Recogniser, microphone: _Microphone, text: str, within_s: float) -> None:
    """The same speech at another rate and in other pieces, in a session of its own."""
    try:
        async with subscribed(stage) as trial:
            await _check_utterance(trial, microphone, text, 0.0, within_s)
    except ContractBroken as broken:
        happened = f"in a second session, at 16 kHz in pieces of 37 ms: {broken}"
        advice = "Resample what comes, hold what fills no frame, and keep all state in the subscription"
        raise ContractBroken("any-packets", happened, advice) from None


async def _check_cancelling(stage: Recogniser, microphone: _Microphone) -> None:
    async def play(trial: Trial) -> None:
        await microphone.say(trial)

    speech_s = microphone.speech.duration_s
    await check_cancelling(stage, play, 0.0, BEFORE_S + speech_s / 2, BEFORE_S + speech_s + PAUSE_S + 0.03)


async def _check_failing(name: str, stage: Recogniser, microphone: _Microphone, within_s: float) -> None:
    async with subscribed(stage) as trial:
        await microphone.say(trial)
        await trial.until(lambda: trial.of(Warned, StageFailed) or trial.ended, within_s)
        if trial.error is None and not trial.of(Warned, StageFailed):
            happened = f"with a service that is {name}, nothing was told within {within_s:g} s"
            advice = (
                "Give each wait for the service a deadline; emit Warned(…, service_lost=True), or fail with an error"
            )
            raise ContractBroken("failure-is-told", happened, advice)
