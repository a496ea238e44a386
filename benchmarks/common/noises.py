"""Sounds of a room that are no speech, made of noise, sines and envelopes: 24 kHz, full scale, 0.02 to 2 s long."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = ["NOISES", "RATE_HZ"]

RATE_HZ = 24_000
Sound = NDArray[np.float64]


def _times(seconds: float) -> Sound:
    return np.arange(round(seconds * RATE_HZ)) / RATE_HZ


def _burst(rng: Generator, seconds: float, rise_s: float, decay_s: float) -> Sound:
    """Noise that rises in a straight line and decays exponentially."""
    t = _times(seconds)
    return rng.standard_normal(len(t)) * np.minimum(1, t / rise_s) * np.exp(-np.maximum(0, t - rise_s) / decay_s)


def _filtered(sound: Sound, gain: Callable[[Sound], Sound]) -> Sound:
    """`gain` gives the amplification of each frequency."""
    frequencies = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    return np.fft.irfft(np.fft.rfft(sound) * gain(frequencies), len(sound))


def _band(sound: Sound, low_hz: float, high_hz: float) -> Sound:
    return _filtered(sound, lambda f: 1 / np.sqrt((1 + (f / high_hz) ** 4) * (1 + (low_hz / np.maximum(f, 1e-3)) ** 4)))


def _throat(sound: Sound, *formants_hz: float) -> Sound:
    """Noise with the resonances of a mouth."""
    widths = (90, 110, 170, 250)
    return _filtered(
        sound,
        lambda f: np.sum(
            [500 / at / (1 + ((f - at) / width) ** 2) for at, width in zip(formants_hz, widths, strict=True)], axis=0
        ),
    )


def _placed(seconds: float, parts: Mapping[float, Sound]) -> Sound:
    out = np.zeros(round(seconds * RATE_HZ))
    for at_s, part in parts.items():
        start = round(at_s * RATE_HZ)
        out[start : start + len(part)] += part[: len(out) - start]
    return out


def click(rng: Generator) -> Sound:
    return _band(_burst(rng, 0.02, 0.0003, 0.002), 800, 8000)


def keyboard(rng: Generator) -> Sound:
    """Keys, each pressed and let go."""

    def key() -> Sound:
        return _band(_burst(rng, 0.04, 0.0005, 0.006), 500, 6000) + 0.4 * _band(
            _burst(rng, 0.04, 0.001, 0.01), 120, 400
        )

    pressed = np.cumsum(rng.uniform(0.12, 0.3, 7))
    return _placed(2.3, {at: key() for at in pressed} | {at + 0.08: 0.5 * key() for at in pressed})


def slam(rng: Generator) -> Sound:
    t = _times(1.0)
    boom = np.sin(2 * np.pi * rng.uniform(50, 110) * t) * np.exp(-t / 0.12)
    return boom + _band(_burst(rng, 1.0, 0.001, 0.05), 80, 3000) + 0.3 * _band(_burst(rng, 1.0, 0.005, 0.3), 60, 800)


def knock(rng: Generator) -> Sound:
    t = _times(0.16)
    wood = np.sin(2 * np.pi * rng.uniform(150, 350) * t) * np.exp(-t / 0.02)
    hit = wood + 0.5 * _band(_burst(rng, 0.16, 0.001, 0.015), 200, 4000)
    return _placed(1.0, {0.22 * number: hit for number in range(rng.integers(2, 4))})


def beep(rng: Generator) -> Sound:
    t = _times(rng.uniform(0.1, 0.5))
    return np.sin(2 * np.pi * rng.uniform(300, 2500) * t)


def breath(rng: Generator) -> Sound:
    t = _times(rng.uniform(0.3, 1.2))
    air = rng.standard_normal(len(t)) * np.sin(np.pi * t / t[-1]) ** 2
    return _band(air, 300, rng.uniform(2500, 6000))


def cough(rng: Generator) -> Sound:
    """One to three, some of them with a voice in them."""

    def once() -> Sound:
        seconds = rng.uniform(0.15, 0.35)
        air = _burst(rng, seconds, 0.01, rng.uniform(0.04, 0.1))
        t = _times(seconds)
        voice = (np.mod(t * rng.uniform(90, 220), 1) < 0.1) * np.minimum(1, t / 0.06) * np.exp(-t / 0.08)
        mixed = air + 1.5 * voice if rng.random() < 0.5 else air
        return _throat(mixed, rng.uniform(550, 800), rng.uniform(1100, 1500), 2500, 3500)

    return _placed(1.6, {0.45 * number: once() for number in range(rng.integers(1, 4))})


def smack(rng: Generator) -> Sound:
    """Lips and tongue."""
    part = _throat(_burst(rng, 0.05, 0.001, 0.006), 700, 1300, 2600, 3600)
    return _placed(0.33, {at: part * rng.uniform(0.4, 1) for at in rng.uniform(0, 0.2, rng.integers(1, 4))})


def hiss(rng: Generator) -> Sound:
    return rng.standard_normal(round(rng.uniform(0.2, 2) * RATE_HZ))


def scratch(rng: Generator) -> Sound:
    t = _times(rng.uniform(0.2, 0.8))
    return _band(rng.standard_normal(len(t)), 800, 7000) * np.abs(np.sin(2 * np.pi * rng.uniform(3, 9) * t))


def thump(rng: Generator) -> Sound:
    """A microphone that is touched."""
    return _band(_burst(rng, 0.33, 0.005, 0.05), 25, 200)


def cup(rng: Generator) -> Sound:
    """A cup that is put down."""
    t = _times(0.5)
    rings = [
        rng.uniform(0.2, 1) * np.sin(2 * np.pi * rng.uniform(900, 6000) * t) * np.exp(-t / rng.uniform(0.01, 0.15))
        for _ in range(6)
    ]
    return np.sum(rings, axis=0)


def buzz(rng: Generator) -> Sound:
    """A mains hum with all its harmonics, switched on for a moment: of all these sounds the most like a voice."""
    t = _times(rng.uniform(0.3, 2))
    tone = rng.choice([50, 60, 100, 120])
    fade = np.minimum(1, np.minimum(t, t[::-1]) / 0.02)
    return np.sum([np.sin(2 * np.pi * tone * number * t + number) / number for number in range(1, 12)], axis=0) * fade


NOISES: dict[str, Callable[[Generator], Sound]] = {
    make.__name__: make
    for make in (click, keyboard, slam, knock, beep, breath, cough, smack, hiss, scratch, thump, cup, buzz)
}
