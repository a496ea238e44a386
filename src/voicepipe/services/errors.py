"""What can go wrong with a service on the network, told apart by what it means.

`AtCapacity` is no fault: the service works, for others. Everything else is one.
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
    """Why an instance was not had. The value is what a metric or a log line calls it."""

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
    FailureReason.NONSENSE: "answers in a way that nobody understands",
    FailureReason.BROKEN: "is broken",
    FailureReason.UNKNOWN_HOST: "cannot be found on the network",
}


class ServiceError(ConnectionError):
    """A service did not do its work. `service` is its name for people: "speech recognition (STT)".

    `outcome` is what became of it, as the end of a sentence that begins with its name, for the one who talks
    (`user_message`).
    `detail`, which may hold addresses and the service's own words, is for the one who runs it.
    """

    def __init__(self, service: str, outcome: str, detail: str = "") -> None:
        super().__init__(f"The {service} {outcome}{detail and f' ({detail})'}.")
        self.service, self.outcome, self.detail = service, outcome, detail

    @property
    def user_message(self) -> str:
        return f"The {self.service} {self.outcome}."


class AtCapacity(ServiceError):
    """The instance is at capacity. It works: this is no fault."""

    def __init__(self, service: str, said: str = "") -> None:
        super().__init__(service, "is full", said)


class ConnectionLost(ServiceError):
    """The connection ended before its time."""

    def __init__(self, service: str, how: str) -> None:
        super().__init__(service, "broke off the connection", how)


class ServiceStalled(ServiceError):
    """It owes an answer, and has said nothing for longer than we wait."""

    def __init__(self, service: str) -> None:
        super().__init__(service, "has fallen silent")


class ProtocolViolation(ServiceError):
    """What it sent is not what this protocol says."""

    def __init__(self, service: str, what: str) -> None:
        super().__init__(service, "sent what nobody understands", what)


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """One instance that was asked in vain."""

    instance: Instance | None
    reason: FailureReason
    detail: str


class ServiceUnavailable(ServiceError):
    """No instance could be had. `reason` is the reason, of several the one to look into; `missed` names each try.

    "Full" is said only where every instance that was asked is full: a full one must not hide a broken one.
    """

    def __init__(self, service: str, missed: Sequence[AttemptFailed]) -> None:
        self.reason = _gravest(missed)
        super().__init__(service, _OUTCOMES[self.reason] + _count(missed))
        self.missed = tuple(missed)

    @property
    def full(self) -> bool:
        return self.reason is FailureReason.FULL


def _gravest(missed: Sequence[AttemptFailed]) -> FailureReason:
    """The most frequent fault; with no fault at all it is full."""
    faults = Counter(one.reason for one in missed if one.reason.is_fault)
    return faults.most_common(1)[0][0] if faults else FailureReason.FULL


def _count(missed: Sequence[AttemptFailed]) -> str:
    """How many were asked, where it was more than one, and what the others said."""
    if len(missed) < 2:
        return ""
    said = Counter(one.reason for one in missed)
    if len(said) == 1:
        return f" ({len(missed)} servers were asked)"
    return f" ({len(missed)} servers were asked: {', '.join(f'{count} {why}' for why, count in said.items())})"
