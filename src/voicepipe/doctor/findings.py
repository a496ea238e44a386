"""`Finding`: one thing that was looked at, how it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Finding", "State", "fault", "fine", "warning"]

State: TypeAlias = Literal["ok", "warning", "fault"]
"""A fault keeps users from a conversation, or gives away what is private. A warning may do so later, or costs speed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        what: What it is, in a word or two.
        state: How it is.
        said: What was found.
        remedy: What to do about it; "" where it is fine.
    """

    what: str
    state: State
    said: str
    remedy: str = ""


def fine(what: str, said: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(what, "ok", said)


def warning(what: str, said: str, remedy: str) -> Finding:
    """Return a finding that may do harm later."""
    return Finding(what, "warning", said, remedy)


def fault(what: str, said: str, remedy: str) -> Finding:
    """Return a finding that has to be repaired."""
    return Finding(what, "fault", said, remedy)
