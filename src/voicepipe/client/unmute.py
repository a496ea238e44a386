"""A WebSocket client of Unmute's dialect."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal, TypeAlias

from voicepipe.audio import OggOpus
from voicepipe.client.audio_connection import AudioConnection
from voicepipe.client.socket import ClientSocket, Message, open_socket, parsed, websocket_url

__all__ = ["CHARACTERS", "ClientConnection", "MayRecord", "connect", "settings"]

CHARACTERS = ("smalltalk", "guess_animal", "quiz_show", "news", "unmute_explanation")
"""Characters for which the server writes the instructions."""


class ClientConnection(AudioConnection):
    """An open conversation: iterate over the server's messages until either side closes.

    Every second frame of 20 ms that is sent sends a page.
    """

    def __init__(self, socket: ClientSocket) -> None:
        super().__init__(socket, OggOpus())

    async def __aiter__(self) -> AsyncIterator[Message]:
        while (text := await self._socket.receive()) is not None:
            yield parsed(text) or _nonsense(text)


@asynccontextmanager
async def connect(
    url: str,
    *,
    instructions: str | None = "smalltalk",
    voice: str | None = None,
    api_key: str | None = None,
    open_timeout_s: float = 10.0,
    recording: MayRecord = "off",
) -> AsyncGenerator[ClientConnection]:
    """Open a conversation and send its settings, so that the bot opens; `instructions` and `recording` as in
    `settings`. `api_key` is for a server that requires one.

    Raises CannotConnect when no server listens, or it is full, refuses, or speaks another protocol.
    """
    socket = await open_socket(websocket_url(url), key=api_key, timeout_s=open_timeout_s)
    try:
        connection = ClientConnection(socket)
        with suppress(ConnectionResetError):  # closed at once: the reader gets the reason
            await connection.send(settings(instructions, voice, recording))
        yield connection
    finally:
        await socket.close()


MayRecord: TypeAlias = Literal["off", "events", "sound"]
"""What a server may record: nothing, events and words, or the user's sound, too."""


def settings(instructions: str | None, voice: str | None, recording: MayRecord = "off") -> Message:
    """Return a `session.update`. Instructions: one of `CHARACTERS`, or a text; None or "" leaves the bot silent."""
    wanted: Message | None = None
    if instructions in CHARACTERS:
        wanted = {"type": instructions, "language": "en"}
    elif instructions:
        wanted = {"type": "constant", "text": instructions, "language": "en"}
    session: Message = {"voice": voice, "allow_recording": recording != "off"}
    if recording == "sound":
        session["allow_sound_recording"] = True
    if wanted is not None:  # null would mean: the default character
        session["instructions"] = wanted
    return {"type": "session.update", "session": session}


def _nonsense(text: str) -> Message:
    return {"type": "error", "error": {"type": "warning", "message": f"the server sent no event: {text[:80]!r}"}}
