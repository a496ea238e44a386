"""`Transport`: what a session needs of the connection to its client."""

from __future__ import annotations

from typing import Protocol

from aiohttp import WSMessage

from voicepipe.server.session.socket import Fault

__all__ = ["Transport"]


class Transport(Protocol):
    """One client's connection: a WebSocket, several of them one after the other, or a peer connection of WebRTC."""

    @property
    def close_code(self) -> int | None:
        """The close code of a connection that has ended; None while it is open."""
        ...

    @property
    def outlives_loss(self) -> bool:
        """Return whether the client may still reconnect after its connection has broken."""
        ...

    async def receive(self) -> WSMessage:
        """Return the next frame of the client."""
        ...

    async def send_str(self, data: str) -> None:
        """Send a text frame. Raises ConnectionError when the connection is closed."""
        ...

    def play(self, event: object) -> None:
        """Take a message of the client, or an event of the session, before it is sent: of sound that travels beside the
        messages."""
        ...

    async def pong(self, message: bytes) -> None:
        """Answer a ping."""
        ...

    def fault(self, error: object) -> Fault | None:
        """Return why what the client sends cannot be read any further; None: the connection is dead."""
        ...

    def heard(self) -> None:
        """Note that the client lives."""
        ...

    def abort(self) -> None:
        """Cut the connection; what has not been sent is lost."""
        ...

    async def close_with_reason(self, code: int, reason: str) -> None:
        """Close, and tell the client why."""
        ...
