"""`endpoint`: from a VAD's frames to where speech starts and stops, and whether the user has finished."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias, overload

import numpy as np
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.events import Audio, Event, Pause, SpeechProbability, SpeechStarted, SpeechStopped, TurnTaking
from voicepipe.presets import Endpointing
from voicepipe.rx import merge, of_type, transduce
from voicepipe.rx.of_type import filter_
from voicepipe.rx.publish import publish
from voicepipe.stage import Stage, stage_factory, takes_preset

__all__ = ["EndOfTurn", "endpoint"]

EndOfTurn: TypeAlias = Callable[[Audio], Observable[float]]
"""Estimates from the last seconds of speech the probability that it is complete: 0 (mid-sentence) to 1. It emits one
value or none."""


@overload
def endpoint(
    vad: Stage[Audio, SpeechProbability], end_of_turn: EndOfTurn, endpointing: Endpointing, /
) -> Stage[Audio | Event, Event]: ...


@overload
def endpoint(
    vad: Stage[Audio, SpeechProbability],
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
    longest_s: float,
) -> Stage[Audio | Event, Event]: ...


@takes_preset(Endpointing)
@stage_factory(gives=(SpeechStarted, SpeechStopped, Pause))
def endpoint(
    vad: Stage[Audio, SpeechProbability],
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
    longest_s: float,
) -> Stage[Audio | Event, Event]:
    """Find where speech starts, pauses and stops, and how probably the user has finished.

    Emit `SpeechStarted` and `Pause(0)` when the voice has lasted `onset_ms`; after `pause_ms` without it
    `SpeechStopped` and, when the model has answered, `Pause(its probability)`; after `silence_ms` without it
    `Pause(1)`.

    Turns so end by meaning, and where the model errs or is not there, by silence. Speech is a frame above
    `speech_above`; silence is one below `silence_below` (a lower one, so that the verdict does not flicker). The model
    hears the last `context_s` of sound; its answer is dropped when the user goes on before it comes, or when it fails.
    It is asked again every `ask_again_ms` of the silence until it is surer than `sure_above`: of 12 sentences read by
    people it knew the end of 4 after 0.2 s of silence, of 5 after 0.4 s and of 7 after 0.6 s. While it still works on
    one question the next one is left out.

    A `TurnTaking` that comes with the sound may set thresholds and times of its own.
    All times are counted in audio, not on a clock, and the model is given the sound up to the frame at which it is
    asked: edges, questions and their samples are the same on a slow machine, and whatever the packets are.

    Args:
        vad: The speech probability of each frame.
        end_of_turn: The probability that the user has finished, of the last `context_s` of sound.

    .. marbles::

        vad        ssssss____________    s: speech, one frame of 20 ms a column   _: silence
        endpoint   --o------q-----T      o: SpeechStarted, Pause(0)   q: SpeechStopped, Pause(p)   T: Pause(1)
    """

    def stage(mic: Observable[Audio | Event]) -> Observable[Event]:
        limits = _Limits(speech_above, silence_below, onset_ms / 1000, pause_ms / 1000, silence_ms / 1000, longest_s)
        return mic.pipe(
            publish(lambda sound: merge(sound, sound.pipe(of_type(Audio), vad))),
            transduce(lambda _: _Endpointing(limits, _Recent(context_s), ask_again_ms / 1000)),
            publish(lambda edges: merge(_noticed(edges), _judged(edges, end_of_turn, sure_above))),
        )

    return stage


@dataclass(frozen=True, slots=True)
class _Limits:
    speech_above: float
    silence_below: float
    onset_s: float
    pause_s: float
    silence_s: float
    longest_s: float
    asks: bool = True
    """True: the model is asked; False: silence alone ends a turn."""

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
class _Question:
    """A question to the model: is speech that paused at `at_s` complete? `sound` returns the audio for it."""

    at_s: float
    sound: Callable[[], Audio]


_Edge: TypeAlias = "SpeechStarted | SpeechStopped | Pause | _Question"


def _noticed(edges: Observable[_Edge]) -> Observable[Event]:
    return edges.pipe(filter_(_is_event))  # pyright: ignore[reportReturnType]


def _is_event(edge: _Edge) -> bool:
    return not isinstance(edge, _Question)


def _judged(edges: Observable[_Edge], end_of_turn: EndOfTurn, sure_above: float) -> Observable[Event]:
    """The model's answers to the questions of a silence, until it is sure or the silence is over."""

    def answer(question: _Question) -> Observable[Pause]:
        return reactivex.defer(lambda _: end_of_turn(question.sound())).pipe(
            rx_ops.map(lambda probability: Pause(probability, question.at_s, bounded=True)),
            rx_ops.catch(reactivex.empty()),
        )

    answers = edges.pipe(
        of_type(_Question),
        rx_ops.map(answer),
        rx_ops.exclusive(),
        rx_ops.take_while(lambda pause: pause.probability <= sure_above, inclusive=True),
    )
    return edges.pipe(
        filter_(_is_event),
        rx_ops.map(lambda edge: answers if isinstance(edge, SpeechStopped) else reactivex.empty()),
        rx_ops.switch_latest(),
    )


