"""Sound files: what is read, what is told about those that are not, and the stereo file to the sample."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
import sphn

from voicepipe.client.recording import BadRecording, read_recording, write_stereo

DATA = Path(__file__).parents[1] / "data"


def pitch_hz(samples: np.ndarray) -> float:
    """The strongest frequency."""
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum)) * 24_000 / len(samples)


@pytest.mark.parametrize("name", ["tone.mp3", "tone.flac", "tone.ogg", "tone.opus", "tone.aiff"])
def test_formats_are_read(name: str):
    """A quarter second of 440 Hz, whatever it is packed in; codecs add a little silence around it."""
    samples = read_recording(DATA / name)
    assert samples.dtype == np.float32
    assert len(samples) / 24_000 == pytest.approx(0.25, abs=0.07)
    assert pitch_hz(samples) == pytest.approx(440, abs=5)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.05)


def test_a_wav_file_is_read_to_the_sample(tmp_path: Path):
    """24 kHz mono passes unchanged, but for its 16 bits."""
    sound = np.linspace(-1, 1, 1000).astype(np.float32)
    sphn.write_wav(str(tmp_path / "a.wav"), sound, 24_000)
    assert np.allclose(read_recording(tmp_path / "a.wav"), sound, atol=2 / 32_768)


def test_stereo_is_mixed_and_resampled(tmp_path: Path):
    """The mean of the channels, at the rate that is wanted."""
    with wave.open(str(tmp_path / "b.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(np.tile(np.array([16_384, 0], "<i2"), 48_000).tobytes())
    samples = read_recording(tmp_path / "b.wav")
    assert len(samples) == 24_000
    assert np.allclose(samples[1000:-1000], 0.25, atol=1e-3)


def test_a_format_that_is_not_read_says_what_is_and_how_to_convert():
    """AAC is not decoded here."""
    with pytest.raises(BadRecording, match=r"Ogg-Opus.*ffmpeg -i .*tone.m4a tone.wav"):
        read_recording(DATA / "tone.m4a")


def test_what_is_no_sound_is_told(tmp_path: Path):
    """An absent file, a folder, an empty file, a file of text, and a sound of no length."""
    (tmp_path / "empty.wav").touch()
    (tmp_path / "note.txt").write_text("hello")
    sphn.write_wav(str(tmp_path / "short.wav"), np.zeros(0, np.float32), 24_000)
    said = {}
    for name in ("absent.wav", ".", "empty.wav", "note.txt", "short.wav"):
        with pytest.raises(BadRecording) as raised:
            read_recording(tmp_path / name)
        said[name] = str(raised.value)
    assert said["absent.wav"].endswith("absent.wav: No such file or directory")
    assert said["."].endswith("Is a directory")
    assert said["empty.wav"].endswith("is empty")
    assert "of no format that is read here" in said["note.txt"]
    assert "no sound" in said["short.wav"]


def test_a_stereo_file_has_the_user_left_and_the_bot_right(tmp_path: Path):
    """16 bits, 24 kHz; the shorter side is filled up, and what is too loud is clipped."""
    write_stereo(tmp_path / "s.wav", np.array([0.5, 2.0, -2.0], np.float32), np.array([-0.25], np.float32))
    with wave.open(str(tmp_path / "s.wav")) as file:
        assert file.getparams()[:4] == (2, 2, 24_000, 3)
        samples = np.frombuffer(file.readframes(3), "<i2").reshape(-1, 2)
    assert samples.tolist() == [[16_384, -8_192], [32_767, 0], [-32_767, 0]]
