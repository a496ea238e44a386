"""`voicepipe donations`: list, trim and remove, as an operator does it."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from voicepipe.cli import main
from voicepipe.client.recording import write_mono

ANN = "0b8b5e0e-3c4f-4c62-9e5b-5b1d2f2d8a11"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One donation: a second of silence on each side of two of voice."""
    voice = np.random.default_rng(1).normal(size=48_000).astype(np.float32) * 0.1
    silence = np.zeros(24_000, np.float32)
    write_mono(tmp_path / f"{ANN}.wav", np.concatenate([silence, voice, silence]))
    kept = {"submission": {"format_version": "1.0", "nickname": "Ann [x]", "email": "ann@example.org"}, "timestamp": 9}
    (tmp_path / f"{ANN}.json").write_text(json.dumps(kept))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["donations", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def test_donations_are_listed(folder: Path, capsys) -> None:
    code, out, _ = run(capsys, folder)
    assert (code, all(told in out for told in (ANN, "Ann [x]", "ann@example.org", "1970-01-01", "1.0"))) == (0, True)
    _, out, _ = run(capsys, folder, "--json")
    assert json.loads(out)["id"] == ANN


def test_the_folder_of_the_settings_is_the_default_by_unmutes_name_too(folder: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    assert run(capsys)[0] == 2
    monkeypatch.setenv("KYUTAI_VOICE_DONATION_DIR", str(folder))
    assert ANN in run(capsys)[1]


def test_a_voice_is_trimmed_beside_the_donation(folder: Path, capsys) -> None:
    """The donation itself stays as it was given."""
    before = (folder / f"{ANN}.wav").read_bytes()
    code, out, _ = run(capsys, folder, "--trim", ANN[:8])
    assert (code, "2.3 s of 4.0 s" in out) == (0, True)
    with wave.open(str(folder / f"{ANN}.trimmed.wav")) as file:
        assert (file.getnchannels(), file.getnframes() / file.getframerate()) == (1, pytest.approx(2.3, abs=0.05))
    assert (folder / f"{ANN}.wav").read_bytes() == before
    assert (folder / f"{ANN}.trimmed.wav").stat().st_mode & 0o077 == 0


def test_a_withdrawn_voice_is_removed(folder: Path, capsys) -> None:
    """With what was made of it."""
    run(capsys, folder, "--trim", ANN)
    code, out, _ = run(capsys, folder, "--remove", "ann@example.org")
    assert (code, out.count("deleted "), list(folder.iterdir())) == (0, 3, [])
    code, _, err = run(capsys, folder, "--remove", ANN)
    assert (code, "is no donation in" in err) == (2, True)


def test_a_recording_without_a_voice_is_said(folder: Path, capsys) -> None:
    write_mono(folder / f"{ANN}.wav", np.zeros(24_000, np.float32))
    code, _, err = run(capsys, folder, "--trim", ANN)
    assert (code, "there is no voice in the recording" in err) == (2, True)
    assert run(capsys, folder, "--trim", ANN, "--seconds", 0)[0] == 2
