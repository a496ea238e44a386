"""Dialects of the realtime protocol, as pure functions: no sockets, no event loop."""

from voicepipe.realtime.dialect import Dialect, Encode, ServerMessage
from voicepipe.realtime.errors import error_body, sentence
from voicepipe.realtime.ids import new_id
from voicepipe.realtime.negotiation import DialectNegotiation, Received, dialect_of
from voicepipe.realtime.unmute.dialect import Unmute

__all__ = [
    "Dialect",
    "DialectNegotiation",
    "Encode",
    "Received",
    "ServerMessage",
    "Unmute",
    "dialect_of",
    "error_body",
    "new_id",
    "sentence",
]