class _Recent:
    """The last `seconds` of sound before a moment, to the sample."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._frames: deque[Audio] = deque()
        self._rate_hz, self._kept = 24_000, self._needed(24_000)
        # Positions in samples.
        self._begin = self._end = 0

    def _needed(self, rate_hz: int) -> int:
        """Return how many samples to keep; a VAD reports on a packet when it is here, and on the rest of the last."""
        return round((self._seconds + _VAD_LATE_S) * rate_hz)

    def add(self, audio: Audio) -> None:
        if audio.rate_hz != self._rate_hz:
            self._rate_hz, self._kept = audio.rate_hz, self._needed(audio.rate_hz)
        needed_from = self._end - self._kept
        self._frames.append(audio)
        self._end += len(audio.samples)
        while self._begin + len(self._frames[0].samples) <= needed_from:
            self._begin += len(self._frames.popleft().samples)

    def until(self, at_s: float) -> Audio:
        stop = round(at_s * self._rate_hz)
        start = max(0, stop - round(self._seconds * self._rate_hz))
        sound = np.concatenate([np.zeros(0, np.float32), *(frame.samples for frame in self._frames)])
        return Audio(sound[max(0, start - self._begin) : max(0, stop - self._begin)], self._rate_hz)


# How long a VAD may take to report on a sound, with its last frame and its resampler; Silero takes 32 ms.
_VAD_LATE_S = 1.0


class _Endpointing:
    """Speech or silence, since when, and what has been said of it."""

    def __init__(self, limits: _Limits, recent: _Recent, ask_again_s: float) -> None:
        self._written, self._limits, self._recent, self._ask_again_s = limits, limits, recent, ask_again_s
        self._speaking = False
        # Whether the voice goes on that has ended a turn by its length.
        self._goes_on = False
        # Where the run of frames began that speaks against the present state.
        self._run_since: float | None = None
        self._voiced_from = self._voiced_until = 0.0
        # `SpeechStopped.voiced_s` so far.
        self._voiced_s = 0.0
        self._frame_began = 0.0
        self._timed_out = True
        # Where it was noticed that speech had stopped, …
        self._stopped_at = 0.0
        # … and how often the model has been asked since.
        self._asked = 0

    def __call__(self, item: Audio | Event) -> Iterable[_Edge]:
        match item:
            case Audio():
                self._recent.add(item)
            case SpeechProbability():
                return self._judge(item)
            case TurnTaking():
                self._limits = self._written.changed(item)
            case _:
                pass
        return ()

    def _judge(self, voice: SpeechProbability) -> Iterable[_Edge]:
        began, self._frame_began = self._frame_began, voice.at_s
        if voice.probability > 0.5:
            self._voiced_s += (2 * voice.probability - 1) * (voice.at_s - began)
        if self._speaking:
            return self._while_speaking(voice)
        if voice.probability >= self._limits.speech_above:
            return self._while_voiced(voice, began)
        self._run_since, self._voiced_s = None, 0.0
        self._goes_on = self._goes_on and voice.at_s - self._voiced_until < self._limits.pause_s
        return () if self._timed_out else self._lengthen_silence(voice.at_s)

    def _while_voiced(self, voice: SpeechProbability, began: float) -> Iterator[_Edge]:
        """A voice after silence: speech starts when it has lasted."""
        self._run_since = began if self._run_since is None else self._run_since
        if voice.at_s - self._run_since >= self._limits.onset_s - 1e-6:
            self._speaking, self._timed_out = True, False
            self._voiced_from, self._voiced_until = self._run_since, voice.at_s
            yield SpeechStarted(self._run_since, voice.at_s)
            yield Pause(0.0, self._run_since, goes_on=self._goes_on)

    def _while_speaking(self, voice: SpeechProbability) -> Iterator[_Edge]:
        if voice.at_s - self._voiced_from >= self._limits.longest_s:
            self._speaking, self._run_since, self._timed_out = False, None, True
            self._goes_on, self._voiced_until = True, voice.at_s
            yield SpeechStopped(voice.at_s, voice.at_s, self._voiced_s)
            yield Pause(1.0, voice.at_s)
            self._voiced_s = 0.0
        elif voice.probability >= self._limits.silence_below:
            self._voiced_until = voice.at_s
        elif voice.at_s - self._voiced_until >= self._limits.pause_s - 1e-6:
            self._speaking, self._run_since = False, None
            self._stopped_at, self._asked, self._goes_on = voice.at_s, 0, False
            yield SpeechStopped(self._voiced_until, voice.at_s, self._voiced_s)
            self._voiced_s = 0.0
            yield from self._ask(voice.at_s)

    def _lengthen_silence(self, at_s: float) -> Iterator[_Edge]:
        if at_s - self._voiced_until >= self._limits.silence_s - 1e-6:
            self._timed_out = True
            yield Pause(1.0, self._voiced_until)
        elif at_s - self._stopped_at >= self._asked * self._ask_again_s - 1e-6:
            yield from self._ask(at_s)

    def _ask(self, at_s: float) -> Iterator[_Question]:
        self._asked += 1
        if self._limits.asks:
            yield _Question(self._voiced_until, lambda: self._recent.until(at_s))
