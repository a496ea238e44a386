"""Silero on real sounds: quiet when nobody speaks, sure when somebody does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicepipe.events import Samples
from voicepipe.vad.silero import FRAME, RATE_HZ, SILENCE, Silero
from voicepipe.weights import registry

pytestmark = pytest.mark.models


@pytest.fixture(scope="session")
def speech() -> Samples:
    """A long sentence of "A Tale of Two Cities", read aloud: it begins after 0.42 s and has no pause of note."""
    import soxr
    import sphn

    pcm, rate_hz = sphn.read(registry.require("moonshine").parent / "two_cities.wav")
    whole = soxr.resample(pcm[0], rate_hz, RATE_HZ).astype(np.float32)
    return whole[int(28.7 * RATE_HZ) : 37 * RATE_HZ]


@pytest.fixture(scope="session", params=["onnx", "ggml"])
def silero(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Silero:
    """Each of the two builds."""
    if request.param == "onnx" and registry.find("silero") is None:
        pytest.skip("run `voicepipe models fetch silero`")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "ggml":
            patch.setattr(registry, "find", lambda name: None)
        made = Silero()
    assert made.build == request.param
    return made


@pytest.fixture(scope="session")
def onnx() -> Silero:
    """The build that takes several frames at once."""
    if registry.find("silero") is None:
        pytest.skip("run `voicepipe models fetch silero`")
    return Silero()


def probabilities(silero: Silero, sound: Samples) -> list[float]:
    stream = silero.stream()
    return [stream(sound[at : at + FRAME]) for at in range(0, len(sound) - FRAME + 1, FRAME)]


def noise(seconds: float, loudness: float) -> Samples:
    rng = np.random.default_rng(1)
    return (loudness * rng.standard_normal(int(seconds * RATE_HZ))).astype(np.float32)


def test_silence_and_noise_are_not_speech(silero: Silero):
    """Neither digital silence nor hiss nor a hum reaches 0.5."""
    hum = (0.2 * np.sin(2 * np.pi * 100 * np.arange(2 * RATE_HZ) / RATE_HZ)).astype(np.float32)
    for sound in (np.zeros(2 * RATE_HZ, np.float32), noise(2, 0.01), noise(2, 0.1), hum):
        assert max(probabilities(silero, sound)) < 0.5


def test_speech_is_speech(silero: Silero, speech: Samples):
    """Fluent reading is above 0.5 in six frames of seven, and from within 100 ms of where it begins."""
    is_speech = np.array(probabilities(silero, speech)) > 0.5
    begun = int(is_speech.argmax())
    assert is_speech[begun:].mean() > 6 / 7
    assert 0.32 < begun * FRAME / RATE_HZ < 0.52


def test_streams_do_not_hear_each_other(silero: Silero, speech: Samples):
    """Two interleaved sessions get what each would get alone."""
    sounds = (speech[:RATE_HZ], speech[RATE_HZ : 2 * RATE_HZ])
    streams = (silero.stream(), silero.stream())
    mixed: list[list[float]] = [[], []]
    for at in range(0, RATE_HZ - FRAME + 1, FRAME):
        for stream, sound, heard in zip(streams, sounds, mixed, strict=True):
            heard.append(stream(sound[at : at + FRAME]))
    assert mixed == [pytest.approx(probabilities(silero, sound), abs=1e-6) for sound in sounds]


@settings(max_examples=20, deadline=None)
@given(present=st.lists(st.sets(st.integers(0, 4), min_size=1), min_size=1, max_size=30), seed=st.integers(0, 99))
def test_frames_in_batches_get_what_they_get_alone(onnx: Silero, present: list[set[int]], seed: int):
    """Whichever sessions are in each batch, and whatever the others hear."""
    rng, states = np.random.default_rng(seed), [SILENCE] * 5
    streams = [onnx.stream() for _ in range(5)]
    for sessions in map(sorted, present):
        frames = [(rng.normal(0, 10.0 ** -rng.integers(5), FRAME)).astype(np.float32) for _ in sessions]
        found = onnx.together([(frame, states[one]) for frame, one in zip(frames, sessions, strict=True)])
        for one, frame, (probability, state) in zip(sessions, frames, found, strict=True):
            assert probability == pytest.approx(streams[one](frame), abs=1e-6)
            states[one] = state


def test_a_batch_with_a_wrong_frame_is_refused(onnx: Silero):
    """No state is changed by it."""
    with pytest.raises(ValueError, match="512"):
        onnx.together([(np.zeros(FRAME, np.float32), SILENCE), (np.zeros(480, np.float32), SILENCE)])
    assert not SILENCE.sound.any()
    assert not SILENCE.memory.any()


def test_the_other_build_takes_one_frame_at_a_time(silero: Silero):
    """The error says how to get the one that takes several."""
    if silero.build == "onnx":
        assert len(silero.together([(np.zeros(FRAME, np.float32), SILENCE)])) == 1
        return
    with pytest.raises(RuntimeError, match="models fetch silero"):
        silero.together([(np.zeros(FRAME, np.float32), SILENCE)])


def test_reset_forgets(silero: Silero, speech: Samples):
    """After a reset, a frame gets what it gets in a new stream."""
    used = silero.stream()
    for at in range(0, RATE_HZ - FRAME, FRAME):
        used(speech[at : at + FRAME])
    used.reset()
    assert used(speech[:FRAME]) == pytest.approx(silero.stream()(speech[:FRAME]), abs=1e-6)


def test_a_frame_of_another_length_is_refused(silero: Silero):
    """480 samples, 30 ms, are an error and not a guess."""
    with pytest.raises(ValueError, match="512"):
        silero.stream()(np.zeros(480, np.float32))


def test_a_file_of_ones_own_is_used(tmp_path: Path):
    """A path that is not a model fails at once rather than in the first session."""
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(Exception, match=r"broken\.onnx"):
        Silero(broken)
