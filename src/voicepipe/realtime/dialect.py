"""`Dialect`: two functions, from the wire and to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from voicepipe.events import AudioReceived, ClientMessage, Event, InputCommitted

__all__ = ["Dialect", "Encode", "ItemSpoken", "ServerMessage"]

ServerMessage: TypeAlias = dict[str, Any]
"""One message to the client: a JSON object with `type` and `event_id`."""

Encode: TypeAlias = Callable[[Event], list[ServerMessage]]
"""Returns the messages to the client for an event, often none. Holds the state of one connection."""


@dataclass(frozen=True, slots=True)
class ItemSpoken:
    """The client added a message of sound: it is recognised like a turn that the client ends, with its item."""

    sound: AudioReceived
    committed: InputCommitted


class Dialect(Protocol):
    """The wire format of one client, chosen per connection."""

    @property
    def name(self) -> str:
        """The name in logs."""
        ...

    def decode(self, text: str) -> ClientMessage:
        """Decode one text frame of the client. Never raises: an invalid one becomes an `InputRejected`."""
        ...

    def encoder(self) -> Encode:
        """Return a new connection's encoder."""
        ...
