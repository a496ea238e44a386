"""Errors of network services, distinguished by their meaning.

`AtCapacity` is no fault: the service works, for other sessions. Every other error is a fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from voicepipe.services.address import Instance

__all__ = [
    "AtCapacity",
    "AttemptFailed",
    "ConnectionLost",
    "FailureReason",
    "ProtocolViolation",
    "ServiceError",
    "ServiceStalled",
    "ServiceUnavailable",
]


class FailureReason(StrEnum):
    """The reason for which an attempt failed. The value stands in metrics and log lines."""

    FULL = "full"
    TIMED_OUT = "timed out"
    REFUSED = "refused"
    FORBIDDEN = "forbidden"
    NONSENSE = "nonsense"
    BROKEN = "broken"
    UNKNOWN_HOST = "unknown host"

    @property
    def is_fault(self) -> bool:
        return self is not FailureReason.FULL


_OUTCOMES = {
    FailureReason.FULL: "is full",
    FailureReason.TIMED_OUT: "did not answer in time",
    FailureReason.REFUSED: "cannot be reached",
    FailureReason.FORBIDDEN: "does not accept our key",
    FailureReason.NONSENSE: "sends invalid messages",
    FailureReason.BROKEN: "is broken",
    FailureReason.UNKNOWN_HOST: "cannot be found on the network",
}


class ServiceError(ConnectionError):
    """A service failed. `service` is its name for people: "speech recognition (STT)".

    `outcome` is the end of a sentence for the user that begins with that name (`user_message`). `detail` is for the
    operator; it may contain addresses and the service's own words.
    """

    def __init__(self, service: str, outcome: str, detail: str = "") -> None:
        super().__init__(f"The {service} {outcome}{detail and f' ({detail})'}.")
        self.service, self.outcome, self.detail = service, outcome, detail

    @property
    def user_message(self) -> str:
        return f"The {self.service} {self.outcome}."


class AtCapacity(ServiceError):
    """The instance is at capacity. It works, so this is no fault."""

    def __init__(self, service: str, said: str = "") -> None:
        super().__init__(service, "is full", said)


class ConnectionLost(ServiceError):
    """The connection ended too early."""

    def __init__(self, service: str, how: str) -> None:
        super().__init__(service, "broke off the connection", how)


class ServiceStalled(ServiceError):
    """The service has to answer, and has sent nothing for longer than the limit."""

    def __init__(self, service: str) -> None:
        super().__init__(service, "has fallen silent")


class ProtocolViolation(ServiceError):
    """The service sent a message that does not follow the protocol."""

    def __init__(self, service: str, what: str) -> None:
        super().__init__(service, "sent an invalid message", what)


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """One failed attempt to reach an instance."""

    instance: Instance | None
    reason: FailureReason
    detail: str


class ServiceUnavailable(ServiceError):
    """No instance is available. `reason` is the most important of the reasons; `missed` lists each attempt.

    The reason is "full" only if every tried instance is full: a full instance must not hide a broken one.
    """

    def __init__(self, service: str, missed: Sequence[AttemptFailed]) -> None:
        self.reason = _gravest(missed)
        super().__init__(service, _OUTCOMES[self.reason] + _count(missed))
        self.missed = tuple(missed)

    @property
    def full(self) -> bool:
        return self.reason is FailureReason.FULL


def _gravest(missed: Sequence[AttemptFailed]) -> FailureReason:
    """Return the most frequent fault; "full" if there is no fault."""
    faults = Counter(one.reason for one in missed if one.reason.is_fault)
    return faults.most_common(1)[0][0] if faults else FailureReason.FULL


def _count(missed: Sequence[AttemptFailed]) -> str:
    """Return how many instances were tried, if more than one, and the other reasons."""
    if len(missed) < 2:
        return ""
    said = Counter(one.reason for one in missed)
    if len(said) == 1:
        return f" ({len(missed)} servers were asked)"
    return f" ({len(missed)} servers were asked: {', '.join(f'{count} {why}' for why, count in said.items())})"
