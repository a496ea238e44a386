"""Smart Turn: the probability that the user has finished, from the sound of the last eight seconds.

Ask at a pause that a VAD has found, not while the user speaks: a cut in the middle of a word often scores "finished".
It also misses at times, so a turn must end after a long silence whatever it says.

The network hears a log-mel spectrogram as Whisper's encoder does. What is computed here, and where it is from:

- "Robust Speech Recognition via Large-Scale Weak Supervision" (Radford et al., 2022), section 2.2: 16 kHz, 80 mel
  channels, windows of 25 ms, a stride of 10 ms; the log power is clipped to 8 decades below its maximum and scaled
  to about -1…1;
- Slaney's "Auditory Toolbox" (1998) for the mel scale, linear below 1 kHz and logarithmic above, with triangles of
  equal area;
- Smart Turn's model card: the sound is padded with silence on the left, and brought to mean 0 and variance 1 first.

Measured on one core: 2 ms for the spectrogram of 8 s (0.4 ms for 1.5 s: the silence on the left is computed once, not
per window), 46 ms for the network, whatever the sound's length; 0.1 s to load it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voicepipe.events import Samples
from voicepipe.weights import registry as models

__all__ = ["RATE_HZ", "WINDOW_S", "SmartTurn", "log_mel"]

RATE_HZ = 16_000
WINDOW_S = 8
"""Seconds that the network hears; older sound is ignored."""

_LENGTH = WINDOW_S * RATE_HZ
_FFT = 400
_HOP = 160
_FRAMES = _LENGTH // _HOP
_MELS = 80
_LOUDNESS_RANGE = 8.0  # decades
_POWER_FLOOR = 1e-10
_VARIANCE_FLOOR = 1e-7


class SmartTurn:
    """The network, loaded once. Thread-safe.

    Args:
        path: The ONNX file; None takes the registry's, and raises ModelMissing if it is absent.
        threads: How many cores one call may use.
    """

    def __init__(self, path: Path | None = None, *, threads: int = 1) -> None:
        self._session = models.open_onnx(path or models.require("smart-turn"), threads)

    def probability(self, samples_16k: Samples) -> float:
        """Return the probability that the speaker of `samples_16k` has finished: 0…1. Only the last 8 s count."""
        (finished,) = self._session.run(None, {"input_features": log_mel(samples_16k)[None]})
        return float(finished[0, 0])


def log_mel(samples_16k: Samples) -> NDArray[np.float32]:
    """Return the spectrogram of the last 8 s, shape (80 channels, 800 frames), oldest first, padded on the left."""
    sound = samples_16k[-_LENGTH:]
    silence = _LENGTH - len(sound)
    mean = sound.sum(dtype=np.float64) / _LENGTH
    variance = np.square(sound, dtype=np.float64).sum() / _LENGTH - mean * mean
    # Half a window is mirrored at both ends; `centred[n]` is where frame n's window begins.
    padded = np.pad(sound, (silence, 0))
    padded -= np.float32(mean)
    padded *= np.float32(1 / np.sqrt(variance + _VARIANCE_FLOOR))
    centred = np.pad(padded, _FFT // 2, mode="reflect")
    # Windows in the silence are equal, so that one of them is enough.
    alike = max(0, (silence - _FFT // 2) // _HOP)
    windows = np.lib.stride_tricks.sliding_window_view(centred, _FFT)[::_HOP][alike:_FRAMES]
    mel = _log_power(windows)
    mel = np.concatenate([np.repeat(mel[:, :1], alike, axis=1), mel], axis=1)
    np.maximum(mel, mel.max() - np.float32(_LOUDNESS_RANGE), out=mel)
    mel += 4
    mel *= 0.25
    return mel


def _log_power(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return decades of power by mel channel and frame, for frames of shape (n, 400)."""
    spectrum = np.fft.rfft(windows * _hann(), axis=1)  # numpy 2 computes it in single precision, and twice as fast
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    mel = _mel_filters() @ power.astype(np.float32, copy=False).T
    return np.log10(np.maximum(mel, np.float32(_POWER_FLOOR)))


@cache
def _hann() -> NDArray[np.float32]:
    """Return the periodic Hann window: a raised cosine with as many samples as its period."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)).astype(np.float32)


@cache
def _mel_filters() -> NDArray[np.float32]:
    """Return the filters, shape (80, 201): one triangle per mel channel over the FFT's bins, 0…8 kHz, area 1."""
    corners = _hertz(np.linspace(0, _mel(RATE_HZ / 2), _MELS + 2))[:, None]
    left, peak, right = corners[:-2], corners[1:-1], corners[2:]
    bins = np.fft.rfftfreq(_FFT, 1 / RATE_HZ)
    rising, falling = (bins - left) / (peak - left), (right - bins) / (right - peak)
    return (np.clip(np.minimum(rising, falling), 0, None) * 2 / (right - left)).astype(np.float32)


# Slaney's scale: a mel is 200/3 Hz up to 1 kHz (mel 15); above, 27 mels are a factor of 6.4.
_KNEE_HZ, _KNEE_MEL, _MELS_PER_E = 1000.0, 15.0, 27 / np.log(6.4)


def _mel(hertz: float) -> float:
    if hertz < _KNEE_HZ:
        return _KNEE_MEL * hertz / _KNEE_HZ
    return float(_KNEE_MEL + _MELS_PER_E * np.log(hertz / _KNEE_HZ))


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _KNEE_HZ * np.exp((mel - _KNEE_MEL) / _MELS_PER_E)
    return np.where(mel < _KNEE_MEL, _KNEE_HZ * mel / _KNEE_MEL, above)
