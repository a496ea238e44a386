"""What happens at a boundary that is full: one enum for all of them."""

from __future__ import annotations

from enum import Enum, auto

__all__ = ["BoundaryFull", "Overflow"]


class Overflow(Enum):
    """What a full boundary does with one item too many."""

    BLOCK = auto()
    """The producer waits; only for producers that may."""
    DROP_OLDEST = auto()
    """The oldest that waits goes; live audio is worth less the older it is."""
    LATEST = auto()
    """Only the newest waits."""
    FAIL_TURN = auto()
    """Nothing may be lost: the turn fails."""
    FAIL_SESSION = auto()
    """The session cannot keep up at all."""


class BoundaryFull(Exception):
    """A boundary whose policy is to fail was full."""

    def __init__(self, boundary: str, capacity: int) -> None:
        super().__init__(f"boundary {boundary} is full: {capacity} items wait, and its policy is to fail")
        self.boundary, self.capacity = boundary, capacity
