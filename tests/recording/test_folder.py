"""Which recordings are deleted, and which are not."""

from __future__ import annotations

import os
from pathlib import Path

from voicepipe.conversation import ClientInfo
from voicepipe.recording.file import Framer
from voicepipe.recording.folder import path_of, prune
from voicepipe.recording.records import Header, Withdrawn

NOW = 1_800_000_000.0
DAY_S = 86_400.0


def recording(folder: Path, name: str, *, age_s: float, size: int = 1000, header: bool = True) -> Path:
    path = folder / f"{name}.recording"
    data = Framer().frames(Header(name, NOW - age_s, 0.0) if header else Withdrawn())
    path.write_bytes(data + bytes(size - len(data)))
    os.utime(path, (NOW - age_s, NOW - age_s))
    return path


def pruned(folder: Path, *, kept_s: float | None = None, total_bytes: int | None = None) -> set[str]:
    gone = prune(folder, kept_s=kept_s, total_bytes=total_bytes, now=NOW)
    assert not any(path.exists() for path in gone)
    return {path.stem for path in gone}


def test_what_is_too_old_is_deleted(tmp_path: Path) -> None:
    for name, days in (("old", 31), ("new", 29)):
        recording(tmp_path, name, age_s=days * DAY_S)
    assert pruned(tmp_path, kept_s=30 * DAY_S) == {"old"}


def test_of_too_much_the_oldest_are_deleted(tmp_path: Path) -> None:
    """As many as it takes."""
    for days in range(1, 6):
        recording(tmp_path, f"{days}", age_s=days * DAY_S, size=1000)
    assert pruned(tmp_path, total_bytes=3_500) == {"5", "4"}
    assert pruned(tmp_path, total_bytes=3_500) == set()


def test_what_is_written_now_is_left_alone(tmp_path: Path) -> None:
    """Its session is on: it may have no header yet."""
    recording(tmp_path, "on", age_s=1, size=5000)
    (tmp_path / "begins.recording").write_bytes(b"voicepipe rec")
    os.utime(tmp_path / "begins.recording", (NOW - 1, NOW - 1))
    assert pruned(tmp_path, kept_s=0.5, total_bytes=1_000_000) == set()
    assert pruned(tmp_path, total_bytes=1_000) == set()


def test_a_withdrawn_recording_that_could_not_be_deleted_is_deleted_later(tmp_path: Path) -> None:
    """After a crash, too: the next server finds it at once, and one that was cut off before its header in a minute."""
    recording(tmp_path, "withdrawn", age_s=1, header=False)
    (tmp_path / "cut.recording").write_bytes(b"voicepipe rec")
    os.utime(tmp_path / "cut.recording", (NOW - 100, NOW - 100))
    recording(tmp_path, "kept", age_s=100)
    assert pruned(tmp_path) == {"withdrawn", "cut"}


def test_other_files_are_not_touched(tmp_path: Path) -> None:
    note = tmp_path / "notes.txt"
    note.write_text("mine")
    os.utime(note, (0, 0))
    assert pruned(tmp_path, kept_s=1) == set()
    assert note.exists()


def test_a_folder_that_is_not_there_holds_none(tmp_path: Path) -> None:
    assert pruned(tmp_path / "none", kept_s=1) == set()


def test_what_cannot_be_deleted_does_not_stop_the_others(tmp_path: Path) -> None:
    """A folder, which even root cannot unlink."""
    stuck = tmp_path / "a.recording"
    stuck.mkdir()
    os.utime(stuck, (NOW - 100, NOW - 100))
    recording(tmp_path, "b", age_s=100)
    assert pruned(tmp_path, kept_s=1) == {"b"}
    assert stuck.exists()


def test_names_sort_by_time() -> None:
    folder = Path("recordings")
    assert path_of(folder, "sess_z", NOW) < path_of(folder, "sess_a", NOW + 1)


def test_what_another_version_wrote_and_what_is_no_recording_stays(tmp_path: Path) -> None:
    """After a server is set back to an older version, too: such a file goes when it is too old."""
    newer, foreign, link = (tmp_path / f"{name}.recording" for name in ("newer", "foreign", "link"))
    newer.write_bytes(b"voicepipe recording 2\n" + bytes(100))
    foreign.write_bytes(b"RIFF" + bytes(100))
    link.symlink_to(foreign)
    (tmp_path / "folder.recording").mkdir()
    for path in (newer, foreign):
        os.utime(path, (NOW - 40 * DAY_S, NOW - 40 * DAY_S))
    assert pruned(tmp_path) == set()
    assert pruned(tmp_path, kept_s=30 * DAY_S, total_bytes=1) == {"newer"}
    assert foreign.exists()


def test_a_long_header_is_none_that_is_missing(tmp_path: Path) -> None:
    """A client's handshake has no short limit."""
    path = tmp_path / "long.recording"
    client = ClientInfo(query={"q": "x" * 100_000})
    path.write_bytes(Framer().frames(Header("s", 0.0, 0.0, client=client)))
    os.utime(path, (NOW - DAY_S, NOW - DAY_S))
    assert pruned(tmp_path) == set()
