"""The wire: how clients write and read, as pure functions. No sockets, no event loop."""

from voicepipe.realtime.dialect import Dialect, Encode, ServerMessage
from voicepipe.realtime.errors import error_body, sentence
from voicepipe.realtime.ids import new_id
from voicepipe.realtime.unmute import Unmute
from voicepipe.realtime.wire import Received, Wire, dialect_of

__all__ = [
    "Dialect",
    "Encode",
    "Received",
    "ServerMessage",
    "Unmute",
    "Wire",
    "dialect_of",
    "error_body",
    "new_id",
    "sentence",
]
