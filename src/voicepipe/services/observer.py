"""What is told of a service while it is used, for whoever counts: metrics, or nobody."""

from __future__ import annotations

from typing import Protocol

from voicepipe.services.errors import FailureReason

__all__ = ["NULL_OBSERVER", "ServiceObserver"]


class ServiceObserver(Protocol):
    """Told, on the event loop, what happens with one service. Must not block and must not raise.

    A frame is 80 ms of sound; what is counted in frames and words is said by each stage. All times are in seconds.
    """

    def session_opened(self) -> None:
        """A connection was established; it is active now."""

    def session_closed(self, after_s: float) -> None:
        """It is over, however it ended."""

    def missed(self, why: FailureReason) -> None:
        """An instance was asked in vain: a miss when it is full, else a hard miss (`why.is_fault`)."""

    def found(self, after_s: float) -> None:
        """A search that was successful took so long, all its tries included."""

    def pinged(self, after_s: float) -> None:
        """An instance that took us has answered after so long."""

    def sent(self, count: int) -> None:
        """Frames (STT) or words (TTS) went out."""

    def received(self, count: int) -> None:
        """Words (STT) or frames (TTS) came in."""

    def first_item(self, after_s: float) -> None:
        """From the first thing asked on a connection to its first result."""

    def generated(self, sound_s: float, after_s: float) -> None:
        """So much sound was heard (STT) or made (TTS) on a connection, from its first to its last item."""

    def interrupted(self) -> None:
        """The user cut in before the service had finished."""

    def failed(self, error: Exception) -> None:
        """A hard error: a connection that worked broke, fell silent or talked nonsense."""


class _NullObserver:
    """Counts nothing."""

    def session_opened(self) -> None: ...
    def session_closed(self, after_s: float) -> None: ...
    def missed(self, why: FailureReason) -> None: ...
    def found(self, after_s: float) -> None: ...
    def pinged(self, after_s: float) -> None: ...
    def sent(self, count: int) -> None: ...
    def received(self, count: int) -> None: ...
    def first_item(self, after_s: float) -> None: ...
    def generated(self, sound_s: float, after_s: float) -> None: ...
    def interrupted(self) -> None: ...
    def failed(self, error: Exception) -> None: ...


NULL_OBSERVER: ServiceObserver = _NullObserver()
"""Counts nothing."""
