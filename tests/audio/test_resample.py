"""Sample rates."""

import numpy as np
import pytest

from voicepipe.audio import resample, resampled, resampler
from voicepipe.events import Audio
from voicepipe.testing import Marbles


def tone(rate_hz: int, seconds: float = 1.0) -> Audio:
    return Audio(np.sin(2 * np.pi * 300 * np.arange(int(rate_hz * seconds)) / rate_hz).astype(np.float32), rate_hz)


def test_a_clip_keeps_its_length_and_pitch() -> None:
    """24 kHz to 16 kHz is the same tone."""
    out = resampled(tone(24_000), 16_000)
    assert out.samples.dtype == np.float32
    assert np.abs(out.samples[200:-200] - tone(16_000).samples[200:-200]).max() < 0.01


def test_the_right_rate_costs_nothing() -> None:
    """The same object comes back."""
    clip = tone(16_000)
    assert resampled(clip, 16_000) is clip


def test_a_stream_is_resampled_without_seams() -> None:
    """Piece by piece it is the tone that the whole would be, at the same times."""
    step, sound = resampler(24_000, 16_000), tone(24_000).samples
    out = np.concatenate([step(sound[i : i + 480]) for i in range(0, len(sound), 480)])
    expected = tone(16_000).samples[: len(out)]
    assert len(out) > 0.97 * 16_000
    assert np.abs(out[200:] - expected[200:]).max() < 0.01


def test_the_stage_follows_the_rate_of_its_first_piece(marbles: Marbles) -> None:
    """Each subscription has its own stream."""
    pieces = marbles.cold("aaaa|", a=Audio(np.zeros(4800, np.float32), 24_000))
    out = marbles.record(pieces.pipe(resample(16_000)))
    total = sum(len(one.value.samples) for one in out[:-1])
    assert total == pytest.approx(4 * 3200, rel=0.1)
    assert {one.value.rate_hz for one in out[:-1]} == {16_000}


def test_what_is_held_up_can_be_had() -> None:
    """Every sample, at the end of a stretch; the next stretch has nothing of it."""
    step = resampler(8_000, 24_000, "LQ")
    for _ in range(2):
        out = [step(np.full(160, 0.5, np.float32)) for _ in range(50)]
        assert sum(map(len, out)) < 24_000 - 400
        sound = np.concatenate([*out, step.rest()])
        assert len(sound) == 24_000
        assert np.abs(sound[1000:-1000] - 0.5).max() < 0.01
    assert len(resampler(24_000, 24_000).rest()) == 0
