"""Files that hold speech."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["private", "private_files"]


def private(path: str, flags: int) -> int:
    """Open a file that only this user may read: the `opener` of `open` for files that hold speech.

    Args:
        path: The file.
        flags: As `os.open` takes them.

    Returns:
        The file's descriptor.
    """
    return os.open(path, flags, 0o600)


@contextmanager
def private_files() -> Generator[None]:
    """Create files that only this user may read, until the block ends: for commands, since it counts for the process.

    A file that exists keeps its permissions.
    """
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
