"""`Hold`: whether the sound of a session is held, for what plays it."""

from __future__ import annotations

from collections.abc import Callable

from reactivex import abc
from reactivex.disposable import Disposable

__all__ = ["Hold"]


class Hold:
    """A switch of a session: while it is on, `pace` releases no sound. A scheduler has one, with its children."""

    def __init__(self, *, on: bool = False) -> None:
        self.is_on = on
        self._listeners: list[Callable[[], None]] = []

    def set(self, on: bool) -> None:
        """Turn it on or off, and tell the listeners if that is a change."""
        if on != self.is_on:
            self.is_on = on
            for listener in self._listeners.copy():
                listener()

    def follow(self, other: Hold) -> abc.DisposableBase:
        """Be as another one is, now and at each of its changes, until the result is disposed."""
        following = other.listen(lambda: self.set(other.is_on))
        self.set(other.is_on)
        return following

    def listen(self, listener: Callable[[], None]) -> abc.DisposableBase:
        """Call `listener` at each change, until the result is disposed."""
        self._listeners.append(listener)
        return Disposable(lambda: self._listeners.remove(listener))
