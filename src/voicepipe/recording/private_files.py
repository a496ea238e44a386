"""Files that hold speech."""

from __future__ import annotations

import os

__all__ = ["private"]


def private(path: str, flags: int) -> int:
    """Open a file that only this user may read: the `opener` of `open` for files that hold speech.

    Args:
        path: The file.
        flags: As `os.open` takes them.

    Returns:
        The file's descriptor.
    """
    return os.open(path, flags, 0o600)
