"""When a voice is loud, to 10 ms; and since when."""

from __future__ import annotations

import numpy as np
import pytest

from voicepipe.client.loudness import Loudness
from voicepipe.events import Samples

RATE_HZ = 24_000


def tone(seconds: float, loudness: float) -> Samples:
    return (loudness * np.sin(np.arange(round(seconds * RATE_HZ)) * 0.2)).astype(np.float32)


def listen(*pieces: Samples) -> Loudness:
    loudness, sound = Loudness(RATE_HZ), np.concatenate(pieces)
    for start in range(0, len(sound), 480):
        loudness.listen(sound[start : start + 480])
    return loudness


def test_the_last_loud_moment_is_known_to_10_ms():
    """A tone that ends at 0.55 s, in noise 50 dB below it."""
    loudness = listen(tone(0.2, 0.001), tone(0.35, 0.3), tone(0.45, 0.001))
    assert loudness.until_s == pytest.approx(0.55)
    assert loudness.since_s == pytest.approx(0.2)
    assert loudness.position_s == pytest.approx(1.0)


def test_a_short_gap_does_not_begin_a_new_utterance_and_a_long_one_does():
    """Between words there are silences, too."""
    within = listen(tone(0.2, 0.3), tone(0.3, 0), tone(0.2, 0.3))
    after = listen(tone(0.2, 0.3), tone(0.5, 0), tone(0.2, 0.3))
    assert within.since_s == 0
    assert after.since_s == pytest.approx(0.7)


def test_silence_is_never_loud():
    """Neither zeros nor hiss below -50 dBFS."""
    loudness = listen(tone(0.5, 0), tone(0.5, 0.002))
    assert loudness.until_s is None
    assert loudness.since_s is None


def test_sound_may_have_gaps_and_what_was_not_played_is_forgotten():
    """Each piece has its place on the clock; the first loud moment of a piece is told."""
    loudness = Loudness(RATE_HZ)
    assert loudness.listen(np.concatenate([tone(0.05, 0), tone(0.2, 0.3)]), 1.0) == pytest.approx(1.05)
    assert loudness.listen(tone(0.1, 0.001), 1.25) is None
    assert loudness.listen(tone(0.5, 0.3), 3.0) == 3.0
    assert loudness.loud_s == pytest.approx(0.7)
    loudness.forget(3.1)
    assert loudness.until_s == pytest.approx(3.1)
    loudness.forget(3.0)
    assert loudness.until_s == pytest.approx(1.25)
    assert loudness.position_s == 3.0


def test_an_onset_is_looked_for_from_a_moment_on():
    """In the utterance that came last: loud from 1 to 1.2 s, from 1.5 to 1.7 s, and one before that."""
    loudness = listen(tone(0.3, 0.3), tone(0.7, 0), tone(0.2, 0.3), tone(0.3, 0), tone(0.2, 0.3))
    assert loudness.onset_s(0) == pytest.approx(1.0)
    assert loudness.onset_s(1.1) == pytest.approx(1.1)
    assert loudness.onset_s(1.3) == pytest.approx(1.5)
    assert loudness.onset_s(2.0) is None
    assert loudness.loud_s == pytest.approx(0.3 + 0.7)
