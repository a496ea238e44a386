"""What a dialect of the realtime protocol is: two pure functions, from the wire and to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from voicepipe.audio import Codec
from voicepipe.events import AudioReceived, ClientMessage, Event, InputCommitted

__all__ = ["Dialect", "Encode", "ItemSpoken", "ServerMessage"]

ServerMessage: TypeAlias = dict[str, Any]
"""One message to the client: a JSON object with `type` and `event_id`."""

Encode: TypeAlias = Callable[[Event], list[ServerMessage]]
"""What the client is told of an event; often nothing. Holds the state of one connection."""


@dataclass(frozen=True, slots=True)
class ItemSpoken:
    """The client wrote a message that is sound: it is heard like a turn that the client ends, whose item it is."""

    sound: AudioReceived
    committed: InputCommitted


class Dialect(Protocol):
    """How one client writes and reads; chosen per connection."""

    @property
    def name(self) -> str:
        """For logs."""
        ...

    @property
    def codec(self) -> Codec:
        """How audio is written inside of messages."""
        ...

    def decode(self, text: str) -> ClientMessage:
        """One text frame of the client. Never raises: what is wrong with it is an `InputRejected` that names it."""
        ...

    def encoder(self) -> Encode:
        """A new connection's encoder."""
        ...
