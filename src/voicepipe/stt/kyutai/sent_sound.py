"""`SentSound`: the sound that each connection to a recogniser took, for metrics."""

from __future__ import annotations

from voicepipe.services import ServiceObserver
from voicepipe.stt.kyutai.protocol import FRAME_S

__all__ = ["SentSound"]


class SentSound:
    """Passes everything on to an observer, and reports at the end of a connection how much sound was sent on it.

    Args:
        observer: That of the service.
    """

    def __init__(self, observer: ServiceObserver) -> None:
        self._frames = 0
        self._to = observer
        self.missed, self.found, self.pinged = observer.missed, observer.found, observer.pinged
        self.received, self.first_item = observer.received, observer.first_item
        self.interrupted, self.failed = observer.interrupted, observer.failed
        self.generated, self.stepped = observer.generated, observer.stepped

    def session_opened(self) -> None:
        """Begin to count."""
        self._frames = 0
        self._to.session_opened()

    def sent(self, count: int) -> None:
        """Count frames."""
        self._frames += count
        self._to.sent(count)

    def session_closed(self, after_s: float) -> None:
        """Report what was sent, where anything was."""
        if self._frames:
            self._to.generated(self._frames * FRAME_S, after_s)
        self._to.session_closed(after_s)
