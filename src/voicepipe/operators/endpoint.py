"""`endpoint`: from a VAD's frames to where speech starts and stops, and whether the user has finished."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.events import Audio, Event, Pause, SpeechStarted, SpeechStopped, TurnTaking, Voice
from voicepipe.rx import merged, of_type, transduce
from voicepipe.stage import Stage, stage_factory

__all__ = ["EndOfTurn", "endpoint"]

EndOfTurn: TypeAlias = Callable[[Audio], Observable[float]]
"""How surely speech is complete, from the sound of its last seconds: 0 (mid-sentence) to 1. One answer, or none."""


@stage_factory(gives=(SpeechStarted, SpeechStopped, Pause))
def endpoint(
    vad: Stage[Audio, Voice],
    end_of_turn: EndOfTurn,
    *,
    speech_above: float,
    silence_below: float,
    onset_ms: float,
    pause_ms: float,
    ask_again_ms: float,
    sure_above: float,
    silence_ms: float,
    context_s: float,
) -> Stage[Audio | Event, Event]:
    """`SpeechStarted` and `Pause(0)` when the voice has lasted `onset_ms`; after `pause_ms` without it `SpeechStopped`
    and, when the model has answered, `Pause(its probability)`; after `silence_ms` without it `Pause(1)`.

    Turns so end by meaning, and where the model errs or is not there, by silence. Speech is a frame above
    `speech_above`; silence is one below `silence_below` (a lower one, so that the verdict does not flicker). The model
    hears the last `context_s` of sound; its answer is dropped when the user goes on before it comes, or when it fails.
    It is asked again every `ask_again_ms` of the silence until it is surer than `sure_above`: of 12 sentences read by
    people it knew the end of 4 after 0.2 s of silence, of 5 after 0.4 s and of 7 after 0.6 s.

    A `TurnTaking` that comes with the sound may set thresholds and times of its own.
    All times but that are counted in audio, not on a clock: a slow machine hears the same speech.

    .. marbles::

        vad        ssssss____________    s: speech, one frame of 20 ms a column   _: silence
        endpoint   --o------q-----T      o: SpeechStarted, Pause(0)   q: SpeechStopped, Pause(p)   T: Pause(1)
    """

    def stage(mic: Observable[Audio | Event]) -> Observable[Event]:
        asking = _Asking(end_of_turn, ask_again_ms / 1000, sure_above, round(silence_ms / ask_again_ms))
        limits = _Limits(speech_above, silence_below, onset_ms / 1000, pause_ms / 1000, silence_ms / 1000)
        return mic.pipe(
            rx_ops.publish(lambda sound: merged(sound, sound.pipe(of_type(Audio), vad))),
            transduce(lambda _: _Endpointing(limits, _Recent(context_s))),
            rx_ops.map(lambda edge: _events(edge, asking)),
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
    asks: bool = True
    """Whether the model is asked, or silence alone ends a turn."""

    def changed(self, turns: TurnTaking) -> _Limits:
        """As the client wants them: the threshold of silence keeps its distance to that of speech."""
        above = self.speech_above if turns.speech_above is None else turns.speech_above
        silence_s = self.silence_s if turns.silence_ms is None else turns.silence_ms / 1000
        return replace(
            self,
            speech_above=above,
            silence_below=max(0.01, above - (self.speech_above - self.silence_below)),
            pause_s=min(self.pause_s, silence_s * turns.patience),
            silence_s=silence_s * turns.patience,
            asks=turns.by == "meaning",
        )


@dataclass(frozen=True, slots=True)
class _Stopped:
    """Speech has paused at `at_s`; `sound` is what the model is asked about."""

    at_s: float
    noticed_s: float
    sound: Callable[[], Audio] | None
    """The last seconds, whenever it is called. None: the model is not asked."""


_Edge: TypeAlias = "SpeechStarted | _Stopped | Pause"


@dataclass(frozen=True, slots=True)
class _Asking:
    """Asks the model whether the user has finished, until it is sure, `times` at most."""

    end_of_turn: EndOfTurn
    again_s: float
    sure_above: float
    times: int

    def verdicts(self, sound: Callable[[], Audio], at_s: float) -> Observable[Event]:
        answer = reactivex.defer(lambda _: self.end_of_turn(sound())).pipe(
            rx_ops.map(lambda probability: Pause(probability, at_s)),
            rx_ops.catch(reactivex.empty()),
        )
        again = reactivex.timer(self.again_s).pipe(rx_ops.flat_map(lambda _: answer))
        return reactivex.concat(answer, *[again] * (self.times - 1)).pipe(
            rx_ops.take_while(lambda pause: pause.probability <= self.sure_above, inclusive=True)
        )


def _events(edge: _Edge, asking: _Asking) -> Observable[Event]:
    match edge:
        case SpeechStarted(at_s=at_s):
            return reactivex.of(edge, Pause(0.0, at_s))
        case _Stopped(at_s=at_s, noticed_s=noticed_s, sound=sound):
            stopped = reactivex.just(SpeechStopped(at_s, noticed_s))
            return stopped if sound is None else reactivex.concat(stopped, asking.verdicts(sound, at_s))
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
        self._written, self._limits, self._recent = limits, limits, recent
        self._speaking = False
        self._run_since: float | None = None
        """Where the run of frames began that speaks against the present state."""
        self._voiced_until = 0.0
        self._frame_began = 0.0
        self._timed_out = True

    def __call__(self, item: Audio | Event) -> Iterator[_Edge]:
        if isinstance(item, Audio):
            self._recent.add(item)
            return
        if isinstance(item, TurnTaking):
            self._limits = self._written.changed(item)
            return
        if not isinstance(item, Voice):
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
            yield _Stopped(self._voiced_until, voice.at_s, self._recent.sound if self._limits.asks else None)

    def _lengthen_silence(self, at_s: float) -> Iterator[_Edge]:
        if not self._timed_out and at_s - self._voiced_until >= self._limits.silence_s - 1e-6:
            self._timed_out = True
            yield Pause(1.0, self._voiced_until)
