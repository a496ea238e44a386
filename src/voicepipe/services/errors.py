"""What can go wrong with a service on the network, told apart by what it means.

`Full` is no fault: the service works, for others. Everything else is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from voicepipe.services.address import Instance

__all__ = ["Full", "Lost", "Miss", "Missed", "ServiceError", "ServiceUnavailable", "Silent", "TalksNonsense"]


class Miss(StrEnum):
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
        return self is not Miss.FULL


_FATES = {
    Miss.FULL: "is full",
    Miss.TIMED_OUT: "did not answer in time",
    Miss.REFUSED: "cannot be reached",
    Miss.FORBIDDEN: "does not accept our key",
    Miss.NONSENSE: "answers in a way that nobody understands",
    Miss.BROKEN: "is broken",
    Miss.UNKNOWN_HOST: "cannot be found on the network",
}


class ServiceError(ConnectionError):
    """A service did not do its work. `service` is its name for people: "speech recognition (STT)".

    `fate` is what became of it, as the end of a sentence that begins with its name, for the one who talks (`told`).
    `detail`, which may hold addresses and the service's own words, is for the one who runs it.
    """

    def __init__(self, service: str, fate: str, detail: str = "") -> None:
        super().__init__(f"The {service} {fate}{detail and f' ({detail})'}.")
        self.service, self.fate, self.detail = service, fate, detail

    @property
    def told(self) -> str:
        return f"The {self.service} {self.fate}."


class Full(ServiceError):
    """The instance is at capacity. It works: this is no fault."""

    def __init__(self, service: str, said: str = "") -> None:
        super().__init__(service, "is full", said)


class Lost(ServiceError):
    """The connection ended before its time."""

    def __init__(self, service: str, how: str) -> None:
        super().__init__(service, "broke off the connection", how)


class Silent(ServiceError):
    """It owes an answer, and has said nothing for longer than we wait."""

    def __init__(self, service: str) -> None:
        super().__init__(service, "has fallen silent")


class TalksNonsense(ServiceError):
    """What it sent is not what this protocol says."""

    def __init__(self, service: str, what: str) -> None:
        super().__init__(service, "sent what nobody understands", what)


@dataclass(frozen=True, slots=True)
class Missed:
    """One instance that was asked in vain."""

    instance: Instance | None
    why: Miss
    detail: str


class ServiceUnavailable(ServiceError):
    """No instance could be had. `why` is the reason, of several the one to look into; `missed` names each try.

    "Full" is said only where every instance that was asked is full: a full one must not hide a broken one.
    """

    def __init__(self, service: str, missed: Sequence[Missed]) -> None:
        self.why = _gravest(missed)
        super().__init__(service, _FATES[self.why] + _count(missed))
        self.missed = tuple(missed)

    @property
    def full(self) -> bool:
        return self.why is Miss.FULL


def _gravest(missed: Sequence[Missed]) -> Miss:
    """The most frequent fault; with no fault at all it is full."""
    faults = Counter(one.why for one in missed if one.why.is_fault)
    return faults.most_common(1)[0][0] if faults else Miss.FULL


def _count(missed: Sequence[Missed]) -> str:
    """How many were asked, where it was more than one, and what the others said."""
    if len(missed) < 2:
        return ""
    said = Counter(one.why for one in missed)
    if len(said) == 1:
        return f" ({len(missed)} servers were asked)"
    return f" ({len(missed)} servers were asked: {', '.join(f'{count} {why}' for why, count in said.items())})"
