"""Sound for tests."""

import numpy as np
import pytest

from voicepipe.events import Audio
from voicepipe.testing.marbles.sound import silence, sound, speech


def frames(pattern: str, rate_hz: int = 24_000) -> list[Audio]:
    line = sound(pattern, rate_hz)
    return [line.value(marble) for marble in line.notifications]


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000, 48_000])
def test_a_frame_is_20_ms_of_float32(rate_hz):
    """Mono float32 within ±1, of the rate that was asked for."""
    for frame in frames("s_", rate_hz):
        assert frame.rate_hz == rate_hz
        assert frame.samples.dtype == np.float32
        assert frame.samples.shape == (rate_hz // 50,)
        assert np.abs(frame.samples).max() < 1


def test_speech_is_loud_and_silence_silent():
    """A voice can be told from silence by its energy in every frame of a second."""
    assert all(np.sqrt(np.mean(frame.samples**2)) > 0.02 for frame in frames("s" * 50))
    assert not frames("_")[0].samples.any()


def test_it_is_the_same_in_every_run():
    """The same place has the same samples; other places have others."""
    assert speech.__wrapped__(40, 20, 24_000) == frames("--s")[0]
    assert speech(0, 20, 24_000) != speech(20, 20, 24_000)
    assert silence(0, 20, 8000) == silence(500, 20, 8000)


def test_neighbours_join_without_a_jump():
    """The voice goes on over the edge of a frame; only the noise is new."""
    one, other = frames("ss", 48_000)
    assert abs(float(other.samples[0] - one.samples[-1])) < 0.15


def test_frames_are_shared_and_read_only():
    """Nobody can spoil another test's sound."""
    with pytest.raises(ValueError, match="read-only"):
        frames("s")[0].samples[0] = 1


def test_other_letters_have_values():
    """Anything else may be mixed in."""
    line = sound("sx", 8000)
    assert line.value(line.notifications[1]) == "x"
