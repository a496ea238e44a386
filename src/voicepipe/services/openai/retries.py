"""The number of, and the pauses between, attempts at a request."""

from __future__ import annotations

from dataclasses import dataclass

from voicepipe.services.errors import FailureReason

__all__ = ["Patience", "Retries"]


@dataclass(frozen=True, slots=True)
class Retries:
    """Request an answer that has not begun again when the service is unavailable.

    Args:
        times: the number of further requests to a service that fails, or says nothing
        longest_wait_s: how long a busy service is waited for, all its `Retry-After` headers together; a longer
            one is not waited for
    """

    times: int
    longest_wait_s: float


class Patience:
    """The attempts, and the waiting time, that are left for one answer."""

    def __init__(self, retries: Retries) -> None:
        self._left, self._left_s = retries.times, retries.longest_wait_s

    def pause_s(self, retry_after_s: float | None, why: FailureReason) -> float | None:
        """Return how long to wait before the next request; None: it has failed.

        Args:
            retry_after_s: the time that the service names; None: it is not to be asked again
            why: the reason of the failure: waiting for one that is full does not count as an attempt
        """
        if retry_after_s is None or retry_after_s > self._left_s:
            return None
        if why is not FailureReason.FULL or not retry_after_s:
            self._left -= 1
        self._left_s -= retry_after_s
        return retry_after_s if self._left >= 0 else None
