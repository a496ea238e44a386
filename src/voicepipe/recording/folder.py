"""The folder of the recordings: what is to be deleted there, at the start of a server and from time to time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

import structlog

from voicepipe.recording.file import SUFFIX, BadRecording, header_of, may_be_recording
from voicepipe.recording.records import Withdrawn

__all__ = ["path_of", "prune"]

log = structlog.get_logger()

_QUIET_S = 60.0
"""A file that was written within this time, in seconds, may belong to a session that is on: it is left alone."""


def path_of(folder: Path, session_id: str, began_at: float) -> Path:
    """Return the file of a session: sorted by name, files are sorted by time.

    >>> path_of(Path("recordings"), "sess_7", 0.0).as_posix()
    'recordings/19700101-000000-sess_7.recording'
    """
    began = time.strftime("%Y%m%d-%H%M%S", time.gmtime(began_at))
    return folder / f"{began}-{session_id}{SUFFIX}"


class _File(NamedTuple):
    written_at: float
    size: int
    path: Path


def prune(folder: Path, *, kept_s: float | None, total_bytes: int | None, now: float) -> list[Path]:
    """Delete the recordings without consent, those that are too old, and the oldest of too many. Blocks.

    A file without a header goes, too: its session was killed before it had an event. What another version has written
    stays until it is too old, and what is no recording at all stays.

    Args:
        folder: The folder; one that is not there, or cannot be read, holds none.
        kept_s: The age in seconds from which on a recording is deleted, counted from its last event. None: never.
        total_bytes: The bytes that all recordings may have together. None: any number.
        now: The time in seconds since the epoch.

    Returns:
        The files that were deleted.
    """
    files = sorted(_files(folder))
    quiet = [file for file in files if now - file.written_at > _QUIET_S]
    gone = [file for file in files if isinstance(_header(file.path), Withdrawn)]
    for file in quiet:
        is_old = kept_s is not None and now - file.written_at > kept_s
        if file not in gone and (is_old or _header(file.path) is None):
            gone.append(file)
    gone += _over(files, quiet, gone, total_bytes)
    deleted = [file.path for file in gone if _unlink(file.path)]
    if deleted:
        log.info("recordings.pruned", folder=str(folder), files=len(deleted))
    return deleted


def _over(files: list[_File], quiet: list[_File], gone: list[_File], total_bytes: int | None) -> Iterator[_File]:
    """Yield the oldest files that are too many."""
    left = sum(file.size for file in files) - sum(file.size for file in gone)
    for file in quiet:
        if total_bytes is None or left <= total_bytes:
            return
        if file not in gone:
            left -= file.size
            yield file


def _files(folder: Path) -> Iterator[_File]:
    with suppress(OSError):
        for path in folder.glob(f"*{SUFFIX}"):
            with suppress(OSError):
                stat = path.lstat()
                if S_ISREG(stat.st_mode) and may_be_recording(path):
                    yield _File(stat.st_mtime, stat.st_size, path)


def _header(path: Path) -> object:
    try:
        return header_of(path)
    except (OSError, BadRecording) as error:
        return error


def _unlink(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("recording.not_deleted", file=str(path), why=str(error))
        return False
    return True
