"""A frame-wise detector as a stage: of one session, or of several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar, cast

import numpy as np
from reactivex import Observable

from voicepipe.audio import resample
from voicepipe.boundary.batches import Batches, in_batches
from voicepipe.boundary.overflow import Overflow
from voicepipe.boundary.pending import PendingWork
from voicepipe.events import Audio, Samples, SpeechProbability
from voicepipe.rx import transduce
from voicepipe.stage import Stage

__all__ = ["Frame", "FrameBatches", "by_frame", "by_frame_together", "frame_batches"]

S = TypeVar("S")

_WAITING = 64
"""Frames of one session that wait, at most: 2 s of sound. A host hears 80 ms of a session at a time."""


class Frame(NamedTuple):
    """The samples of a frame, and its end in seconds of audio since the subscription."""

    samples: Samples
    at_s: float


FrameBatches = Batches[Frame, S, SpeechProbability]
"""The batches of a detector whose sessions have a state S."""


def by_frame(
    detector: Callable[[], Callable[[Samples], float]], *, frame: int, rate_hz: int
) -> Stage[Audio, SpeechProbability]:
    """Emit one `SpeechProbability` per frame of sound.

    It runs on the event loop: a hop to a thread would cost as much. `SpeechProbability.at_s` is the end of its frame,
    in seconds of audio since the subscription. Samples that do not fill a frame wait.

    Args:
        detector: Returns a fresh detector per subscription, which is called with float32 of shape (frame,) in order,
            and returns a probability, 0 to 1.
        frame: The samples in a frame.
        rate_hz: The sample rate that the detector wants; the sound is resampled to it.

    .. marbles::

        mic        a-b-c-d|    20 ms each
        by_frame   --v---v|    frames of 32 ms
    """

    def stage(mic: Observable[Audio]) -> Observable[SpeechProbability]:
        return mic.pipe(resample(rate_hz, "QQ"), transduce(lambda _: _Frames(detector(), frame, rate_hz)))

    return stage


def by_frame_together(
    batches: FrameBatches[S], *, frame: int, rate_hz: int, backlog: PendingWork
) -> Stage[Audio, SpeechProbability]:
    """Emit one `SpeechProbability` per frame of sound, as `by_frame` does, from a detector that takes the frames of
    several sessions at once.

    A frame waits for those of others, as `batches` says. When 2 s of frames wait, the next one ends the session with
    `BoundaryFull`: a recurrent detector cannot leave a frame out.

    Args:
        batches: The detector's batches.
        frame: The samples in a frame.
        rate_hz: The sample rate that the detector wants; the sound is resampled to it.
        backlog: Counts the frames that wait.

    .. marbles::

        mic                 a-b-c-d---|    20 ms each; a batch waits 20 ms
        by_frame_together   ---v---v--|    frames of 32 ms
    """

    detect = in_batches(batches, boundary="vad", capacity=_WAITING, overflow=Overflow.FAIL_SESSION, backlog=backlog)
    found = cast("Stage[Frame, SpeechProbability]", detect)  # nothing overflows without an error

    def stage(mic: Observable[Audio]) -> Observable[SpeechProbability]:
        return mic.pipe(resample(rate_hz, "QQ"), transduce(lambda _: _Cut(frame, rate_hz)), found)

    return stage


def frame_batches(
    together: Callable[[Sequence[tuple[Samples, S]]], Sequence[tuple[float, S]]],
    begin: S,
    *,
    most: int,
    wait_s: float,
    worth_from: int,
) -> FrameBatches[S]:
    """Return the batches of a detector for `by_frame_together`.

    Args:
        together: Takes a frame of each session and the state before it; returns the probability, and the state behind.
        begin: The state of a session that begins.
        most: The frames of a batch, at most.
        wait_s: How long the first frame of a batch waits for others, in seconds.
        worth_from: With fewer sessions than that each frame is heard alone and at once.
    """

    def step(pairs: Sequence[tuple[Frame, S]]) -> list[tuple[SpeechProbability, S]]:
        found = together([(frame.samples, state) for frame, state in pairs])
        placed = zip(found, pairs, strict=True)
        return [(SpeechProbability(value, frame.at_s), state) for (value, state), (frame, _) in placed]

    return Batches(step, begin, most=most, wait_s=wait_s, worth_from=worth_from)


class _Frames:
    def __init__(self, detect: Callable[[Samples], float], frame: int, rate_hz: int) -> None:
        self._detect, self._cut = detect, _Cut(frame, rate_hz)

    def __call__(self, audio: Audio) -> Iterator[SpeechProbability]:
        for samples, at_s in self._cut(audio):
            yield SpeechProbability(self._detect(samples), at_s)


class _Cut:
    """Cut sound into whole frames, each with its end in seconds."""

    def __init__(self, frame: int, rate_hz: int) -> None:
        self._frame, self._rate_hz = frame, rate_hz
        self._rest: Samples = np.zeros(0, np.float32)
        self._done = 0

    def __call__(self, audio: Audio) -> Iterator[Frame]:
        samples = np.concatenate([self._rest, audio.samples]) if len(self._rest) else audio.samples
        whole = len(samples) - len(samples) % self._frame
        self._rest = samples[whole:]
        for start in range(0, whole, self._frame):
            self._done += self._frame
            yield Frame(samples[start : start + self._frame], self._done / self._rate_hz)
