"""`ServiceProtocol`: the messages to a service and the meaning of its answers, without the connection (sans I/O)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias, TypeVar

from voicepipe.services.errors import ServiceError
from voicepipe.services.socket import ServiceSocket

__all__ = ["Connect", "Emit", "ServiceProtocol"]

A_contra = TypeVar("A_contra", contravariant=True)
B_co = TypeVar("B_co", covariant=True)
B = TypeVar("B")

Emit: TypeAlias = Callable[[B], None]
Connect: TypeAlias = Callable[[Emit[B]], Awaitable[ServiceSocket]]
"""Opens a connection to an instance; may emit a warning for the user when it takes long. Raises ServiceError."""


class ServiceProtocol(Protocol[A_contra, B_co]):
    """The state machine of one stage's use of a service. An error that any method raises ends the stage."""

    def put(self, item: A_contra, /) -> Sequence[B_co]:
        """Take an item of the graph; return what is emitted at once. Raises BoundaryFull."""
        ...

    def finish(self) -> Sequence[B_co] | None:
        """Note that the source has completed; return what is emitted at once."""
        ...

    def opened(self) -> None:
        """Note that a connection begins, the first or a later one: repeat what has to be repeated."""
        ...

    def outgoing(self) -> bytes | None:
        """Return the next message that may be sent now; None if there is none."""
        ...

    def received(self, message: bytes, /) -> Sequence[B_co]:
        """Take a message; return what is emitted. Raises ServiceError for an invalid one."""
        ...

    def closed(self) -> Sequence[B_co]:
        """Note that the service closed the connection in order. Raises ServiceError if it had to send more."""
        ...

    def lost(self, error: ServiceError, /) -> Sequence[B_co]:
        """Note that the connection failed; another one is opened. Raises if that would not help."""
        ...

    def cut(self) -> None:
        """Note that the subscription was disposed before the end."""
        ...

    @property
    def done(self) -> bool:
        """Return whether everything has been sent and answered: the stage completes."""
        ...

    @property
    def overdue_at(self) -> float | None:
        """The time on the session's clock from which silence is a fault; None while no answer is due."""
        ...

    @property
    def stale(self) -> bool:
        """Return whether a fresh connection would help, and nothing would be lost by changing over now."""
        ...
