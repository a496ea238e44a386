"""Folders and files that the settings name: whether they can be used, and whether others can read them."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from voicepipe.doctor.findings import Finding, fault, fine, warning

__all__ = ["file_findings", "folder_findings", "secret_findings"]

# Some hours of recordings; a full disk ends them.
_FREE_MB = 1_000


def folder_findings(folders: Mapping[str, Path]) -> Iterator[Finding]:
    """Yield whether speech can be written into each folder, and is private there.

    Args:
        folders: By the setting that names it.
    """
    for name, folder in folders.items():
        yield _folder(name, folder)


def _folder(name: str, folder: Path) -> Finding:
    # `Path.exists` raises an exception where a folder on the way cannot be opened.
    there = next(place for place in (folder, *folder.absolute().parents) if os.path.exists(place))
    if not os.path.isdir(there):
        return fault(name, f"{there} is a file, and must be a folder", f"correct {name}, or move {there} away")
    if not os.access(there, os.W_OK | os.X_OK):
        return fault(name, f"{folder} cannot be written", f"chown {there} to the user that runs the server")
    free_mb = shutil.disk_usage(there).free / 1e6
    if free_mb < _FREE_MB:
        return warning(name, f"{folder} has {free_mb:.0f} MB left", "make room, or name a folder on another disk")
    if there == folder and stat.S_IMODE(folder.stat().st_mode) & stat.S_IRWXO:
        return warning(name, f"other users of this machine can open {folder}", f"chmod o= {folder}: it holds speech")
    return fine(name, f"{folder} can be written, with {free_mb / 1000:.0f} GB left")


def file_findings(files: Mapping[str, Path]) -> Iterator[Finding]:
    """Yield whether each file can be read.

    Args:
        files: By the setting that names it.
    """
    for name, file in files.items():
        if not os.path.isfile(file):
            yield fault(name, f"{file} does not exist", f"correct {name}, or unset it")
        elif not os.access(file, os.R_OK):
            yield fault(name, f"{file} cannot be read", f"chown {file} to the user that runs the server")
        else:
            yield fine(name, f"{file} can be read")


def secret_findings(written: Mapping[str, str]) -> Iterator[Finding]:
    """Yield whether files that hold secrets are private.

    Args:
        written: By a secret setting's name where it is set, as `Loaded.written` says it.
    """
    places = {place.rpartition(": ")[0] for place in written.values()} - {""}
    for file in sorted(path for path in map(Path, places) if os.path.isfile(path)):
        if file.stat().st_mode & stat.S_IROTH:
            yield fault("secrets", f"other users of this machine can read {file}, which holds keys", f"chmod o= {file}")
        else:
            yield fine("secrets", f"{file} is private")
