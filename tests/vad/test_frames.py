"""A frame-wise detector as a stage."""

from collections.abc import Sequence

import numpy as np
import reactivex
from reactivex import operators as rx_ops

from voicepipe.boundary.pending import PendingWork
from voicepipe.events import Audio, Samples
from voicepipe.testing import Marbles
from voicepipe.vad.frames import by_frame, by_frame_together, frame_batches


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


def louder(frames: Sequence[tuple[Samples, float]]) -> list[tuple[float, float]]:
    """A detector with a memory: the loudest sample of all frames so far."""
    return [(loudest := max(before, float(samples.max())), loudest) for samples, before in frames]


def test_frames_of_several_sessions_are_heard_together(marbles: Marbles) -> None:
    """Each session has its own memory, and the times of its own sound."""
    batches = frame_batches(louder, 0.0, most=8, wait_s=0.01, worth_from=2)
    stage = by_frame_together(batches, frame=32, rate_hz=1000, backlog=PendingWork())
    packets = {
        name: Audio(np.full(64, value, np.float32), 1000) for name, value in zip("abc", (0.5, 0.25, 0.75), strict=True)
    }
    sessions = [
        marbles.cold(script, table=packets).pipe(stage, rx_ops.map(lambda voice, script=script: (script, voice)))
        for script in ("a---b---|", "5ms c------|", "--------|")
    ]
    out = marbles.record(reactivex.merge(*sessions))[:-1]
    first = [(one.t_ms, one.value[1].probability, one.value[1].at_s) for one in out if one.value[0] == "a---b---|"]
    assert first == [(10, 0.5, 0.032), (10, 0.5, 0.064), (90, 0.5, 0.096), (90, 0.5, 0.128)]
    assert [(one.t_ms, one.value[1].probability) for one in out if "c" in one.value[0]] == [(10, 0.75), (10, 0.75)]
