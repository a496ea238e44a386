"""`Overflow`: what a full boundary does; one enum for all boundaries."""

from __future__ import annotations

from enum import Enum, auto

__all__ = ["BoundaryFull", "Overflow"]


class Overflow(Enum):
    """The policy of a full boundary when one more item arrives."""

    BLOCK = auto()
    """The producer waits. Valid only where the producer can wait."""
    DROP_OLDEST = auto()
    """Drop the oldest waiting item. For live audio, which loses its value with age."""
    LATEST = auto()
    """Keep only the newest waiting item."""
    FAIL_TURN = auto()
    """Fail the turn. For data that must not be lost."""
    FAIL_SESSION = auto()
    """Fail the session: it cannot keep up."""


class BoundaryFull(Exception):
    """A boundary with a failing policy was full: `FAIL_TURN`, or `FAIL_SESSION`."""

    def __init__(self, boundary: str, capacity: int, policy: Overflow = Overflow.FAIL_TURN) -> None:
        super().__init__(f"boundary {boundary} is full: {capacity} items wait, and its policy is to fail")
        self.boundary, self.capacity, self.policy = boundary, capacity, policy
