"""`PacketOrder`: RTP packets in their order, and which of them are lost. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["PacketOrder"]

T = TypeVar("T")

# Sequence numbers have 16 bits (RFC 3550, 5.1).
_NUMBERS, _HALF = 1 << 16, 1 << 15
# Farther ahead is a stream that has begun anew.
_JUMP = 200
# How many later packets a missing one is waited for: at first, and the bounds. A packet has 20 ms.
_FIRST, _LEAST, _MOST = 3, 2, 8
# After so many packets without one that came too late, the wait becomes shorter: ten seconds.
_CALM = 500


class PacketOrder(Generic[T]):
    """Put packets in order. A packet that comes in its turn passes at once: nothing is delayed to smooth it, since what
    hears the sound needs no even pace.

    A missing packet is waited for while some later ones come, and then given up. How many is adapted: one more after a
    packet that came too late, one less after ten seconds without.

    >>> order = PacketOrder[str]()
    >>> [list(order.push(number, f"p{number}")) for number in (7, 8, 10, 9)]
    [['p7'], ['p8'], [], ['p9', 'p10']]
    """

    def __init__(self) -> None:
        self._next: int | None = None
        self._held: dict[int, T] = {}
        self._calm = 0
        self.patience = _FIRST
        self.lost = self.late = 0

    def push(self, number: int, packet: T) -> Iterator[T | None]:
        """Yield the packets that are next in order; None in place of each that is lost."""
        if self._next is None:
            self._next = number
        ahead = (number - self._next) % _NUMBERS
        if ahead >= _HALF:
            self._came_late()
            return
        if ahead > _JUMP:
            self._held.clear()
            self._next = number
        self._held[number] = packet
        yield from self._in_turn()
        if len(self._held) > self.patience:
            yield from self._given_up()
            yield from self._in_turn()
        self._calm_down()

    def _in_turn(self) -> Iterator[T]:
        assert self._next is not None
        while self._next in self._held:
            yield self._held.pop(self._next)
            self._next = (self._next + 1) % _NUMBERS

    def _given_up(self) -> Iterator[None]:
        assert self._next is not None
        while self._next not in self._held:
            self.lost += 1
            self._next = (self._next + 1) % _NUMBERS
            yield None

    def _came_late(self) -> None:
        self.late += 1
        self._calm = 0
        self.patience = min(_MOST, self.patience + 1)

    def _calm_down(self) -> None:
        self._calm += 1
        if self._calm >= _CALM:
            self._calm = 0
            self.patience = max(_LEAST, self.patience - 1)
