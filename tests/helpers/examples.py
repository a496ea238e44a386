"""The number of examples that hypothesis draws: all in CI, and a part of them on a developer's machine."""

from __future__ import annotations

import os

__all__ = ["IN_CI", "examples"]

IN_CI = bool(os.environ.get("CI"))

# 34 properties with 100 examples each take 12 s of CPU time, with 25 each 3 s.
_PART = 4


def examples(count: int) -> int:
    """Return `count` in CI, a fourth of it elsewhere."""
    return count if IN_CI else count // _PART
