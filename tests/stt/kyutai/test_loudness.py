"""The loud moments of a sound."""

import numpy as np
import pytest

from voicepipe.stt.kyutai.loudness import SpeechBounds

RATE_HZ = 24_000


def level(*levels: float) -> np.ndarray:
    """20 ms of noise for each level."""
    noise = np.random.default_rng(1).choice([-1.0, 1.0], (len(levels), 480))
    return (noise * np.array(levels)[:, None]).astype(np.float32).reshape(-1)


def test_the_last_loud_moment() -> None:
    """To 20 ms, and since when it has been loud; a short break does not count."""
    loudness = SpeechBounds()
    loudness.add(level(0, 0, 0.3, 0.3), 1.0, RATE_HZ)
    assert (loudness.since_s, loudness.last_s) == pytest.approx((1.04, 1.08))
    loudness.add(level(0.3, 0, 0, 0), 1.08, RATE_HZ)
    loudness.add(level(0, 0, 0, 0.2), 1.16, RATE_HZ)
    assert (loudness.since_s, loudness.last_s) == pytest.approx((1.04, 1.24))
    loudness.add(level(0.3), 1.6, RATE_HZ)
    assert (loudness.since_s, loudness.last_s) == pytest.approx((1.6, 1.62))


def test_silence_has_none() -> None:
    """Nor has the hiss of a microphone, or no sound at all."""
    loudness = SpeechBounds()
    loudness.add(level(0, 0.001, 0.002, 0.0005), 0.0, RATE_HZ)
    loudness.add(level(), 0.08, RATE_HZ)
    assert loudness.last_s is None


def test_noise_far_below_the_voice_is_no_voice() -> None:
    """20 dB below the loudest moment of the last seconds; after a while a softer voice counts again."""
    loudness = SpeechBounds()
    loudness.add(level(0.5, 0.02, 0.02, 0.02), 0.0, RATE_HZ)
    assert loudness.last_s == pytest.approx(0.02)
    for frame in range(1, 200):
        loudness.add(level(0.02, 0.02, 0.02, 0.02), frame * 0.08, RATE_HZ)
    assert loudness.last_s == pytest.approx(16.0)
