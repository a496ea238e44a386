"""`check_vad`: whether a stage keeps the contract of a VAD."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np

from voicepipe.audio import resampled
from voicepipe.events import Audio, SpeechProbability
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

__all__ = ["check_vad"]

Vad: TypeAlias = Stage[Audio, SpeechProbability]

SILENCE_S, LONGEST_FRAME_S = 1.0, 0.1
"""Silence before and behind the speech; how far apart two probabilities may be, so that a pause of 160 ms is seen."""


def check_vad(stage: Vad, speech: Audio, *, marbles: Marbles | None = None) -> None:
    """Check that a stage keeps the contract of a VAD, in virtual time.

    Args:
        stage: Detects speech in one session's sound; it is subscribed for each session anew.
        speech: Speech without long pauses, and without silence around it.
        marbles: The harness with the loop that it needs; None: a new one, which shows what it leaves behind.

    Raises:
        ContractBroken: It breaks a rule, which the message names, with what to do.
    """

    async def main() -> None:
        first = await _session(stage, speech, 0.02)
        _check_frames(first)
        _check_speech(first, speech.duration_s)
        other = await _session(stage, Audio(resampled(speech, 16_000).samples, 16_000), 0.037)
        if len(other) != len(first) or _distance(first, other) > 0.1:
            happened = f"the same sound at 16 kHz, in pieces of 37 ms, gave {len(other)} other probabilities"
            advice = "Resample what comes, hold what fills no frame, and keep all state in the subscription"
            raise ContractBroken("any-packets", happened, advice)
        await check_source_error(stage, speech)

        async def play(trial: Trial) -> None:
            trial.send(speech)

        await check_cancelling(stage, play, 0.0, 0.1)

    in_virtual_time(main, marbles)


async def _session(stage: Vad, speech: Audio, piece_s: float) -> list[SpeechProbability]:
    silence = round(SILENCE_S * speech.rate_hz)
    samples, size = np.pad(speech.samples, (silence, silence)), round(piece_s * speech.rate_hz)
    async with subscribed(stage) as trial:
        for start in range(0, len(samples), size):
            trial.send(Audio(samples[start : start + size], speech.rate_hz))
        trial.complete()
        if not await trial.until(lambda: trial.completed, 1.0):
            raise ContractBroken(
                "completes", f"it ended with {trial.error!r}", "Complete when the source has completed"
            )
        return trial.of(SpeechProbability)


def _check_frames(found: list[SpeechProbability]) -> None:
    if not found or any(not 0 <= one.probability <= 1 for one in found):
        happened = f"{len(found)} probabilities, from 0 to 1 or not"
        raise ContractBroken("probabilities", happened, "Emit a SpeechProbability from 0 to 1 for each frame")
    for before, after in pairwise(found):
        if not 0 < after.at_s - before.at_s <= LONGEST_FRAME_S:
            happened = f"{after} follows {before}"
            advice = "Emit one for each frame, with at_s the end of the frame in seconds of the sound"
            raise ContractBroken("frame-times", happened, advice)


def _check_speech(found: list[SpeechProbability], speech_s: float) -> None:
    inside = [one.probability for one in found if SILENCE_S + 0.1 < one.at_s < SILENCE_S + speech_s]
    before = [one.probability for one in found if one.at_s < SILENCE_S]
    if not inside or np.mean(inside) < 0.5 or np.mean(before) > 0.5:
        happened = f"the mean probability is {np.mean(inside):.2f} in speech and {np.mean(before):.2f} in silence"
        advice = "It should be above 0.5 in speech and below in silence; at_s counts from the subscription"
        raise ContractBroken("tells-speech", happened, advice)


def _distance(one: list[SpeechProbability], other: list[SpeechProbability]) -> float:
    return float(np.median([abs(a.probability - b.probability) for a, b in zip(one, other, strict=True)]))
