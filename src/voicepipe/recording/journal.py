"""`Journal`: the entries into one session's graph, in order, and the clock that stands still between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from voicepipe.recording.records import Entry

__all__ = ["Journal"]

T = TypeVar("T")


class Journal:
    """Note each call of the event loop into a graph, and what comes of it.

    A graph is a function of its entries: messages, answers of stages, timers, and the clock that it reads. So the
    clock stands still during an entry, and until the next one; then the same entries make the same events, to the bit.
    When the journal is `off`, nothing is noted, and the clock runs.

    Args:
        clock: The event loop's clock, in seconds.
        note: Takes each record.
    """

    def __init__(self, clock: Callable[[], float], note: Callable[[object], None]) -> None:
        self._clock, self._note = clock, note
        self._now_s = clock()
        self._inside = False
        self.is_on = True
        self._numbers = Counter[str]()

    @property
    def now_s(self) -> float:
        """Return the session's clock, in seconds."""
        return self._now_s if self.is_on else self._clock()

    @property
    def is_inside(self) -> bool:
        """Return whether an entry is being dealt with."""
        return self._inside

    def number(self, kind: str) -> int:
        """Return the next number of a "call", a "timer", a "clean_up" or a "function", from 0 on."""
        number = self._numbers[kind]
        self._numbers[kind] = number + 1
        return number

    def fact(self, record: object) -> None:
        """Note what has come about."""
        if self.is_on:
            self._note(record)

    def enter(self, record: Callable[[float], Entry], work: Callable[[], T]) -> T:
        """Note an entry, and do its work. Inside of another entry it is a part of that, and not noted.

        Args:
            record: Makes the record of the time.
            work: The call into the graph.
        """
        if self._inside or not self.is_on:
            return work()
        self._now_s = max(self._now_s, self._clock())
        self._note(record(self._now_s))
        self._inside = True
        try:
            return work()
        finally:
            self._inside = False

    def stop(self) -> None:
        """Note nothing more."""
        self.is_on = False
