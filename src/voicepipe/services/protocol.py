"""`ServiceProtocol`: what is said to a service and made of its answers, without the connection: the sans-I/O half."""

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
"""Opens a connection to an instance that has taken us; may tell the user why it takes a while. Raises ServiceError."""


class ServiceProtocol(Protocol[A_contra, B_co]):
    """What is said on a connection, without the connection. An error that any of these raises ends the stage."""

    def put(self, item: A_contra, /) -> Sequence[B_co]:
        """An item of the graph; what comes out at once. Raises BoundaryFull."""
        ...

    def finish(self) -> None:
        """The source has completed."""
        ...

    def opened(self) -> None:
        """A connection begins, the first one or another: say again what must be said again."""
        ...

    def outgoing(self) -> bytes | None:
        """The next message that may be sent now; None when there is none."""
        ...

    def received(self, message: bytes, /) -> Sequence[B_co]:
        """What comes of a message. Raises ServiceError for one that means nothing."""
        ...

    def closed(self) -> Sequence[B_co]:
        """The service has said goodbye. Raises ServiceError if it owed more."""
        ...

    def lost(self, error: ServiceError, /) -> Sequence[B_co]:
        """The connection is of no use any more; another one is opened. Raises where that would not help."""
        ...

    def cut(self) -> None:
        """Nobody listens any more, before it was done."""
        ...

    @property
    def done(self) -> bool:
        """Everything has been said and answered: the stage completes."""
        ...

    @property
    def overdue_at(self) -> float | None:
        """When, on the session's clock, silence of the service is a fault; None while it owes nothing."""
        ...

    @property
    def stale(self) -> bool:
        """A fresh connection would do good, and this is a moment at which nothing is lost by changing over."""
        ...
