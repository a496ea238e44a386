"""`endpoint`: from a VAD's frames to where speech starts and stops, and whether the user has finished."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.events import Audio, Event, Pause, SpeechStarted, SpeechStopped, Voice
from voicepipe.rx import transduce
from voicepipe.stage import Stage

__all__ = ["EndOfTurn", "endpoint"]

EndOfTurn: TypeAlias = Callable[[Audio], Observable[float]]
"""How surely speech is complete, from the sound of its last seconds: 0 (mid-sentence) to 1. One answer, or none."""


def endpoint(
    vad: Stage[Audio, Voice],
    end_of_turn: EndOfTurn,
    *,
    speech_above: float,
    silence_below: float,
    onset_ms: float,
    pause_ms: float,
    silence_ms: float,
    context_s: float,
) -> Stage[Audio, Event]:
    """`SpeechStarted` and `Pause(0)` when the voice has lasted `onset_ms`; after `pause_ms` without it `SpeechStopped`
    and, when the model has answered, `Pause(its probability)`; after `silence_ms` without it `Pause(1)`.

    Turns so end by meaning, and where the model errs or is not there, by silence. Speech is a frame above
    `speech_above`; silence is one below `silence_below` (a lower one, so that the verdict does not flicker). The model
    hears the last `context_s` of sound; its answer is dropped when the user goes on before it comes, or when it fails.
    All times are counted in audio, not on a clock: a slow machine hears the same speech.

    .. marbles::

        vad        ssssss____________    s: speech, one frame of 20 ms a column   _: silence
        endpoint   --o------q--------T   o: SpeechStarted, Pause(0)   q: SpeechStopped, Pause(p)   T: Pause(1)
    """

    def stage(mic: Observable[Audio]) -> Observable[Event]:
        limits = _Limits(speech_above, silence_below, onset_ms / 1000, pause_ms / 1000, silence_ms / 1000)
        return mic.pipe(
            rx_ops.publish(lambda sound: reactivex.merge(sound, sound.pipe(vad))),
            transduce(lambda _: _Endpointing(limits, _Recent(context_s))),
            rx_ops.map(lambda edge: _events(edge, end_of_turn)),
            rx_ops.switch_latest(),
        )

    return stage


@dataclass(frozen=True, slots=True)
class _Limits:
    speech_above: float
    silence_below: float
    onset_s: float
    pause_s: float
    silence_s: float


@dataclass(frozen=True, slots=True)
class _Stopped:
    """Speech has paused at `at_s`; `sound` is what the model is asked about."""

    at_s: float
    noticed_s: float
    sound: Audio


_Edge: TypeAlias = "SpeechStarted | _Stopped | Pause"


def _events(edge: _Edge, end_of_turn: EndOfTurn) -> Observable[Event]:
    match edge:
        case SpeechStarted(at_s=at_s):
            return reactivex.of(edge, Pause(0.0, at_s))
        case _Stopped(at_s=at_s, noticed_s=noticed_s, sound=sound):
            verdict = end_of_turn(sound).pipe(
                rx_ops.map(lambda probability: Pause(probability, at_s)),
                rx_ops.catch(reactivex.empty()),
            )
            return reactivex.concat(reactivex.just(SpeechStopped(at_s, noticed_s)), verdict)
        case _:
            return reactivex.just(edge)


class _Recent:
    """The last `seconds` of sound."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._held_s = seconds, 0.0
        self._frames: deque[Audio] = deque()

    def add(self, audio: Audio) -> None:
        self._frames.append(audio)
        self._held_s += audio.duration_s
        while self._held_s - self._frames[0].duration_s >= self._seconds:
            self._held_s -= self._frames.popleft().duration_s

    def sound(self) -> Audio:
        samples = [frame.samples for frame in self._frames] or [np.zeros(0, np.float32)]
        return Audio(np.concatenate(samples), self._frames[-1].rate_hz if self._frames else 24_000)


class _Endpointing:
    """Speech or silence, since when, and what has been said of it."""

    def __init__(self, limits: _Limits, recent: _Recent) -> None:
        self._limits, self._recent = limits, recent
        self._speaking = False
        self._run_since: float | None = None
        """Where the run of frames began that speaks against the present state."""
        self._voiced_until = 0.0
        self._frame_began = 0.0
        self._timed_out = True

    def __call__(self, item: Audio | Voice) -> Iterator[_Edge]:
        if isinstance(item, Audio):
            self._recent.add(item)
            return
        began, self._frame_began = self._frame_began, item.at_s
        if self._speaking:
            yield from self._while_speaking(item)
        else:
            yield from self._while_silent(item, began)

    def _while_silent(self, voice: Voice, began: float) -> Iterator[_Edge]:
        if voice.probability < self._limits.speech_above:
            self._run_since = None
            yield from self._lengthen_silence(voice.at_s)
            return
        self._run_since = began if self._run_since is None else self._run_since
        if voice.at_s - self._run_since >= self._limits.onset_s - 1e-6:
            self._speaking, self._timed_out = True, False
            self._voiced_until = voice.at_s
            yield SpeechStarted(self._run_since, voice.at_s)

    def _while_speaking(self, voice: Voice) -> Iterator[_Edge]:
        if voice.probability >= self._limits.silence_below:
            self._voiced_until = voice.at_s
        elif voice.at_s - self._voiced_until >= self._limits.pause_s - 1e-6:
            self._speaking, self._run_since = False, None
            yield _Stopped(self._voiced_until, voice.at_s, self._recent.sound())

    def _lengthen_silence(self, at_s: float) -> Iterator[_Edge]:
        if not self._timed_out and at_s - self._voiced_until >= self._limits.silence_s - 1e-6:
            self._timed_out = True
            yield Pause(1.0, self._voiced_until)
