"""The sound of a conversation over one socket, in every dialect."""

from __future__ import annotations

import base64

from voicepipe.audio import Codec
from voicepipe.client.socket import ClientSocket, Message, appended
from voicepipe.events import Audio, Samples

__all__ = ["AudioConnection"]


class AudioConnection:
    """A socket, and the codec of its sound.

    Args:
        socket: An open socket.
        codec: How sound is sent and received.
    """

    def __init__(self, socket: ClientSocket, codec: Codec) -> None:
        self._socket, self._rate_hz = socket, codec.rate_hz
        self._encode, self._decode = codec.encoder(), codec.decoder()

    async def send(self, message: Message) -> None:
        """Send a message. Raises ConnectionResetError when the connection is closed."""
        await self._socket.send(message)

    async def send_audio(self, samples: Samples) -> None:
        """Send the user's next sound, at the codec's rate, as soon as the codec has a packet of it."""
        if data := self._encode(Audio(samples, self._rate_hz)):
            await self.send(appended(data))

    def sound(self, delta: str) -> Samples:
        """Return the sound of a message, at the codec's rate; empty for the pages that begin a stream.

        Raises ValueError if it is not sound.
        """
        return self._decode(base64.b64decode(delta))

    @property
    def close_code(self) -> int | None:
        """The close code: 1000 in order, 1006 lost, 1013 full; None while it is open."""
        return self._socket.close_code

    @property
    def close_reason(self) -> str:
        """The reason that the server gave when it closed."""
        return self._socket.close_reason

    async def close(self) -> None:
        """Close the connection in order."""
        await self._socket.close()
