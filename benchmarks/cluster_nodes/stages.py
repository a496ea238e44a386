"""A recogniser without a model, so that the failures of three machines fit on two cores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from voicepipe.events import Audio, Event, FlushRequested, Pause, Transcribed
from voicepipe.rx import transduce
from voicepipe.stage import Stage

__all__ = ["Loudness"]


class Loudness:
    """Finds pauses by the energy of the sound, and no words."""

    notices_pauses = True

    def stt(self) -> Stage[Audio | Event, Event]:
        return transduce(lambda _: _Session())


class _Session:
    def __init__(self) -> None:
        self._at_s = 0.0

    def __call__(self, item: Audio | Event) -> Iterator[Event]:
        match item:
            case Audio(samples=samples):
                self._at_s += item.duration_s
                yield Pause(float(np.abs(samples).mean() < 0.01), self._at_s)
            case FlushRequested(at_s=at_s):
                yield Transcribed(at_s)
            case _:
                pass
