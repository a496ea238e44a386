"""A token bucket: how often something may happen, and how often at once. Pure, except for its clock."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Bucket"]

# What sums are off by.
_NOTHING_S = 1e-9


class Bucket:
    """A token bucket: `per_s` tokens come each second, up to `burst`, and are taken.

    >>> bucket = Bucket(lambda: 0.0, per_s=10, burst=2)
    >>> [round(bucket.take(1), 3) for _ in range(4)]
    [0.0, 0.0, 0.1, 0.2]
    >>> bucket = Bucket(lambda: 0.0, per_s=10, burst=2)
    >>> [bucket.admits() for _ in range(3)]
    [True, True, False]

    Args:
        clock: The time in seconds.
        per_s: How many tokens come each second.
        burst: How many there are at most, and at the beginning.
    """

    __slots__ = ("_burst_s", "_clock", "_full_at", "_per_s")

    def __init__(self, clock: Callable[[], float], *, per_s: float, burst: float) -> None:
        self._clock, self._per_s, self._burst_s = clock, per_s, burst / per_s
        self._full_at = clock()

    def take(self, count: float) -> float:
        """Take tokens, and return the seconds until there are as many; 0 where they are there already."""
        now = self._clock()
        self._full_at = max(self._full_at, now) + count / self._per_s
        wait_s = self._full_at - now - self._burst_s
        return wait_s if wait_s > _NOTHING_S else 0.0

    def admits(self) -> bool:
        """Take one token and return True, if there is one."""
        before = self._full_at
        if self.take(1):
            self._full_at = before
            return False
        return True

    @property
    def is_full(self) -> bool:
        """Return whether a whole burst may be taken at once."""
        return self._full_at <= self._clock()
