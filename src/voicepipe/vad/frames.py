"""A frame-wise detector as a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from reactivex import Observable

from voicepipe.audio import resample
from voicepipe.events import Audio, Samples, SpeechProbability
from voicepipe.rx import transduce
from voicepipe.stage import Stage

__all__ = ["by_frame"]


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


class _Frames:
    def __init__(self, detect: Callable[[Samples], float], frame: int, rate_hz: int) -> None:
        self._detect, self._frame, self._rate_hz = detect, frame, rate_hz
        self._rest: Samples = np.zeros(0, np.float32)
        self._done = 0

    def __call__(self, audio: Audio) -> Iterator[SpeechProbability]:
        samples = np.concatenate([self._rest, audio.samples]) if len(self._rest) else audio.samples
        whole = len(samples) - len(samples) % self._frame
        self._rest = samples[whole:]
        for start in range(0, whole, self._frame):
            self._done += self._frame
            yield SpeechProbability(self._detect(samples[start : start + self._frame]), self._done / self._rate_hz)
