"""Sound in the frames and at the rates of WebRTC's audio modules, which are Chromium's, in `pywebrtc-audio`."""

from __future__ import annotations

from typing import Final

import numpy as np

from voicepipe.events import Samples

__all__ = ["WebRtcFrames"]

# WebRTC works at 16, 32 or 48 kHz, in frames of 10 ms; 24 kHz, which is voicepipe's rate, is doubled.
_FACTORS: Final = {16_000: 1, 24_000: 2, 32_000: 1, 48_000: 1}
_FRAMES_A_SECOND = 100
# A half-band filter of 16 taps: images of 24 kHz sound are 60 dB down from 14 kHz on. Its delay is 0.3 ms.
_TAPS = 16


class WebRtcFrames:
    """One stream of sound, or several of one length, such as a microphone's and a loudspeaker's.

    Args:
        rate_hz: 16, 24, 32 or 48 kHz; ValueError for others
        streams: how many there are
    """

    def __init__(self, rate_hz: int, streams: int) -> None:
        if rate_hz not in _FACTORS:
            raise ValueError(f"WebRTC's audio modules take 16, 24, 32 or 48 kHz, not {rate_hz} Hz")
        self._factor = _FACTORS[rate_hz]
        self.rate_hz = rate_hz * self._factor
        self._frame = rate_hz // _FRAMES_A_SECOND
        self._rests = [np.zeros(0, np.float32)] * streams
        self._doublers = [_Doubler() for _ in range(streams)]

    def add(self, *sounds: Samples) -> list[Samples]:
        """Return the whole frames of what was added, at `rate_hz`; the rest waits."""
        out: list[Samples] = []
        for number, sound in enumerate(sounds):
            joined = np.concatenate([self._rests[number], sound])
            whole = len(joined) // self._frame * self._frame
            self._rests[number] = joined[whole:]
            out.append(self._doublers[number](joined[:whole]) if self._factor > 1 else joined[:whole])
        return out

    def back(self, samples: Samples) -> Samples:
        """Return what a module has made, at the rate of what was added."""
        return samples[:: self._factor]

    @property
    def waiting(self) -> int:
        """Return how many samples wait for the end of their frame."""
        return len(self._rests[0])

    def rest(self) -> Samples:
        """Return what waits of the first stream, and forget it."""
        rest = self._rests[0]
        self._rests = [np.zeros(0, np.float32)] * len(self._rests)
        return rest


class _Doubler:
    """Doubles the rate: each second sample is the sound's, delayed, the others are interpolated."""

    def __init__(self) -> None:
        at = np.arange(_TAPS) - _TAPS / 2 + 0.5
        taps = np.sinc(at) * np.hanning(_TAPS + 2)[1:-1]
        self._taps = (taps / taps.sum()).astype(np.float32)
        self._before = np.zeros(_TAPS - 1, np.float32)

    def __call__(self, samples: Samples) -> Samples:
        if not len(samples):
            return samples
        sound = np.concatenate([self._before, samples])
        self._before = sound[len(sound) - _TAPS + 1 :]
        doubled = np.empty(2 * len(samples), np.float32)
        doubled[0::2] = sound[_TAPS // 2 - 1 : len(sound) - _TAPS // 2]
        doubled[1::2] = np.convolve(sound, self._taps, "valid")
        return doubled
