"""Donated voices on the disk: which are whole, where the voice is in a recording, and what a removal leaves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from voicepipe.voices.donations import Donation, NoDonation, donations, find, quiet_ends, remove, trimmed_path

RATE_HZ = 24_000
ANN = "0b8b5e0e-3c4f-4c62-9e5b-5b1d2f2d8a11"
BOB = "0b9c5e0e-3c4f-4c62-9e5b-5b1d2f2d8a12"


def donated(folder: Path, name: str, *, at: float = 1.0, **submission: object) -> None:
    (folder / f"{name}.wav").write_bytes(b"RIFF")
    kept = {"submission": {"format_version": "1.1", **submission}, "timestamp": at}
    (folder / f"{name}.json").write_text(json.dumps(kept))


def test_whole_donations_are_found_the_oldest_first(tmp_path: Path) -> None:
    """Not one whose recording or facts are missing, nor another file."""
    donated(tmp_path, BOB, at=1.0, nickname="Bob", email="bob@example.org")
    donated(tmp_path, ANN, at=2.0, nickname="Ann", email=None)
    (tmp_path / "lonely.json").write_text('{"submission": {}, "timestamp": 3}')
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "broken.wav").write_bytes(b"")
    found = donations(tmp_path)
    assert [(one.id, one.nickname, one.email, one.bytes) for one in found] == [
        (BOB, "Bob", "bob@example.org", 4),
        (ANN, "Ann", "", 4),
    ]
    assert donations(tmp_path / "none") == []


def test_a_donation_is_found_by_the_beginning_of_its_id_or_by_its_donor(tmp_path: Path) -> None:
    donated(tmp_path, ANN, email="ann@example.org")
    donated(tmp_path, BOB)
    assert find(tmp_path, ANN[:4]).id == ANN
    assert find(tmp_path, "ann@example.org").id == ANN
    with pytest.raises(NoDonation, match="'0b' is more than one donation"):
        find(tmp_path, "0b")
    for nothing in ("", "eve@example.org"):
        with pytest.raises(NoDonation, match="is no donation in"):
            find(tmp_path, nothing)


def test_a_removal_takes_all_files_of_a_donation_and_no_others(tmp_path: Path) -> None:
    donated(tmp_path, ANN)
    donated(tmp_path, BOB)
    ann = find(tmp_path, ANN)
    trimmed_path(ann).write_bytes(b"RIFF")
    assert len(remove(ann)) == 3
    assert [one.id for one in donations(tmp_path)] == [BOB]
    assert len(list(tmp_path.iterdir())) == 2


def noise(seconds: float, level: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return (np.random.default_rng(1).normal(size=round(seconds * RATE_HZ)) * level).astype(np.float32)


def test_the_voice_is_found_between_the_silences() -> None:
    """With a margin, and with the noise of the room around it."""
    sound = np.concatenate([noise(1.0, 0.0005), noise(2.0, 0.1), noise(1.5, 0.0005)])
    begin, end = quiet_ends(sound, RATE_HZ, most_s=10)
    assert begin / RATE_HZ == pytest.approx(0.85, abs=0.05)
    assert end / RATE_HZ == pytest.approx(3.15, abs=0.05)


def test_a_long_recording_is_cut_where_it_is_quietest() -> None:
    """Within the last second that it may have: not in the middle of a word."""
    sound = np.concatenate([noise(4.4, 0.1), noise(0.2, 0.001), noise(4.0, 0.1)])
    begin, end = quiet_ends(sound, RATE_HZ, most_s=5)
    assert begin == 0
    assert 4.4 <= end / RATE_HZ <= 4.62


def test_a_recording_without_a_voice_is_refused() -> None:
    for sound in (np.zeros(RATE_HZ, np.float32), np.zeros(0, np.float32)):
        with pytest.raises(ValueError, match="there is no voice in the recording"):
            quiet_ends(sound, RATE_HZ, most_s=10)


def test_the_trimmed_recording_lies_beside_the_donation(tmp_path: Path) -> None:
    donated(tmp_path, ANN)
    one: Donation = find(tmp_path, ANN)
    assert trimmed_path(one) == tmp_path / f"{ANN}.trimmed.wav"
