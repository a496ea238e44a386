"""The frames and rates of WebRTC's audio modules."""

import numpy as np
import pytest

from voicepipe.audio.webrtc import WebRtcFrames


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
def test_sound_comes_back_as_it_was(rate_hz: int) -> None:
    """In whole frames of 10 ms, later by a third of a millisecond where the rate is doubled."""
    tone = np.sin(2 * np.pi * 1_000 / rate_hz * np.arange(rate_hz)).astype(np.float32)
    frames = WebRtcFrames(rate_hz, 1)
    pieces = [frames.add(piece)[0] for piece in np.array_split(tone, 77)]
    assert all(len(piece) % (frames.rate_hz // 100) == 0 for piece in pieces)
    back = frames.back(np.concatenate(pieces))
    late = 8 if frames.rate_hz != rate_hz else 0
    assert back[late:] == pytest.approx(tone[: len(back) - late], abs=1e-6)


def test_what_is_between_the_samples_is_interpolated() -> None:
    """A tone of 5 kHz at the double rate is that tone, without an image at 19 kHz."""
    tone = np.sin(2 * np.pi * 5_000 / 24_000 * np.arange(24_000)).astype(np.float32)
    (doubled,) = WebRtcFrames(24_000, 1).add(tone)
    spectrum = np.abs(np.fft.rfft(doubled[960:48_000] * np.hanning(47_040)))
    hz = np.fft.rfftfreq(47_040, 1 / 48_000)
    image = spectrum[(hz > 18_500) & (hz < 19_500)].max()
    assert 20 * np.log10(image / spectrum.max()) < -40


def test_what_waits_can_be_taken_back() -> None:
    """The beginning of a frame."""
    frames = WebRtcFrames(24_000, 2)
    frames.add(np.ones(300, np.float32), np.zeros(300, np.float32))
    assert len(frames.rest()) == 60
    assert len(frames.rest()) == 0
