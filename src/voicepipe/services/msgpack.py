"""Messages of Kyutai's servers: a MessagePack map with a "type"."""

from __future__ import annotations

from typing import Any, cast

import ormsgpack

from voicepipe.services.errors import ProtocolViolation

__all__ = ["unpacked"]


def unpacked(data: bytes, service: str) -> dict[str, Any]:
    """Return the map that a service has sent. Raises ProtocolViolation for anything else."""
    try:
        message = ormsgpack.unpackb(data)
    except ormsgpack.MsgpackDecodeError as error:
        raise ProtocolViolation(service, f"no MessagePack: {error}") from error
    if not isinstance(message, dict):
        raise ProtocolViolation(service, f"a {type(message).__name__} in place of a message")
    return cast("dict[str, Any]", message)
