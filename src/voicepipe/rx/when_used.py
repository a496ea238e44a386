"""`WhenUsed`: whether work that was begun ahead is used."""

from __future__ import annotations

from collections.abc import Callable

from reactivex import abc
from reactivex.disposable import Disposable

__all__ = ["WhenUsed"]


class WhenUsed:
    """Work that was begun before it is wanted. The scheduler below which it runs has one, with its children."""

    def __init__(self) -> None:
        self.is_used = False
        self._waiting: list[Callable[[], object]] = []

    def add(self, action: Callable[[], object]) -> abc.DisposableBase:
        """Call `action` when the work is used, in the order of these calls, until the result is disposed."""
        waiting = self._waiting
        waiting.append(action)
        return Disposable(lambda: waiting.remove(action) if action in waiting else None)

    def use(self) -> None:
        """The work is wanted: call what waits for that."""
        self.is_used = True
        while self._waiting:
            self._waiting.pop(0)()
