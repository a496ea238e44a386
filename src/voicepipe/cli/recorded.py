"""The recording that a command is about: a file, or a session of the folder of the settings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from voicepipe.cli.errors import CommandError

if TYPE_CHECKING:
    from voicepipe.testing.replay import Recording

__all__ = ["add_recording_argument", "file_of", "of_session", "open_recording", "write_private"]


def add_recording_argument(parser: argparse.ArgumentParser) -> None:
    """Add FILE, a recording."""
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="a recording, FILE.recording; or the id of a session, or its first letters, in the folder recordings_dir",
    )


def file_of(asked: Path) -> Path:
    """Return the file of a recording.

    Args:
        asked: A file as it is, or the first letters of a session's id.

    Raises:
        CommandError: There is no such session in the folder `recordings_dir`, or there are several.
    """
    is_session = len(asked.parts) == 1 and asked.name.startswith("sess_") and not asked.exists()
    if not is_session or asked.suffix == ".recording":
        return asked
    if (folder := _folder()) is None:
        raise CommandError(f"to find the session {asked}, set recordings_dir, or name the file")
    found = of_session(folder, asked.name)
    if len(found) > 1:
        files = ", ".join(str(path) for path in found)
        raise CommandError(f"the session {asked} has {len(found)} recordings; name one of the files: {files}")
    return found[0]


def of_session(folder: Path, asked: str) -> list[Path]:
    """Return the recordings of one session.

    Args:
        folder: The folder of the recordings.
        asked: The session's id, its first letters, or the name of a file.

    Raises:
        CommandError: There is none, or these are the first letters of several sessions.
    """
    sessions: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.recording")):
        if asked and (_session(path).startswith(asked) or asked in (path.name, path.stem)):
            sessions.setdefault(_session(path), []).append(path)
    if not sessions:
        raise CommandError(f"{folder} has no recording of a session {asked!r}")
    if asked not in sessions and len(sessions) > 1:
        raise CommandError(
            f"{asked!r} begins the ids of {len(sessions)} sessions: {', '.join(sessions)}; write one out"
        )
    return sessions.get(asked) or next(iter(sessions.values()))


def _session(path: Path) -> str:
    """Return the session's id of a file's name, `20260102-030405-sess_abc.recording`; without one, the name."""
    _, found, rest = path.stem.partition("-sess_")
    return f"sess_{rest}" if found else path.stem


def _folder() -> Path | None:
    from voicepipe.settings import SettingsError, load_settings

    try:
        return load_settings().recordings_dir
    except SettingsError as error:
        raise CommandError(str(error)) from error


def open_recording(path: Path) -> Recording:
    """Return a recording. Raises CommandError."""
    from voicepipe.testing.replay import BadRecording, read

    try:
        return read(path)
    except BadRecording as error:
        raise CommandError(str(error)) from error


def write_private(path: Path, text: str) -> None:
    """Write a text that only this user may read, as the recording. Raises CommandError.

    Args:
        path: The file; one that exists keeps its permissions.
        text: Half of a surrogate pair in it is written as a question mark.
    """
    from voicepipe.recording.private_files import private

    try:
        with open(path, "w", encoding="utf-8", errors="replace", opener=private) as file:
            file.write(text)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from error
