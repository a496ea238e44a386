"""`ServiceObserver`: receives what happens with a service, for metrics."""

from __future__ import annotations

from typing import Protocol

from voicepipe.services.errors import FailureReason

__all__ = ["NULL_OBSERVER", "ServiceObserver"]


class ServiceObserver(Protocol):
    """Receives, on the event loop, what happens with one service. Must not block and must not raise.

    A frame is 80 ms of sound; each stage says what it counts in frames and words. All times are in seconds.
    """

    def session_opened(self) -> None:
        """A connection was established and is active."""

    def session_closed(self, after_s: float) -> None:
        """A connection ended, in whatever way."""

    def missed(self, why: FailureReason) -> None:
        """An attempt failed: a miss if the instance was full, else a hard miss (`why.is_fault`)."""

    def found(self, after_s: float) -> None:
        """A search succeeded after this time, including its failed attempts."""

    def pinged(self, after_s: float) -> None:
        """An instance that accepted the session answered after this time."""

    def sent(self, count: int) -> None:
        """Frames (STT) or words (TTS) were sent."""

    def received(self, count: int) -> None:
        """Words (STT) or frames (TTS) were received."""

    def stepped(self, count: int) -> None:
        """A recogniser has worked through this many frames."""

    def first_item(self, after_s: float) -> None:
        """The first result of a connection came this long after its first input."""

    def generated(self, sound_s: float, after_s: float) -> None:
        """This much sound was heard (STT) or made (TTS) on a connection, from its first to its last item."""

    def interrupted(self) -> None:
        """The user interrupted before the service had finished."""

    def failed(self, error: Exception) -> None:
        """A hard error: a working connection broke, stalled or violated the protocol."""


class _NullObserver:
    """An observer that ignores everything."""

    def session_opened(self) -> None: ...
    def session_closed(self, after_s: float) -> None: ...
    def missed(self, why: FailureReason) -> None: ...
    def found(self, after_s: float) -> None: ...
    def pinged(self, after_s: float) -> None: ...
    def sent(self, count: int) -> None: ...
    def received(self, count: int) -> None: ...
    def stepped(self, count: int) -> None: ...
    def first_item(self, after_s: float) -> None: ...
    def generated(self, sound_s: float, after_s: float) -> None: ...
    def interrupted(self) -> None: ...
    def failed(self, error: Exception) -> None: ...


NULL_OBSERVER: ServiceObserver = _NullObserver()
"""An observer that ignores everything."""
