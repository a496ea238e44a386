"""`suppress_noise`: a microphone's sound without its steady noise."""

from __future__ import annotations

from collections.abc import Iterator

from pywebrtc_audio import NoiseSuppressor

from voicepipe.audio.webrtc import WebRtcFrames
from voicepipe.events import Audio, Event
from voicepipe.rx import transduce
from voicepipe.stage import Stage, stage_factory

__all__ = ["suppress_noise"]

LEVELS = (6, 12, 18, 21)


@stage_factory(gives=(Audio,), passes=True)
def suppress_noise(*, db: int) -> Stage[Audio | Event, Audio | Event]:
    """Dampen steady noise (a fan, a street, a line's hiss) with WebRTC's noise suppressor; everything else passes.

    No pipeline that comes with voicepipe uses it: most recognisers were trained on noise, and read better what was left
    as it was. `docs/howto/barge-in.md` has what it did to the embedded one. It takes 50 µs per 10 ms, and the sound is
    up to 10 ms later. It stands in front of `listen`, and behind `cancel_echo`, which needs the sound as it was.

    Args:
        db: How far noise is dampened: 6, 12, 18 or 21 dB; ValueError for others.

    .. marbles::

        mic              a-x-b|     a, b: Audio   x: any other event
        suppress_noise   A-x-B|     A, B: the same length, with less noise
    """
    if db not in LEVELS:
        raise ValueError(f"db is {db}; WebRTC's noise suppressor dampens by 6, 12, 18 or 21 dB")
    return transduce(lambda _: _Suppressing(LEVELS.index(db)))


class _Suppressing:
    """The suppressor has the rate of the first sound."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._frames: WebRtcFrames | None = None
        self._suppressor: NoiseSuppressor | None = None

    def __call__(self, event: Audio | Event) -> Iterator[Audio | Event]:
        if not isinstance(event, Audio):
            yield event
            return
        if self._frames is None or self._suppressor is None:
            self._frames = WebRtcFrames(event.rate_hz, 1)
            self._suppressor = NoiseSuppressor(self._frames.rate_hz, level=self._level)
        (frames,) = self._frames.add(event.samples)
        if len(frames):
            yield Audio(self._frames.back(self._suppressor.process(frames)), event.rate_hz)
