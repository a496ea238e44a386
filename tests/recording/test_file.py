"""The file of a recording: whole, cut off anywhere, damaged, and of another format."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicepipe.events import TurnEnded
from voicepipe.recording.file import MAGIC, BadRecording, Framer, header_of, read
from voicepipe.recording.records import Emitted, Header, MessageReceived, RecordingEnded, SessionClosed, Withdrawn

HEADER = Header("sess_1", 1000.0, 5.0)
RECORDS = [
    MessageReceived(5.5, "hello"),
    Emitted(TurnEnded("Hi", 0.2)),
    MessageReceived(7.25, "bye"),
    Emitted(TurnEnded("Bye", 1.2)),
]


def written(path: Path, *records: object) -> bytes:
    framer = Framer()
    data = b"".join(map(framer.frames, records))
    path.write_bytes(data)
    return data


def test_a_recording_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "a.recording"
    written(path, HEADER, *RECORDS, SessionClosed(8.0, "the client left"))
    recording = read(path)
    assert (recording.header, recording.records[:-1]) == (HEADER, tuple(RECORDS))
    assert list(recording.emitted()) == [(5.5, RECORDS[1].event), (7.25, RECORDS[3].event)]
    assert (recording.duration_s, recording.ended, recording.is_whole) == (3.0, "the client left", True)
    assert header_of(path) == HEADER


def test_a_file_that_is_cut_off_anywhere_is_read_up_to_there(tmp_path: Path) -> None:
    """As a killed process or a dead machine leaves it: whole records only, in order, and never an error."""
    path = tmp_path / "a.recording"
    whole = written(path, HEADER, *RECORDS)
    first = len(Framer().frames(HEADER))
    counts: list[int] = []
    for length in range(first, len(whole) + 1, 3):
        path.write_bytes(whole[:length])
        recording = read(path)
        counts.append(len(recording.records))
        assert list(recording.records) == RECORDS[: counts[-1]]
        assert recording.ended == "the server was killed"
    assert (counts[0], counts[-1] >= 3, counts) == (0, True, sorted(counts))


def test_a_file_without_a_whole_header_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.recording"
    whole = written(path, HEADER)
    for length in (0, 5, len(MAGIC), len(whole) - 1):
        path.write_bytes(whole[:length])
        assert header_of(path) is None
        with pytest.raises(BadRecording, match=r"a\.recording is empty: the server was killed"):
            read(path)


def test_what_is_behind_a_damaged_byte_is_not_read(tmp_path: Path) -> None:
    """The checksum tells; nothing wrong is read."""
    path = tmp_path / "a.recording"
    whole = bytearray(written(path, HEADER, *RECORDS))
    whole[-3] ^= 0xFF
    path.write_bytes(bytes(whole))
    recording = read(path)
    assert (list(recording.records), recording.lost_bytes > 0) == (RECORDS[:3], True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"RIFF....WAVEfmt ......................", "is no recording of voicepipe; their names"),
        (b"voicepipe recording 9\nsomething else", "was written by a newer voicepipe"),
    ],
)
def test_another_file_is_refused_with_a_reason(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.recording"
    path.write_bytes(data)
    with pytest.raises(BadRecording, match=message):
        read(path)


def test_a_path_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="is a folder; `voicepipe recordings"):
        read(tmp_path)
    with pytest.raises(BadRecording, match="cannot be read: No such file"):
        read(tmp_path / "none.recording")


def test_how_it_ended_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.recording"
    written(path, HEADER, RecordingEnded("it has 9 bytes"))
    assert read(path).ended == "the recording ended before the session: it has 9 bytes"
    written(path, HEADER, Withdrawn())
    assert read(path).is_withdrawn
