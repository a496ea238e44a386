"""A frame-wise detector as a stage."""

import numpy as np

from voicepipe.events import Audio, Samples
from voicepipe.testing import Marbles
from voicepipe.vad.frames import by_frame


def loudest(samples: Samples) -> float:
    assert samples.shape == (32,)
    return float(samples.max())


def test_frames_are_cut_from_packets_of_any_length(marbles: Marbles) -> None:
    """Their times are their ends in the audio; what does not fill a frame waits."""
    packets = {"a": Audio(np.full(20, 0.5, np.float32), 1000), "b": Audio(np.full(50, 0.25, np.float32), 1000)}
    stage = by_frame(lambda: loudest, frame=32, rate_hz=1000)
    out = marbles.record(marbles.cold("a-b-a|", table=packets).pipe(stage))
    assert [(one.t_ms, one.value.probability, one.value.at_s) for one in out[:-1]] == [
        (40, 0.5, 0.032),
        (40, 0.25, 0.064),
    ]


def test_each_subscription_has_a_detector_of_its_own(marbles: Marbles) -> None:
    """Sessions do not hear each other."""
    made: list[object] = []

    def detector():
        made.append(object())
        return loudest

    stage = by_frame(detector, frame=32, rate_hz=1000)
    for _ in range(2):
        marbles.record(marbles.cold("a|", a=Audio(np.zeros(40, np.float32), 1000)).pipe(stage))
    assert len(made) == 2
