"""Smart Turn: its spectrogram against a slow and plain one, and its judgement on real speech."""

from __future__ import annotations

import numpy as np
import pytest

from voicepipe.events import Samples
from voicepipe.vad.smart_turn import RATE_HZ, SmartTurn, log_mel
from voicepipe.weights import registry


def plainly(sound: Samples) -> np.ndarray:
    """The same spectrogram in double precision, window by window, bin by bin, without a short cut."""
    wave = np.concatenate([np.zeros(128_000), sound.astype(np.float64)])[-128_000:]
    wave = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
    wave = np.concatenate([wave[200:0:-1], wave, wave[-2:-202:-1]])
    window = np.sin(np.pi * np.arange(400) / 400) ** 2

    def mel(hertz: float) -> float:
        return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)

    def hertz(mel: float) -> float:
        return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    corners = [hertz(step * mel(8000) / 81) for step in range(82)]
    filters = np.zeros((80, 201))
    for channel, (low, peak, high) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        for number in range(201):
            at = number * 40
            side = (at - low) / (peak - low) if at <= peak else (high - at) / (high - peak)
            filters[channel, number] = max(0.0, side) * 2 / (high - low)
    power = np.array([np.abs(np.fft.rfft(wave[n * 160 : n * 160 + 400] * window)) ** 2 for n in range(800)])
    decades = np.log10(np.maximum(filters @ power.T, 1e-10))
    return (np.maximum(decades, decades.max() - 8) + 4) / 4


def chirp(seconds: float) -> Samples:
    """A loud sound with all pitches in it, on a bed of faint noise."""
    times = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    faint = 1e-3 * np.random.default_rng(3).standard_normal(len(times))
    return (0.4 * np.sin(2 * np.pi * (100 + 900 * times) * times) + faint).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.5, 2.345, 7.99, 8.0, 11.0])
def test_the_spectrogram_is_whispers(seconds: float):
    """Whatever the length, and however much silence is skipped, it is the plain one within single precision."""
    sound = chirp(seconds)
    seen = log_mel(sound)
    assert seen.shape == (80, 800)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, plainly(sound), atol=1e-4)


def test_only_the_last_eight_seconds_count():
    """Earlier sound changes nothing."""
    sound = chirp(9.0)
    np.testing.assert_array_equal(log_mel(sound), log_mel(sound[-8 * RATE_HZ :]))


def test_loudness_does_not_count():
    """A whisper into the same microphone has the same spectrogram as a shout."""
    np.testing.assert_allclose(log_mel(chirp(3.0)), log_mel(chirp(3.0) * np.float32(0.25)), atol=1e-3)


@pytest.fixture(scope="session")
def smart_turn() -> SmartTurn:
    if registry.find("smart-turn") is None:
        pytest.skip("run `voicepipe models fetch smart-turn`")
    return SmartTurn()


@pytest.fixture(scope="session")
def reading() -> Samples:
    """The opening of "A Tale of Two Cities", read aloud."""
    import soxr
    import sphn

    pcm, rate_hz = sphn.read(registry.require("moonshine").parent / "two_cities.wav")
    return soxr.resample(pcm[0], rate_hz, RATE_HZ).astype(np.float32)


@pytest.mark.models
@pytest.mark.parametrize(
    ("begin_s", "end_s", "cut_s"),
    [
        (8.6, 13.1, 11.3),  # it was the epoch of belief, it was the | epoch of incredulity.
        (21.0, 24.3, 22.6),  # we had everything before us, | we had nothing before us.
        (24.4, 28.6, 26.9),  # we were all going direct to heaven, we were all | going direct the other way.
        (29.0, 42.0, 35.0),  # in short the period was so far like the present period that some | of its … only.
    ],
)
def test_a_finished_sentence_is_surer_than_a_cut_one(
    smart_turn: SmartTurn, reading: Samples, begin_s: float, end_s: float, cut_s: float
):
    """The end of a sentence sounds more finished than its middle followed by as much silence."""
    pause = np.zeros(RATE_HZ // 5, np.float32)
    whole = reading[int(begin_s * RATE_HZ) : int(end_s * RATE_HZ)]
    cut = np.concatenate([reading[int(begin_s * RATE_HZ) : int(cut_s * RATE_HZ)], pause])
    assert smart_turn.probability(whole) > smart_turn.probability(cut)


@pytest.mark.models
def test_silence_is_judged_without_an_error(smart_turn: SmartTurn):
    """An empty sound, and one sample, give a probability."""
    for sound in (np.zeros(0, np.float32), np.ones(1, np.float32)):
        assert 0 <= smart_turn.probability(sound) <= 1
