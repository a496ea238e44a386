"""`CapacitySearch`: the most sessions that stay in real time, in few runs."""

from __future__ import annotations

__all__ = ["CapacitySearch"]


class CapacitySearch:
    """Doubles the number of sessions until a run misses real time, then halves the interval.

    >>> search, runs = CapacitySearch(first=2, most=64), []
    >>> while (sessions := search.next) is not None:
    ...     runs.append(sessions)
    ...     search.note(sessions, kept_up=sessions <= 11)
    >>> runs, search.found
    ([2, 4, 8, 16, 12, 10, 11], 11)

    Args:
        first: The number of the first run.
        most: A number that is not exceeded.
        precision: The interval, as a share of its lower end, at which the search ends.
    """

    def __init__(self, first: int, most: int, precision: float = 0.05) -> None:
        self._most, self._precision = most, precision
        self._next: int | None = min(first, most)
        self.found = 0
        self._missed = most + 1

    @property
    def next(self) -> int | None:
        """The number of sessions of the next run; None when the search is over."""
        return self._next

    def note(self, sessions: int, *, kept_up: bool) -> None:
        """Note a run's result."""
        if kept_up:
            self.found = max(self.found, sessions)
        else:
            self._missed = min(self._missed, sessions)
        self._next = self._after()

    def _after(self) -> int | None:
        if self._missed - self.found <= max(1, round(self.found * self._precision)):
            return None
        if self._missed > self._most:
            return min(2 * self.found, self._most)
        return (self.found + self._missed) // 2
